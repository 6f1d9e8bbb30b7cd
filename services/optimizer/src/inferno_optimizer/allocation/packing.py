"""Places replicas on nodes: exact, with the packing as witness.

Placeable means that such a packing exists. A plan moves no pod: where those that run are scattered, the
scheduler may find less room than the packing shows until some are restarted. Scoring nodes by what is already
requested of them (`NodeResourcesFit` with `MostAllocated`) keeps large replicas placeable.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from inferno_optimizer.allocation import arcflow
from inferno_optimizer.allocation.lexicographic import Effort
from inferno_optimizer.allocation.nodes import Items, Nodes, Slots


@dataclass(frozen=True, slots=True, order=True)
class Filled:
    """So many `nodes` of `free` units, each with `holds`: (units, replicas), largest first."""

    free: int
    holds: tuple[tuple[int, int], ...]
    nodes: int

    @property
    def left(self) -> int:
        """Units that stay free on each."""
        return self.free - sum(units * replicas for units, replicas in self.holds)


Packing = tuple[Filled, ...]
"""The nodes in use, those with most free units first."""


def pack(nodes: Nodes, items: Items, effort: Effort | None = None) -> Packing | None:
    """A packing of these and the fixed replicas; None if there is none, or none was found within the effort.

    Example: 4 replicas of 2 units and one of 4 on nodes with 8 and 4 free: 4 + 2 + 2 and 2 + 2.
    """
    everything = nodes.with_fixed(items)
    conditions = Nodes(nodes.free).conditions(everything)
    if not conditions.hold(everything):
        return None
    found = largest_first(nodes.free, everything)
    if found is not None or conditions.exact:
        return found
    contents = arcflow.contents(nodes, everything, effort)
    return None if contents is None else _on_nodes(nodes, contents)


def largest_first(free: Iterable[tuple[int, int]], items: Items) -> Packing | None:
    """Each replica on the fullest node that holds it; finds a packing of sizes that divide each other."""
    opened: Counter[tuple[int, int, tuple[tuple[int, int], ...]]] = Counter()
    for units, count in free:
        opened[units, units, ()] += count
    for size in sorted(items, reverse=True):
        missing = items[size]
        while missing:
            node = min((n for n in opened if n[0] >= size), default=None)
            if node is None:
                return None
            left, units, holds = node
            count = opened.pop(node)
            each = min(left // size, missing)
            filled = min(count, missing // each)
            opened[left - each * size, units, (*holds, (size, each))] += filled
            if count > filled:
                opened[node] += count - filled
            missing -= filled * each
    used = [Filled(units, holds, count) for (_, units, holds), count in opened.items() if holds]
    return tuple(sorted(used, reverse=True))


def most_packed(nodes: Nodes, items: Items) -> Items:
    """As many of these replicas as fit beside the fixed ones, larger before smaller."""
    if pack(nodes, items) is not None:
        return items
    placed: dict[int, int] = {}
    for size in sorted(items, reverse=True):
        fits, too_many = 0, items[size] + 1
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            if pack(nodes, {**placed, size: middle}) is None:
                too_many = middle
            else:
                fits = middle
        placed[size] = fits
    return placed


class Room:
    """The nodes of one device while replicas come and go: how many more fit.

    Where the conditions are not exact the answer may be too low, never too high: no search is made for it.
    """

    def __init__(self, nodes: Nodes, sizes: Iterable[int]) -> None:
        self._nodes = nodes
        known = {*sizes, *dict(nodes.fixed)}
        self._conditions = nodes.conditions(known)
        self._any_order = nodes.any_order(known)
        self._items: Counter[int] = Counter()
        self._left = {slots: slots.count for slots in (*self._conditions.slots, self._any_order)}

    def add(self, units: int, replicas: int) -> None:
        """Place replicas, which must fit, or take some away when negative."""
        self._items[units] += replicas
        for slots in self._left:
            self._left[slots] -= slots.takes(units) * replicas

    def more(self, units: int, wanted: int) -> int:
        """How many of the wanted replicas fit."""
        most = min([wanted, *(self._fit(s, units, wanted) for s in self._conditions.slots)])
        return most if self._conditions.exact or not most else self._shown(units, most)

    def _fit(self, slots: Slots, units: int, wanted: int) -> int:
        if not slots.takes(units):
            return wanted
        return max(0, self._left[slots]) // slots.takes(units)

    def _shown(self, units: int, most: int) -> int:
        fits, too_many = min(most, self._fit(self._any_order, units, most)), most + 1
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            items = self._nodes.with_fixed({**self._items, units: self._items[units] + middle})
            if largest_first(self._nodes.free, items) is None:
                too_many = middle
            else:
                fits = middle
        return fits


def _on_nodes(nodes: Nodes, contents: Iterable[tuple[int, ...]]) -> Packing:
    """Give every content the smallest node that holds it, the fullest first: the others fit there too."""
    left = dict(nodes.free)
    filled: Counter[tuple[int, tuple[tuple[int, int], ...]]] = Counter()
    for content in sorted(contents, key=lambda c: (sum(c), c), reverse=True):
        free = min(units for units, count in left.items() if count and units >= sum(content))
        left[free] -= 1
        holds = tuple(sorted(Counter(content).items(), reverse=True))
        filled[free, holds] += 1
    return tuple(sorted((Filled(free, holds, n) for (free, holds), n in filled.items()), reverse=True))
