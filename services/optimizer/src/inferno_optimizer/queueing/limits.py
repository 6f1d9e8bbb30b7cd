"""The largest arrival rate at which a latency target is met, for a block of R pairs at once.

Rates are searched as theta = log(lambda / mu(N)) between two ends; see `root` for the search itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inferno_optimizer.queueing.arrays import BoolArray, FloatArray
from inferno_optimizer.queueing.chain import Chain, State
from inferno_optimizer.queueing.models import PerformanceModel
from inferno_optimizer.queueing.pair import Binding
from inferno_optimizer.queueing.readings import Reading
from inferno_optimizer.queueing.root import last_not_above_zero

_SCAN_STEPS: Final = 32
_PRECISION: Final = 1e-10  # of log lambda, so relative to lambda


@dataclass(frozen=True, eq=False)
class Target:
    """A latency promised to some of R pairs; `target_ms` is only read where `promised`."""

    name: Binding
    reading: Reading
    model: PerformanceModel
    target_ms: FloatArray
    promised: BoolArray

    @classmethod
    def of(
        cls, name: Binding, reading: Reading, model: PerformanceModel, targets: Sequence[float | None]
    ) -> "Target":
        """From one target per pair, None where nothing is promised."""
        promised = np.array([target is not None for target in targets])
        target_ms = np.array([1.0 if target is None else target for target in targets])
        return cls(name, reading, model, target_ms, promised)

    def excess(self, state: State) -> FloatArray:
        """At most 0 where the target is met or nothing was promised, shape (R,)."""
        if not self.promised.any():
            return np.full_like(self.target_ms, -1.0)
        return np.where(self.promised, self.reading.excess(self.model, state, self.target_ms), -1.0)


@dataclass(frozen=True, eq=False)
class Limit:
    """One target's answer: `theta` at the largest rate, `missed` where not even the lowest rate will do."""

    name: Binding
    theta: FloatArray
    promised: BoolArray
    missed: BoolArray


@dataclass(frozen=True, eq=False)
class _Ends:
    """Where the search for one target's limit begins, with the target's excess at both ends."""

    low: FloatArray
    high: FloatArray
    excess_low: FloatArray
    excess_high: FloatArray


def limits_of(targets: Sequence[Target], chain: Chain, low: FloatArray, high: FloatArray) -> list[Limit]:
    """Each target's limit between the rates `low` and `high`, by itself."""
    lowest, highest = chain.at(low), chain.at(high)
    ends = [_Ends(low, high, target.excess(lowest), target.excess(highest)) for target in targets]
    missed = [at.excess_low > 0 for at in ends]
    if not all(target.model.rising for target in targets):
        ends = _scan(targets, chain, ends, low, high)
    return [
        Limit(target.name, _crossing(target, chain, at, is_missed), target.promised, is_missed)
        for target, at, is_missed in zip(targets, ends, missed, strict=True)
    ]


def met_together(
    targets: Sequence[Target], chain: Chain, low: FloatArray, theta: FloatArray, missed: BoolArray
) -> tuple[FloatArray, State]:
    """Check that the smallest limit `theta` meets all targets; look below it where it does not.

    Latencies that rise with the rate pass at once; others may hide a crossing between two steps of the scan.
    """
    state = chain.at(theta)
    excess = _worst(targets, state)
    apart = ~missed & (excess > 0)
    if apart.any():
        theta = last_not_above_zero(
            lambda theta: _worst(targets, chain.at(theta)),
            np.where(apart, low, theta),
            theta,
            _worst(targets, chain.at(low)),
            excess,
            _PRECISION,
        )
        state = chain.at(theta)
    return theta, state


def _crossing(target: Target, chain: Chain, at: _Ends, missed: BoolArray) -> FloatArray:
    crosses = ~missed & (at.excess_high > 0)
    settled = np.where(missed | crosses, at.low, at.high)
    return last_not_above_zero(
        lambda theta: target.excess(chain.at(theta)),
        settled,
        np.where(crosses, at.high, settled),
        at.excess_low,
        at.excess_high,
        _PRECISION,
    )


def _scan(
    targets: Sequence[Target], chain: Chain, ends: Sequence[_Ends], low: FloatArray, high: FloatArray
) -> list[_Ends]:
    """Narrow the ends of each target to the first of equal steps of the rate that misses it.

    For latencies that may fall again as the load rises: a replica that gets less than lambda* must meet the
    target too, so lambda* is the first crossing, not any one of them.
    """
    narrowed = list(ends)
    never_missed = [np.ones_like(target.promised) for target in targets]
    lowest, step = np.exp(low), (np.exp(high) - np.exp(low)) / _SCAN_STEPS
    for k in range(1, _SCAN_STEPS):
        theta = np.log(lowest + k * step)
        state = chain.at(theta)
        for i, target in enumerate(targets):
            excess, at = target.excess(state), narrowed[i]
            met, first = never_missed[i] & (excess <= 0), never_missed[i] & (excess > 0)
            narrowed[i] = _Ends(
                low=np.where(met, theta, at.low),
                high=np.where(first, theta, at.high),
                excess_low=np.where(met, excess, at.excess_low),
                excess_high=np.where(first, excess, at.excess_high),
            )
            never_missed[i] &= ~first
    return narrowed


def _worst(targets: Sequence[Target], state: State) -> FloatArray:
    worst: FloatArray = np.maximum.reduce([target.excess(state) for target in targets])
    return worst
