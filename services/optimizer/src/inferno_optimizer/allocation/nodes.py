"""Free units by node: the limits of one device, and when replicas of given sizes can be placed on its nodes.

A replica of 4 units needs one node with 4 free, so 8 free units on four nodes hold none. Nodes with equally
many free units are interchangeable and counted together: the size of all questions here depends on the number
of different nodes and replicas, not on how many there are.

Slots. For every size s, replicas of a >= s units take floor(a / s) slots of s units each, and a node with W
free has floor(W / s): what is placed takes at most the slots that there are, as floors are superadditive.
Where each size divides the next (1, 2, 4, 8) that is also sufficient: place the largest first; what is
left of every node is then a whole number of its slots for the next size, so that none is lost. The same holds
for a single node with slots of one unit. Other sizes (2 and 3) need more: `arcflow`.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

Items = Mapping[int, int]
"""Replicas by their size in units."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Slots of `size` units: replicas of a units take floor(a / size) each, `count` may be taken in all."""

    size: int
    count: int

    def takes(self, units: int) -> int:
        """Slots that one replica takes."""
        return units // self.size


@dataclass(frozen=True, slots=True)
class Conditions:
    """What all that is placed keeps; `exact`: whatever keeps them can be placed."""

    slots: tuple[Slots, ...]
    exact: bool

    def hold(self, items: Items) -> bool:
        """Whether there are slots enough of every size."""
        return all(sum(s.takes(units) * n for units, n in items.items()) <= s.count for s in self.slots)


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes of one device that have free units.

    `free` counts nodes by free units, largest first; `fixed` counts replicas that stay there by size,
    largest first, and is known to fit: it is part of whatever is placed.
    """

    free: tuple[tuple[int, int], ...]
    fixed: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, free_units: Iterable[int], fixed: Items | None = None) -> "Nodes":
        """One entry per node: 8, 4, 8 and 0 free are two nodes of 8 and one of 4."""
        counts = Counter(units for units in free_units if units > 0)
        kept = {units: replicas for units, replicas in (fixed or {}).items() if replicas > 0}
        return cls(tuple(sorted(counts.items(), reverse=True)), tuple(sorted(kept.items(), reverse=True)))

    @classmethod
    def pool(cls, units: int) -> "Nodes":
        """Units of which nothing is known but their number: one node that has them all."""
        return cls.of([units])

    @property
    def units(self) -> int:
        """Free units of all nodes, fixed replicas included."""
        return sum(units * nodes for units, nodes in self.free)

    @property
    def count(self) -> int:
        """Nodes with free units."""
        return sum(nodes for _, nodes in self.free)

    @property
    def largest(self) -> int:
        """Free units of the node that has most: no larger replica fits anywhere."""
        return self.free[0][0] if self.free else 0

    def slots(self, size: int) -> int:
        """How many replicas of one size the empty nodes hold."""
        return sum(units // size * nodes for units, nodes in self.free)

    def plus(self, free_units: int) -> "Nodes":
        """The same with one node more."""
        counts = Counter(dict(self.free))
        counts[free_units] += 1
        return Nodes(tuple(sorted(counts.items(), reverse=True)), self.fixed)

    def with_fixed(self, items: Items) -> Items:
        """These replicas and the fixed ones."""
        together = Counter(dict(self.fixed))
        together.update({units: replicas for units, replicas in items.items() if replicas > 0})
        return together

    def conditions(self, sizes: Iterable[int]) -> Conditions:
        """Conditions for replicas of these sizes that come on top of the fixed ones.

        Slots that follow from those of a size that divides theirs are left out: on nodes of 8 free units
        those of one unit are the only ones.
        """
        return _conditions(self, frozenset((*sizes, *(units for units, _ in self.fixed))))

    def any_order(self, sizes: Iterable[int]) -> Slots:
        """Enough for replicas of these sizes to fit in any order of placing, beside the fixed ones.

        A replica finds no node only if all that could hold the largest size A have at most A - 1 units free:
        so up to W - A + 1 units of each of those are always filled. Sizes that fit no node are left out.
        """
        known = {size for size in (*sizes, *(units for units, _ in self.fixed)) if size <= self.largest}
        if not known:
            return Slots(1, 0)
        if self.count <= 1:
            return self.net(math.gcd(*known))
        unit, most = math.gcd(*known), max(known)
        slots = sum(((units - most) // unit + 1) * nodes for units, nodes in self.free if units >= most)
        return Slots(unit, max(0, slots - sum(size // unit * replicas for size, replicas in self.fixed)))

    def net(self, size: int) -> Slots:
        """Slots of one size that the fixed replicas leave."""
        fixed = sum(units // size * replicas for units, replicas in self.fixed)
        return Slots(size, self.slots(size) - fixed)


NO_NODES = Nodes(())
"""A device that no node has."""


@lru_cache(maxsize=1_000)
def _conditions(nodes: Nodes, sizes: frozenset[int]) -> Conditions:
    """Asked for the same nodes again and again while one plan is made."""
    if not sizes:
        return Conditions((), exact=True)
    known = sorted(sizes)
    unit = math.gcd(*known)
    if nodes.count <= 1:
        return Conditions((nodes.net(unit),), exact=True)
    fitting = [size for size in known if size <= nodes.largest]
    exact = all(large % small == 0 for small, large in itertools.pairwise(fitting))
    told: list[int] = []
    for size in known if exact else sorted({unit, *known}):
        if not any(size % t == 0 and nodes.slots(size) * (size // t) == nodes.slots(t) for t in told):
            told.append(size)
    return Conditions(tuple(nodes.net(size) for size in told), exact=exact)
