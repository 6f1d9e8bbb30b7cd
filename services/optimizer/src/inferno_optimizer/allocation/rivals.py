"""Whether another choice of who is served in full is worth the same: by the prices of a solved stage.

In a solution worth v a demand that is not what the relaxation would have it costs what the prices say, and
these costs together are at most v less the relaxation's bound. Few sets of demands keep within that, and the
sum of their rates tells whether one of them is worth v: so all of them are written out, in two halves.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inferno_optimizer.allocation.program import Floats

MOST_SETS: Final = 1_000_000
LOWER: Final = 1e-8
UPPER: Final = 1e-9
"""Relative distance from a value, below and above it, within which another one is not told apart from it."""


@dataclass(frozen=True, slots=True)
class Deviations:
    """By demand: the rate it adds to the value if it is not what the relaxation has, and what that costs."""

    costs: Floats
    rates: Floats
    base: float

    @classmethod
    def of(cls, full_costs: Floats, other_costs: Floats, rates: Floats) -> "Deviations":
        """From what it costs to be served in full and not to be; infinite where that cannot be."""
        full = full_costs <= other_costs
        possible = np.isfinite(np.maximum(full_costs, other_costs))
        costs = np.abs(np.subtract(full_costs, other_costs, where=possible, out=np.zeros(len(rates))))
        return cls(costs[possible], np.where(full, rates, -rates)[possible], float(rates[~full].sum()))

    def only_one(self, value: float, width: float) -> bool:
        """Whether no two sets of deviations that cost no more than the width end at this value."""
        within = self.costs <= width
        costs, rates = self.costs[within], self.rates[within]
        order = np.argsort(costs, kind="stable")
        first, second = (_sets(costs[half], rates[half], width) for half in (order[::2], order[1::2]))
        if first is None or second is None:
            return False
        (first_costs, first_rates), (second_costs, second_rates) = first, second
        order = np.argsort(second_rates, kind="stable")
        second_costs, second_rates = second_costs[order], second_rates[order]
        missing = value - self.base - first_rates
        begin = np.searchsorted(second_rates, missing - LOWER * value, side="left")
        counts = np.searchsorted(second_rates, missing + UPPER * value, side="right") - begin
        if counts.sum() > MOST_SETS:
            return False
        one = np.repeat(np.arange(len(counts)), counts)
        other = np.arange(len(one)) - np.repeat(np.cumsum(counts) - counts - begin, counts)
        return int(np.count_nonzero(first_costs[one] + second_costs[other] <= width)) == 1


def _sets(costs: Floats, rates: Floats, width: float) -> tuple[Floats, Floats] | None:
    """Costs and rates of all sets within the width; None if they are too many."""
    cost, rate = np.zeros(1), np.zeros(1)
    for added_cost, added_rate in zip(costs, rates, strict=True):
        more = cost + added_cost
        fits = more <= width
        cost = np.concatenate([cost, more[fits]])
        rate = np.concatenate([rate, (rate + added_rate)[fits]])
        if len(cost) > MOST_SETS:
            return None
    return cost, rate
