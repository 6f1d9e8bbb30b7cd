"""One option per group within the room there is, first objective first: exact, for small problems, no tree.

Given what a slot of each row is worth, every solution costs what these prices promise at least, and on top of
that the excess of each of its options over the best of its group, and the price of the slots left free. What
is within a gap of that bound uses no option of more excess. Group by group partial solutions are extended by
such options, and kept while they can still end within the gap; of those that use the same slots only the best
can be part of an optimum. Some hundreds are left of what would be many thousands of nodes.

What the groups to come add at least is known for every device by itself (`Measure.to_come`): the slots that
no combination of options fills are the larger part of the gap. The same is done for the room as such, where
it is scarce: with every option worth nothing, what a solution may waste of it at most is a gap, too.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from inferno_optimizer.allocation.program import Floats, Indices

MOST_EXTENDED: Final = 100_000
"""Partial solutions looked at, above which a problem is not small: some 15 ms."""

MOST_SLOTS: Final = 4_000
MOST_CODES: Final = 2**62
GRAIN: Final = 1e-8
"""Relative difference up to which two sums of an objective are the same."""


NOISE: Final = 1e-9
"""What sums of shares of the room may be off."""


class NotSmallError(Exception):
    """The problem takes more than this is made for."""


@dataclass(frozen=True)
class Knapsack:
    """Options, one per column, in the order of their groups: these are numbered from 0, and none is empty.

    An option takes slots (`takes`: rows, options) of one `device`, or of none (-1); a row has `room` slots of
    its `row_device`. `values` (objectives, options) are to be minimised lexicographically.
    """

    group: Indices
    device: Indices
    takes: Indices
    values: Floats
    room: Indices
    row_device: Indices

    @cached_property
    def starts(self) -> Indices:
        """First option of every group."""
        return np.flatnonzero(np.diff(self.group, prepend=-1))


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
    """Partial solutions, one per column: slots left, excess by measure, the least in the end, values.

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
            self.left[:, kept],
            self.excess[:, kept],
            self.least[kept],
            self.values[:, kept],
            self.parent[kept],
            self.option[kept],
        )


class Measure:
    """How far solutions of these values are above the bound that prices of the slots give, any prices."""

    def __init__(self, knapsack: Knapsack, values: Floats, prices: Floats) -> None:
        self._knapsack = knapsack
        self._prices = prices
        reduced = values + prices @ knapsack.takes
        least = np.minimum.reduceat(reduced, knapsack.starts)
        self.bound = float(least.sum() - prices @ knapsack.room)
        self.excess = reduced - least[knapsack.group]
        most = np.maximum.reduceat(self.excess, knapsack.starts)
        self.widest = float(most.sum() + prices @ knapsack.room)

    def to_come(self, groups: Sequence[Indices]) -> list[dict[int, Floats]]:
        """By level and row: the least excess of the groups to come by the slots that are left.

        An option's excess counts half at its own device and half at that of its group's best option, which it
        leaves: the sum over all devices is still a bound.
        """
        tables = {row: self._least_on(row, groups) for row in self._main_rows}
        return [{row: found[level] for row, found in tables.items()} for level in range(len(groups) + 1)]

    @cached_property
    def _main_rows(self) -> list[int]:
        """The row of each device whose slots are worth most."""
        worth = self._prices * self._knapsack.room
        rows: dict[int, int] = {}
        for row, device in enumerate(self._knapsack.row_device.tolist()):
            rows[device] = max(rows.get(device, row), row, key=lambda other: float(worth[other]))
        return list(rows.values())

    def _least_on(self, row: int, groups: Sequence[Indices]) -> list[Floats]:
        knapsack, room = self._knapsack, int(self._knapsack.room[row])
        table = self._prices[row] * np.arange(room + 1)
        tables = [table]
        for options in reversed(groups):
            excess, here = self.excess[options], knapsack.device[options] == knapsack.row_device[row]
            best_here = bool(here[excess.argmin()])
            share, away = (1.0, float(excess[~here].min(initial=np.inf)) / 2) if best_here else (0.5, 0.0)
            after, table = table, table + away
            takes, amounts = knapsack.takes[row, options[here]].tolist(), (share * excess[here]).tolist()
            for taken, amount in zip(takes, amounts, strict=True):
                if taken <= room:
                    np.minimum(table[taken:], after[: room + 1 - taken] + amount, out=table[taken:])
            tables.append(table)
        return tables[::-1]


class Search:
    """Looks for the best solution by its excess over the bound that prices give; any prices will do.

    Raises NotSmallError when there is too much to be looked at.
    """

    def __init__(self, knapsack: Knapsack, prices: Floats) -> None:
        if not 0 <= np.min(knapsack.room, initial=0) <= np.max(knapsack.room, initial=0) <= MOST_SLOTS:
            raise NotSmallError
        self._knapsack = knapsack
        self._measure = Measure(knapsack, knapsack.values[0], prices)
        self._measures = [self._measure]
        most = np.maximum.reduceat(np.abs(knapsack.values), knapsack.starts, axis=1).sum(axis=1)
        self._grains = (GRAIN * np.maximum(1.0, most))[:, None]
        self._radix = _radix(knapsack.room)
        self._extended = 0
        self.noise = float(self._grains[0, 0])
        self.widest = self._measure.widest

    def limit_waste(self, prices: Floats) -> None:
        """From now on use what the room is worth: as no solution takes more, none may waste more of it."""
        self._measures.append(Measure(self._knapsack, np.zeros(len(self._knapsack.group)), prices))

    def next_gap(self, gap: float) -> float:
        """The least excess of an option above a gap: with less, there is no more to choose from."""
        excess = self._measure.excess
        return float(excess[excess > gap + self.noise].min(initial=self.widest))

    def within(self, gap: float, beam: int) -> Found:
        """The best solution within a gap, keeping `beam` partial solutions per group.

        Where nothing was left out and there is none within the gap, it may find one beyond it.
        """
        self._extended = 0
        limits = [gap + self.noise, *(NOISE - measure.bound for measure in self._measures[1:])]
        fits = np.all([m.excess <= most for m, most in zip(self._measures, limits, strict=True)], axis=0)
        bounds = [*self._knapsack.starts.tolist(), len(self._knapsack.group)]
        allowed = [a + np.flatnonzero(fits[a:b]) for a, b in itertools.pairwise(bounds)]
        if not all(len(options) for options in allowed):
            return Found(None, np.inf, np.inf)
        settled = np.array([options[0] for options in allowed if len(options) == 1], np.int64)
        groups = sorted((o for o in allowed if len(o) > 1), key=self._weight, reverse=True)
        to_come = [measure.to_come(groups) for measure in self._measures]
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
        chosen = _traced(levels, int(np.lexsort(self._keys(partial))[0])) + settled.tolist()
        options = np.array(sorted(chosen), np.int64)
        excess = float(self._knapsack.values[0, options].sum()) - self._measure.bound
        return Found(options, excess, left_out)

    def _weight(self, options: Indices) -> float:
        """What a group's best option takes of the room: large ones come first, as small ones fill in."""
        best = options[self._measure.excess[options].argmin()]
        return float(np.max(self._knapsack.takes[:, best] / np.maximum(1, self._knapsack.room), initial=0.0))

    def _begun(self, options: Indices) -> _Partial:
        """The only partial solution with one option each of some groups, if there is room for it."""
        knapsack = self._knapsack
        left = knapsack.room[:, None] - knapsack.takes[:, options].sum(axis=1, keepdims=True)
        excess = np.array([measure.excess[options].sum(keepdims=True) for measure in self._measures])
        values = knapsack.values[:, options].sum(axis=1, keepdims=True)
        nothing = np.zeros(1, np.int64)
        partial = _Partial(left, excess, excess[0], values, nothing, nothing)
        return partial.only(np.flatnonzero(left.min(axis=0, initial=0) == 0))

    def _extend(
        self,
        before: _Partial,
        options: Indices,
        to_come: Sequence[Mapping[int, Floats]],
        limits: Sequence[float],
    ) -> _Partial:
        """All of them with every option of one more group, as far as they may end within the limits."""
        knapsack, count = self._knapsack, len(options)
        self._extended += len(before.least) * count
        if self._extended > MOST_EXTENDED:
            raise NotSmallError
        more = (before.excess[0, :, None] + self._measure.excess[options]).ravel()
        kept = np.flatnonzero(more <= limits[0])
        left = before.left[:, kept // count] - knapsack.takes[:, options[kept % count]]
        room = left.min(axis=0, initial=0) == 0
        kept, left = kept[room], left[:, room]
        rows = np.zeros((0, len(kept)))
        for measure, so_far, tables, most in zip(self._measures, before.excess, to_come, limits, strict=True):
            excess = so_far[kept // count] + measure.excess[options[kept % count]]
            least = sum((table[left[row]] for row, table in tables.items()), excess)
            within = least <= most
            kept, left = kept[within], left[:, within]
            rows = np.vstack([rows, excess, least])[:, within]
        parent, option = kept // count, options[kept % count]
        values = before.values[:, parent] + knapsack.values[:, option]
        return _Partial(left, rows[::2], rows[1], values, parent, option)

    def _undominated(self, partial: _Partial) -> _Partial:
        """The best of those that leave the same slots: whatever completes one completes the others."""
        codes = self._radix @ partial.left
        order = np.lexsort((*self._keys(partial), codes))
        codes = codes[order]
        first = np.ones(len(codes), bool)
        np.not_equal(codes[1:], codes[:-1], out=first[1:])
        return partial.only(order[first])

    def _keys(self, partial: _Partial) -> Floats:
        """Sort keys, the last one first, in which what is no difference makes none."""
        keys: Floats = np.rint(partial.values / self._grains)
        return keys[::-1]


def _radix(room: Indices) -> Indices:
    """Factors that make one number of the slots used in every row."""
    factors = [1]
    for slots in room.tolist():
        factors.append(factors[-1] * (slots + 1))
    if factors[-1] > MOST_CODES:
        raise NotSmallError
    return np.array(factors[:-1], np.int64)


def _traced(levels: Sequence[_Partial], place: int) -> list[int]:
    """The options by which the last level's partial solution at this place came about."""
    options = []
    for level in reversed(levels):
        options.append(int(level.option[place]))
        place = int(level.parent[place])
    return options
