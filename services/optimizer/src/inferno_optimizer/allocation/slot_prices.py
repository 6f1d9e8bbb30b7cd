"""What a slot of each row of a knapsack is worth in its linear relaxation.

Prices are read from columns that add slots to their row, as their reduced cost: where more slots are not
worth what fewer are, it is more that counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from ortools.util.python.solve_interrupter import SolveInterrupter

from inferno_optimizer.allocation.knapsack import Knapsack
from inferno_optimizer.allocation.program import Floats, Matrix, OpenPart
from inferno_optimizer.allocation.solver import Unsolved, relax

EXTRA_SLOTS: Final = 1e-6
"""What such a column may add: next to nothing, so that the solution in question stays the same."""


@dataclass(frozen=True, slots=True)
class SlotPrices:
    """The relaxation's value, and by row what one slot more takes off it."""

    value: float
    prices: Floats


def slot_prices(
    knapsack: Knapsack,
    values: Floats | None,
    seconds: float,
    interrupter: SolveInterrupter | None,
    kept: Sequence[tuple[Floats, float]] = (),
) -> SlotPrices | Unsolved:
    """Prices for these values of the options.

    Without values: how much of the room has to be taken is minimised, and a slot is worth a share of it all.
    `kept` are other values of the options, of which the sum is to be no larger than the number.
    """
    options, rows, groups = len(knapsack.group), len(knapsack.room), len(knapsack.starts)
    slots = np.hstack([knapsack.takes, -np.eye(rows, dtype=np.int64), -knapsack.room[:, None]])
    row, column = np.nonzero(slots)
    other = np.array([amounts for amounts, _ in kept]).reshape(len(kept), options)
    other_row, other_column = np.nonzero(other)
    least, most, worth = (1.0, 1.0, 0.0) if values is not None else (0.0, np.inf, 1.0)
    columns = options + rows + 1
    sides = np.concatenate([np.ones(groups), np.zeros(rows), [most_kept for _, most_kept in kept]])
    part = OpenPart(
        columns=np.arange(columns),
        lower=np.append(np.zeros(columns - 1), least),
        upper=np.concatenate([np.full(options, np.inf), np.full(rows, EXTRA_SLOTS), [most]]),
        integer=np.zeros(columns, bool),
        costs=np.concatenate([np.zeros(options) if values is None else values, np.zeros(rows), [worth]]),
        constant=0.0,
        matrix=Matrix(
            np.concatenate([knapsack.group, groups + row, groups + rows + other_row]),
            np.concatenate([np.arange(options), column, other_column]),
            np.concatenate([np.ones(options), slots[row, column], other[other_row, other_column]]),
        ),
        row_lower=np.append(sides[:groups], np.full(rows + len(kept), -np.inf)),
        row_upper=sides,
    )
    relaxed = relax(part, seconds, interrupter)
    if isinstance(relaxed, Unsolved):
        return relaxed
    return SlotPrices(relaxed.bound, np.maximum(0.0, -relaxed.reduced[options : options + rows]))
