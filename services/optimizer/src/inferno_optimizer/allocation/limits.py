"""Constraint (3) of the program, for one device: what is used can be placed on its nodes.

Slots of each size, which are exact where the sizes divide each other, and otherwise the arc-flow besides.
"""

from collections.abc import Collection, Mapping

from inferno_optimizer.allocation.arcflow import add_flow, graph
from inferno_optimizer.allocation.linear import Linear, total
from inferno_optimizer.allocation.nodes import Items, Nodes, Slots
from inferno_optimizer.allocation.program import Program


def limit_device(program: Program, nodes: Nodes, used: Mapping[int, Linear], floors: Items) -> None:
    """Let the replicas used, by size, be placeable beside the fixed ones; the floors are known to be."""
    conditions = nodes.conditions(used)
    for slots in conditions.slots:
        _within(program, slots, used, slots.count)
    if conditions.exact:
        return
    arcs = graph(nodes, _sizes(nodes, used))
    if arcs is None:
        slots = nodes.any_order(used)
        _within(program, slots, used, max(slots.count, sum(slots.takes(s) * n for s, n in floors.items())))
        return
    flow = add_flow(program, nodes, arcs)
    fixed = dict(nodes.fixed)
    for size, placed in sorted(flow.placed.items()):
        program.add(placed >= used.get(size, Linear()) + fixed.get(size, 0))


def exactly_limited(nodes: Nodes, used: Collection[int]) -> bool:
    """Whether the constraint lets everything pass that can be placed; `arcflow` says what it holds back."""
    return nodes.conditions(used).exact or graph(nodes, _sizes(nodes, used)) is not None


def _sizes(nodes: Nodes, used: Collection[int]) -> set[int]:
    return {*used, *dict(nodes.fixed)}


def _within(program: Program, slots: Slots, used: Mapping[int, Linear], count: int) -> None:
    taking = {size: slots.takes(size) for size in sorted(used) if slots.takes(size)}
    if taking:
        program.add(total(takes * used[size] for size, takes in taking.items()) <= count)
