"""Checks a placement by adding up what it says: no node over-filled, no node invented, every replica on one.

For `verify`, which shares no code with the search for placements: only the data is the same.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from inferno_optimizer.allocation.nodes import Items, Nodes
from inferno_optimizer.allocation.packing import Filled, Packing


def placement_violations(device: str, nodes: Nodes, packing: Packing, replicas: Items) -> Iterator[str]:
    """Sentences about what is wrong with the placement of `replicas`, by size, besides the fixed ones."""
    expected = {size: count for size, count in replicas.items() if count}
    for size, count in nodes.fixed:
        expected[size] = expected.get(size, 0) + count
    placed: dict[int, int] = {}
    used: dict[int, int] = {}
    for filled in packing:
        if filled.nodes < 1 or any(size < 1 or count < 1 for size, count in filled.holds):
            yield f"the placement on {device} has a pattern of nothing"
        content = sum(size * count for size, count in filled.holds)
        if content > filled.free:
            yield f"{content} units are placed on a node with {filled.free} free units of {device}"
        used[filled.free] = used.get(filled.free, 0) + filled.nodes
        for size, count in filled.holds:
            placed[size] = placed.get(size, 0) + count * filled.nodes
    there = dict(nodes.free)
    for free, count in sorted(used.items()):
        if count > there.get(free, 0):
            yield f"{count} nodes with {free} free units of {device} are used, there are {there.get(free, 0)}"
    for size in sorted({*expected, *placed}):
        if expected.get(size, 0) != placed.get(size, 0):
            yield (
                f"{expected.get(size, 0)} replicas of {size} units of {device} are to be placed, the"
                f" placement has {placed.get(size, 0)}"
            )


def replicas_that_fit(nodes: Nodes, packing: Packing, units: int, freed: Mapping[int, int]) -> int:
    """Replicas of a size that certainly fit after `freed` ones, by size, have left; nobody else is moved."""
    budget = dict(freed)
    idle = Counter(dict(nodes.free))
    fit = 0
    for filled in packing:
        idle[filled.free] -= filled.nodes
        fit += _fit_on(filled, units, budget)
    return fit + sum(max(0, count) * (free // units) for free, count in idle.items())


def _fit_on(filled: Filled, units: int, budget: dict[int, int]) -> int:
    """What fits on nodes of one pattern; takes what leaves them for it from the budget."""
    left = filled.free - sum(size * count for size, count in filled.holds)
    fit, nodes = 0, filled.nodes
    while nodes:
        leaving = {s: min(count, budget.get(s, 0)) for s, count in filled.holds if budget.get(s, 0) > 0}
        room = (left + sum(size * count for size, count in leaving.items())) // units
        if room <= left // units:
            return fit + nodes * (left // units)
        alike = min([nodes, *(budget[size] // count for size, count in leaving.items())])
        for size, count in leaving.items():
            budget[size] -= alike * count
        fit += alike * room
        nodes -= alike
    return fit
