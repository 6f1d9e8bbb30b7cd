"""How far solutions of a knapsack are above what prices of slots promise, and will be at least in the end.

Given what a slot of each row is worth, every solution costs what these prices promise at least, and on top of
that the excess of each of its options over the best of its group, and the price of the slots left free. What
the groups to come add at least depends on the slots that are left for them: no combination of their options
may fill these. It is known by device, or by two devices at once: then more of what moves between them counts.
"""

import functools
from collections.abc import Sequence
from typing import Final

import numpy as np

from inferno_optimizer.allocation.knapsack import Knapsack
from inferno_optimizer.allocation.program import Floats, Indices

MOST_CELLS: Final = 10_000
"""Of a table of two devices."""

LEAVING: Final = 0.4
"""Part of an option's excess that counts where its group's best option is; any part gives a bound."""

Block = tuple[int, ...]
"""Rows of at most two devices, of which the slots left are looked at together."""


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
        for options in reversed(groups):
            tables = self._with(options, tables, blocks)
            found.append(tables)
        return found[::-1]

    def _worth_left(self, block: Block) -> Floats:
        axes = [self._prices[row] * np.arange(int(self._room[row]) + 1) for row in block]
        return functools.reduce(np.add.outer, axes)

    def _with(self, options: Indices, after: list[Floats], blocks: Blocks) -> list[Floats]:
        """The tables with one more group to come."""
        amounts, places = self.excess[options], blocks.block[options]
        best = int(places[amounts.argmin()])
        leaving = 0.0
        tables = [*after, np.zeros(())]
        if best != blocks.none:
            elsewhere = amounts[(places != best) & (places != blocks.none)].min(initial=np.inf)
            leaving = float(min(LEAVING * elsewhere, amounts[places == blocks.none].min(initial=np.inf)))
        for place in set(places.tolist()) - {blocks.none}:
            tables[place] = after[place] + (leaving if place == best else 0.0)
        arriving = (amounts - np.where(places == best, 0.0, leaving)).tolist()
        takes, axes = blocks.takes[options].tolist(), blocks.axis[options].tolist()
        for place, axis, taken, amount in zip(places.tolist(), axes, takes, arriving, strict=True):
            if place != blocks.none:
                table, before = (tables[place].T, after[place].T) if axis else (tables[place], after[place])
                np.minimum(table[taken:], before[: len(before) - taken] + amount, out=table[taken:])
        return tables[:-1]
