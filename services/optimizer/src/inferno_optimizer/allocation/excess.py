"""How far solutions of a knapsack are above what prices of slots promise, and will be at least in the end.

Given what a slot of each row is worth, every solution costs what these prices promise at least, and on top of
that the excess of each of its options over the best of its group, and the price of the slots left free. What
the groups to come add at least depends on the slots that are left for them: no combination of their options
may fill these. It is known by device, or by two devices at once: then more of what moves between them counts.
"""

import functools
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from inferno_optimizer.allocation.knapsack import Knapsack
from inferno_optimizer.allocation.program import Floats, Indices

MOST_CELLS: Final = 10_000
"""Of a table of two devices."""

LEAVING: Final = 0.4
"""Part of an option's excess that counts where its group's best option is; any part gives a bound."""

Block = tuple[int, ...]
"""Rows of at most two devices, of which the slots left are looked at together."""


class _Moves(NamedTuple):
    """What a group's options add: block, axis, slots taken and excess of each.

    In the block `best`, `leaving` is added where none of its options is taken.
    """

    options: list[tuple[int, int, int, float]]
    best: int
    leaving: float


class Blocks:
    """The row of each device whose slots are worth most, in blocks.

    By option: the number of its `block`, which is that of none for what takes no device, the `axis` of its
    device in the block's tables, and what it `takes` of that row.
    """

    def __init__(self, knapsack: Knapsack, blocks: Sequence[Block]) -> None:
        self.blocks = tuple(blocks)
        self.none = len(self.blocks)
        places = np.full(
            (3, int(max(knapsack.device.max(initial=-1), knapsack.row_device.max(initial=-1))) + 2), 0
        )
        places[0] = self.none
        for number, block in enumerate(blocks):
            for axis, row in enumerate(block):
                places[:, knapsack.row_device[row]] = number, axis, row
        self.block, self.axis, rows = places[:, knapsack.device]
        self.takes = knapsack.takes[rows, np.arange(len(rows))]


class Measure:
    """Solutions of these values, above the bound that these prices of the slots give; any prices will do."""

    def __init__(self, knapsack: Knapsack, values: Floats, prices: Floats) -> None:
        self._prices = prices
        self._room = knapsack.room
        reduced = values + prices @ knapsack.takes
        least = np.minimum.reduceat(reduced, knapsack.starts)
        self.bound = float(least.sum() - prices @ knapsack.room)
        self.excess = reduced - least[knapsack.group]
        most = np.maximum.reduceat(self.excess, knapsack.starts)
        self.widest = float(most.sum() + prices @ knapsack.room)

    def main_rows(self, knapsack: Knapsack) -> list[int]:
        """The row of each device whose slots are worth most."""
        worth = self._prices * knapsack.room
        rows: dict[int, int] = {}
        for row, device in enumerate(knapsack.row_device.tolist()):
            rows[device] = max(rows.get(device, row), row, key=lambda other: float(worth[other]))
        return list(rows.values())

    def to_come(self, groups: Sequence[Indices], blocks: Blocks) -> list[list[Floats]]:
        """By level and block: the least excess of the groups to come, by the slots left in the block's rows.

        A part of what an option costs more than its group's best counts where this one is, which it leaves,
        and the rest where the option is itself: the sum over all blocks is still a bound.
        """
        tables = [self._worth_left(block) for block in blocks.blocks]
        found = [tables]
        for options, best, leaving in reversed(self._moves(groups, blocks)):
            before, tables = tables, tables.copy()
            if best != blocks.none:
                tables[best] = before[best] + leaving
            for place, axis, taken, amount in options:
                if tables[place] is before[place]:
                    tables[place] = before[place].copy()
                table, after = (tables[place].T, before[place].T) if axis else (tables[place], before[place])
                np.minimum(table[taken:], after[: len(after) - taken] + amount, out=table[taken:])
            found.append(tables)
        return found[::-1]

    def _moves(self, groups: Sequence[Indices], blocks: Blocks) -> list[_Moves]:
        """By group: what its options add and where, where its best one is, and what leaving that adds."""
        if not groups:
            return []
        options = np.concatenate(groups)
        counts = np.array([len(group) for group in groups])
        starts, group = np.cumsum(counts) - counts, np.repeat(np.arange(len(groups)), counts)
        excess, places = self.excess[options], blocks.block[options]
        least = np.minimum.reduceat(excess, starts)
        firsts = np.where(excess == least[group], np.arange(len(options)), len(options))
        best = places[np.minimum.reduceat(firsts, starts)]
        stays, nowhere = places == best[group], places == blocks.none
        elsewhere = np.minimum.reduceat(np.where(stays | nowhere, np.inf, excess), starts)
        given_up = np.minimum.reduceat(np.where(nowhere, excess, np.inf), starts)
        leaving = np.where(best == blocks.none, 0.0, np.minimum(LEAVING * elsewhere, given_up))
        adds = excess - np.where(stays, 0.0, leaving[group])
        columns = (places, blocks.axis[options], blocks.takes[options], adds)
        moves = list(zip(*(column.tolist() for column in columns), strict=True))
        ends = np.append(starts, len(moves)).tolist()
        return [
            _Moves([move for move in moves[a:b] if move[0] != blocks.none], place, added)
            for (a, b), place, added in zip(pairwise(ends), best.tolist(), leaving.tolist(), strict=True)
        ]

    def _worth_left(self, block: Block) -> Floats:
        axes = [self._prices[row] * np.arange(int(self._room[row]) + 1) for row in block]
        return functools.reduce(np.add.outer, axes)
