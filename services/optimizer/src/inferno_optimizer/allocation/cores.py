"""Which columns of a program need not be looked at, by the prices of its linear relaxation.

The relaxation has a value b, and a reduced cost for every column: moving the column away from its bound costs
at least that much. With a solution of value v at hand, no better one moves a column whose reduced cost
exceeds v - b. The cheapest columns to move are a core: with all else fixed, the rest is soon solved.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from inferno_optimizer.allocation.program import Flags, Floats
from inferno_optimizer.allocation.solver import Relaxed

SLACK: Final = 1e-7
ROUNDING: Final = 1e-9
GRAIN: Final = 1e-6
"""Objectives whose coefficients are multiples of this are told apart by whole steps."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Columns whose reduced cost is above `width` stay at their bound in every solution that is as good."""

    free: Flags
    reduced: Floats
    width: float

    def costs(self, upper: Floats) -> Floats:
        """What it costs at least to choose a column; infinite where its upper bound does not allow it."""
        count = len(self.free)
        return np.where(upper[:count] > 0, np.maximum(0.0, self.reduced), np.inf)

    def fix(self, lower: Floats, upper: Floats, spared: Flags | None = None) -> None:
        """Fix columns at the bound that the relaxation has them at, in place, but for the spared ones."""
        count = len(self.free)
        fixed = self.free if spared is None else self.free & ~spared
        at_lower = fixed & (self.reduced > self.width)
        at_upper = fixed & (self.reduced < -self.width)
        upper[:count][at_lower] = lower[:count][at_lower]
        lower[:count][at_upper] = upper[:count][at_upper]


@dataclass(frozen=True, slots=True)
class Prices:
    """A solved relaxation; `movable` are the reduced costs above noise, in ascending order.

    Two values of the objective are equal or at least a `step` apart; 0 where no such step is known.
    """

    bound: float
    reduced: Floats
    free: Flags
    movable: Floats
    noise: float
    step: float

    @classmethod
    def of(cls, relaxed: Relaxed, free: Flags, costs: Floats, integer: Flags) -> "Prices":
        """The prices of a relaxation; `free` are the integer columns that are not fixed."""
        amounts = np.abs(relaxed.reduced)
        noise = SLACK * max(1.0, float(amounts.max(initial=0.0)))
        movable = np.sort(amounts[free])
        step = _step(costs[costs != 0], integer[costs != 0])
        return cls(relaxed.bound, relaxed.reduced, free, movable[movable > noise], noise, step)

    def settles(self, value: float) -> bool:
        """Whether no solution is better than one of this value."""
        allowed = ROUNDING * max(1.0, abs(self.bound))
        return value - self.step <= self.bound + allowed

    def needed(self, value: float) -> int:
        """How many of the movable columns a solution better than one of this value may move at all."""
        return int(np.searchsorted(self.movable, value - self.bound - self.step, side="right"))

    def core(self, size: int) -> Exclusion:
        """All but that many movable columns."""
        return Exclusion(self.free, self.reduced, float(self.movable[size - 1]) if size else self.noise)

    def beyond(self, size: int) -> float:
        """What a solution is worth at least that moves a column outside of the core."""
        return self.bound + float(self.movable[size]) if size < len(self.movable) else math.inf

    def exclusion(self, value: float) -> Exclusion:
        """What no solution moves that is worth no more than this."""
        return Exclusion(self.free, self.reduced, value - self.bound + SLACK * max(1.0, abs(value)))


def _step(coefficients: Floats, integer: Flags) -> float:
    """Largest number that all coefficients of an objective are multiples of, a little rounded off."""
    if not len(coefficients) or not integer.all():
        return 0.0
    grains = np.round(coefficients / GRAIN)
    if np.any(np.abs(coefficients / GRAIN - grains) > GRAIN * np.maximum(1.0, np.abs(grains) * GRAIN)):
        return 0.0
    return float(np.gcd.reduce(grains.astype(np.int64))) * GRAIN * (1 - GRAIN)
