"""Searches a knapsack of options for the best solution, first objective first: exact, without a tree.

What is within a gap of the bound that prices promise uses no option of more excess (`excess`). Group by group
partial solutions are extended by such options, and kept while they can still end within the gap; of those
that use the same slots only the best can be part of an optimum. Some hundreds are left of what would be many
thousands of nodes.

Where the room is scarce without any slot having a price, what may be wasted of it is a gap, too: that of
options that are worth nothing, with prices at which they take as little of the room as can be.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from inferno_optimizer.allocation.excess import MOST_CELLS, Block, Blocks, Measure
from inferno_optimizer.allocation.knapsack import Knapsack, NotSmallError
from inferno_optimizer.allocation.program import Floats, Indices

MOST_EXTENDED: Final = 150_000
"""Partial solutions looked at, above which a problem is not small: some 15 ms."""

_NONE: Final = np.zeros(0, np.int64)
MOST_SLOTS: Final = 4_000
MOST_BITS: Final = 62
GRAIN: Final = 1e-8
"""Relative difference up to which two sums of an objective are the same."""

NOISE: Final = 1e-9
"""What sums of shares of the room may be off."""


@dataclass(frozen=True, slots=True)
class Found:
    """The `chosen` option of every group, None if nothing was found, and its `excess` over the bound.

    `left_out` is the least excess that a solution can have which was not looked for.
    """

    chosen: Indices | None
    excess: float
    left_out: float


@dataclass(frozen=True, slots=True)
class _Partial:
    """Partial solutions, one per column: packed slots left, excess by measure, the least in the end, values.

    `least` is by the first measure. They come from `parent` of the level before by an `option`.
    """

    left: Indices
    excess: Floats
    least: Floats
    values: Floats
    parent: Indices
    option: Indices

    def only(self, kept: Indices) -> "_Partial":
        return _Partial(
            self.left[kept],
            self.excess[:, kept],
            self.least[kept],
            self.values[:, kept],
            self.parent[kept],
            self.option[kept],
        )


class _Packing:
    """Slots of all rows as one whole number: a field for each row, and above it a guard bit.

    Where more slots are taken from a field than it has, the guard bit is lost.
    """

    def __init__(self, room: Indices) -> None:
        widths = [int(slots).bit_length() for slots in room]
        self._shifts = np.cumsum([0, *(width + 1 for width in widths)])
        if self._shifts[-1] > MOST_BITS:
            raise NotSmallError
        self._masks = [(1 << width) - 1 for width in widths]
        self.guards = sum(1 << (int(end) - 1) for end in self._shifts[1:])

    def packed(self, slots: Indices) -> Indices:
        """One number for each column of (rows, columns)."""
        found: Indices = (slots << self._shifts[:-1, None]).sum(axis=0)
        return found

    def field(self, packed: Indices, row: int) -> Indices:
        """The slots of a row."""
        return (packed >> int(self._shifts[row])) & self._masks[row]


class Search:
    """Looks for the best solution by its excess over the bound that prices give; any prices will do.

    Raises NotSmallError when there is too much to be looked at.
    """

    def __init__(self, knapsack: Knapsack, prices: Floats) -> None:
        if not 0 <= np.min(knapsack.room, initial=0) <= np.max(knapsack.room, initial=0) <= MOST_SLOTS:
            raise NotSmallError
        self._knapsack = knapsack
        self._packing = _Packing(knapsack.room)
        self._fitting = (knapsack.takes <= knapsack.room[:, None]).all(axis=0)
        self._takes = self._packing.packed(knapsack.takes * self._fitting)
        self._measure = Measure(knapsack, knapsack.values[0], prices)
        self._measures = [self._measure]
        most = np.maximum.reduceat(np.abs(knapsack.values), knapsack.starts, axis=1).sum(axis=1)
        self._grains = (GRAIN * np.maximum(1.0, most))[:, None]
        self.noise = float(self._grains[0, 0])
        self.widest = self._measure.widest
        self._rows = self._measure.main_rows(knapsack)
        self._blocks = Blocks(knapsack, [(row,) for row in self._rows])
        self._extended = 0

    def limit_waste(self, prices: Floats) -> None:
        """From now on use what the room is worth: as no solution takes more, none may waste more of it."""
        nothing = np.zeros(len(self._knapsack.group))
        self._measures.append(Measure(self._knapsack, nothing, prices))

    def pair(self, gap: float) -> None:
        """From now on look at the slots of two devices together: those pairs first that promise most."""
        groups, _ = self._groups(self._limits(gap))
        bounds: dict[Block, float] = {}
        for pair in itertools.combinations(self._rows, 2):
            if np.prod(self._knapsack.room[list(pair)] + 1) <= MOST_CELLS:
                others = [(row,) for row in self._rows if row not in pair]
                blocks = Blocks(self._knapsack, [pair, *others])
                bounds[pair] = sum(float(t.flat[-1]) for t in self._measure.to_come(groups, blocks)[0])
        alone, pairs = set(self._rows), list[Block]()
        for block in sorted(bounds, key=lambda block: bounds[block], reverse=True):
            if alone.issuperset(block):
                pairs.append(block)
                alone.difference_update(block)
        self._blocks = Blocks(self._knapsack, [*pairs, *((row,) for row in sorted(alone))])

    def next_gap(self, gap: float) -> float:
        """The least excess of an option above a gap: with less, there is no more to choose from."""
        excess = self._measure.excess
        return float(excess[excess > gap + self.noise].min(initial=self.widest))

    def within(self, gap: float, beam: int) -> Found:
        """The best solution within a gap, keeping `beam` partial solutions per group.

        Where nothing was left out and there is none within the gap, it may find one beyond it.
        """
        self._extended = 0
        limits = self._limits(gap)
        groups, settled = self._groups(limits)
        if settled is None:
            return Found(None, np.inf, np.inf)
        to_come = [measure.to_come(groups, self._blocks) for measure in self._measures]
        partial, left_out = self._begun(settled), np.inf
        levels = []
        for level, options in enumerate(groups, start=1):
            partial = self._extend(partial, options, [tables[level] for tables in to_come], limits)
            partial = self._undominated(partial)
            if len(partial.least) > beam:
                order = np.argsort(partial.least, kind="stable")
                left_out = min(left_out, float(partial.least[order[beam]]))
                partial = partial.only(order[:beam])
            levels.append(partial)
        if not len(partial.least):
            return Found(None, np.inf, left_out)
        chosen = _traced(levels, int(np.lexsort(self._keys(partial.values))[0])) + settled.tolist()
        options = np.array(sorted(chosen), np.int64)
        excess = float(self._knapsack.values[0, options].sum()) - self._measure.bound
        return Found(options, excess, left_out)

    def _limits(self, gap: float) -> list[float]:
        """By measure, what the excess may be."""
        return [gap + self.noise, *(NOISE - measure.bound for measure in self._measures[1:])]

    def _groups(self, limits: Sequence[float]) -> tuple[list[Indices], Indices | None]:
        """Groups with several options within the limits, largest first; the options of all the others.

        No options of the others: a group has none.
        """
        within = [m.excess <= most for m, most in zip(self._measures, limits, strict=True)]
        fits = np.all([self._fitting, *within], axis=0)
        counts = np.add.reduceat(fits, self._knapsack.starts, dtype=np.int64)
        allowed = np.split(np.flatnonzero(fits), np.cumsum(counts)[:-1])
        groups = [allowed[group] for group in self._order if counts[group] > 1]
        if not counts.all():
            return groups, None
        return groups, np.concatenate([allowed[group] for group in np.flatnonzero(counts == 1)] or [_NONE])

    @cached_property
    def _order(self) -> list[int]:
        """Groups by what their best options take of the room: large ones first, as small ones fill in."""
        knapsack = self._knapsack
        best = np.flatnonzero(self._measure.excess == 0)
        best = best[np.diff(knapsack.group[best], prepend=-1) > 0]
        shares = (knapsack.takes[:, best] / np.maximum(1, knapsack.room)[:, None]).max(axis=0, initial=0.0)
        return [int(group) for group in np.argsort(-shares, kind="stable")]

    def _begun(self, options: Indices) -> _Partial:
        """The only partial solution with one option each of some groups, if there is room for it."""
        knapsack = self._knapsack
        left = knapsack.room[:, None] - knapsack.takes[:, options].sum(axis=1, keepdims=True)
        count = int(left.min(initial=0) == 0)
        return _Partial(
            (self._packing.packed(left) + self._packing.guards)[:count],
            np.array([measure.excess[options].sum(keepdims=True)[:count] for measure in self._measures]),
            np.zeros(count),
            knapsack.values[:, options].sum(axis=1, keepdims=True)[:, :count],
            np.zeros(count, np.int64),
            np.zeros(count, np.int64),
        )

    def _extend(
        self, before: _Partial, options: Indices, to_come: Sequence[Sequence[Floats]], limits: Sequence[float]
    ) -> _Partial:
        """All of them with every option of one more group, as far as they may end within the limits."""
        count = len(options)
        self._extended += len(before.left) * count
        if self._extended > MOST_EXTENDED:
            raise NotSmallError
        more = (before.excess[0, :, None] + self._measure.excess[options]).ravel()
        left = (before.left[:, None] - self._takes[options]).ravel()
        guards = self._packing.guards
        kept = np.flatnonzero((more <= limits[0]) & (left & guards == guards))
        left, (parent, place) = left[kept], np.divmod(kept, count)
        option = options[place]
        slots = [tuple(self._packing.field(left, row) for row in block) for block in self._blocks.blocks]
        excess = [
            so_far[parent] + m.excess[option] for m, so_far in zip(self._measures, before.excess, strict=True)
        ]
        least = [
            sum((table[fields] for table, fields in zip(tables, slots, strict=True)), so_far)
            for tables, so_far in zip(to_come, excess, strict=True)
        ]
        ends = least[0] <= limits[0]
        for amounts, most in zip(least[1:], limits[1:], strict=True):
            ends &= amounts <= most
        parent, option = parent[ends], option[ends]
        values = before.values[:, parent] + self._knapsack.values[:, option]
        found = np.array([amounts[ends] for amounts in excess])
        return _Partial(left[ends], found, least[0][ends], values, parent, option)

    def _undominated(self, partial: _Partial) -> _Partial:
        """The best of those that leave the same slots: whatever completes one completes the others."""
        order = np.argsort(partial.left)
        left = partial.left[order]
        same = left[1:] == left[:-1]
        if not same.any():
            return partial
        shared = np.append(same, False)
        shared[1:] |= same
        alike = order[shared]
        alike = alike[np.lexsort((alike, *self._keys(partial.values[:, alike]), partial.left[alike]))]
        left = partial.left[alike]
        first = np.append(True, left[1:] != left[:-1])
        return partial.only(np.concatenate([order[~shared], alike[first]]))

    def _keys(self, values: Floats) -> Floats:
        """Sort keys, the last one first, in which what is no difference makes none."""
        keys: Floats = np.rint(values / self._grains)
        return keys[::-1]


def _traced(levels: Sequence[_Partial], place: int) -> list[int]:
    """The options by which the last level's partial solution at this place came about."""
    options = []
    for level in reversed(levels):
        options.append(int(level.option[place]))
        place = int(level.parent[place])
    return options
