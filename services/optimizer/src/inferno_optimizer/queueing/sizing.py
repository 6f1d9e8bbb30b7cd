"""How much load one replica can take: the largest arrival rate at which every target is met.

Bisection on log lambda over [0.001 mu(1), 0.999 mu(N)], for all pairs of a block at once and for each target
by itself, so that the binding one can be named. A tokens-per-second target t asks for stability instead: a
tenth of the rate is kept free (lambda* <= 0.9 lambda_max), and the caller, who knows the number of replicas,
sizes for the larger of its load and t / m requests per second.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inferno_optimizer.queueing.arrays import BoolArray, FloatArray
from inferno_optimizer.queueing.block import Block, blocks
from inferno_optimizer.queueing.chain import Chain, State
from inferno_optimizer.queueing.models import PerformanceModel
from inferno_optimizer.queueing.pair import Binding, Limits, Pair, Sizing, SizingPolicy
from inferno_optimizer.queueing.readings import ITL_READINGS, TTFT_READINGS, Reading

MS_PER_MINUTE: Final = 60_000.0
_LOWEST: Final = np.log(0.001)
_HIGHEST: Final = np.log(0.999)
_FREE_FOR_TPS: Final = np.log(0.9)
_PRECISION: Final = 1e-10  # of log lambda, so relative to lambda

Test = Callable[[State], BoolArray]


@dataclass(frozen=True, eq=False)
class _Target:
    """A latency promise to R pairs; `target_ms` is NaN-free and only read where `promised`."""

    name: Binding
    reading: Reading
    model: PerformanceModel
    target_ms: FloatArray
    promised: BoolArray

    def met(self, state: State) -> BoolArray:
        """True as well where nothing was promised, shape (R,)."""
        return ~self.promised | self.reading.met(self.model, state, self.target_ms)


@dataclass(frozen=True, eq=False)
class _Limit:
    """One target's answer for R pairs: `theta` is log(lambda / mu(N)) at its largest rate."""

    name: Binding
    theta: FloatArray
    promised: BoolArray
    missed: BoolArray


def size(pairs: Sequence[Pair], policy: SizingPolicy) -> list[Sizing]:
    """Size every pair, in the order given. Never NaN: a pair that cannot meet a target says so in `miss`."""
    itl = ITL_READINGS[policy.itl_reading](policy.itl_percentile)
    ttft = TTFT_READINGS[policy.ttft_reading](policy.ttft_percentile)
    sizings: dict[int, Sizing] = {}
    for block in blocks(pairs):
        sizings.update(zip(block.index, _size_block(block, itl, ttft), strict=True))
    return [sizings[i] for i in range(len(pairs))]


def _size_block(block: Block, itl: Reading, ttft: Reading) -> list[Sizing]:
    low, high = _bracket(block.chain)
    targets = [
        _target("itl", itl, block.model, [pair.itl_ms for pair in block.pairs]),
        _target("ttft", ttft, block.model, [pair.ttft_ms for pair in block.pairs]),
    ]
    limits = [_limit_of(target, block.chain, low, high) for target in targets]
    limits.append(_tokens_per_second_limit(block, high))
    theta = np.minimum.reduce([high, *(limit.theta for limit in limits)])
    missed = np.logical_or.reduce([limit.missed for limit in limits])
    theta, state = _all_met(targets, block.chain, low, theta, missed)
    return _answers(block, limits, _misses(targets, limits, block.chain, low), theta, state, high)


def _bracket(chain: Chain) -> tuple[FloatArray, FloatArray]:
    """Rates that are considered, as log(lambda / mu(N)): 0.001 mu(1) .. 0.999 mu(N).

    Model C may be slower at N than alone, by its chunks; then the lowest rate is 0.001 mu(N).
    """
    return _LOWEST + np.minimum(chain.log_mu_1 - chain.log_mu_n, 0.0), np.full_like(chain.n, _HIGHEST)


def _target(
    name: Binding, reading: Reading, model: PerformanceModel, targets: Sequence[float | None]
) -> _Target:
    promised = np.array([target is not None for target in targets])
    target_ms = np.array([1.0 if target is None else target for target in targets])
    return _Target(name, reading, model, target_ms, promised)


def _limit_of(target: _Target, chain: Chain, low: FloatArray, high: FloatArray) -> _Limit:
    if not target.promised.any():
        return _Limit(target.name, high, target.promised, np.zeros_like(target.promised))
    met_at_low, met_at_high = target.met(chain.at(low)), target.met(chain.at(high))
    settled = np.where(met_at_high, high, low)
    undecided = met_at_low & ~met_at_high
    theta = _bisect(target.met, chain, settled, np.where(undecided, high, settled))
    return _Limit(target.name, theta, target.promised, ~met_at_low & ~met_at_high)


def _bisect(met: Test, chain: Chain, low: FloatArray, high: FloatArray) -> FloatArray:
    """Largest theta between `low`, where the test holds, and `high`, where it does not (or both equal)."""
    while (high - low).max(initial=0.0) > _PRECISION:
        middle = (low + high) / 2
        holds = met(chain.at(middle))
        low, high = np.where(holds, middle, low), np.where(holds, high, middle)
    return low


def _tokens_per_second_limit(block: Block, high: FloatArray) -> _Limit:
    promised = np.array([pair.tokens_per_second is not None for pair in block.pairs])
    theta = np.where(promised, high + _FREE_FOR_TPS, high)
    return _Limit("tokens_per_second", theta, promised, np.zeros_like(promised))


def _all_met(
    targets: Sequence[_Target], chain: Chain, low: FloatArray, theta: FloatArray, missed: BoolArray
) -> tuple[FloatArray, State]:
    """Check that the smallest limit meets all targets together; look below it where it does not.

    Metrics that rise with the rate pass at once. Those of model C may fall where the number of chunks
    changes, so that a target met at its own limit need not be met below it.
    """

    def together(state: State) -> BoolArray:
        met: BoolArray = np.logical_and.reduce([target.met(state) for target in targets])
        return met

    state = chain.at(theta)
    apart = ~missed & ~together(state)
    if apart.any():
        theta = _bisect(together, chain, np.where(apart, low, theta), theta)
        state = chain.at(theta)
    return theta, state


def _misses(
    targets: Sequence[_Target], limits: Sequence[_Limit], chain: Chain, low: FloatArray
) -> list[list[str]]:
    """Sentences for each pair: one per target that is missed at the lowest rate."""
    sentences: list[list[str]] = [[] for _ in low]
    for target, limit in zip(targets, limits, strict=False):
        if not limit.missed.any():
            continue
        best_ms = target.reading.value_ms(target.model, chain.at(low))
        for row in np.flatnonzero(limit.missed):
            sentences[row].append(
                f"{target.name.upper()} target {target.target_ms[row]:g} ms cannot be met: a nearly idle "
                f"replica already has {best_ms[row]:.6g} ms ({target.reading.describe()})"
            )
    return sentences


def _answers(
    block: Block,
    limits: Sequence[_Limit],
    misses: Sequence[list[str]],
    theta: FloatArray,
    state: State,
    high: FloatArray,
) -> list[Sizing]:
    log_unit = block.chain.log_mu_n + np.log(MS_PER_MINUTE)
    limit_rpm = {limit.name: np.exp(limit.theta + log_unit) for limit in limits}
    known = {limit.name: limit.promised & ~limit.missed for limit in limits}
    rate_rpm, saturation_rpm = np.exp(theta + log_unit), np.exp(high + log_unit)
    capacity_rpm = state.throughput * MS_PER_MINUTE

    def limit_or_none(name: Binding, row: int) -> float | None:
        return float(limit_rpm[name][row]) if known[name][row] else None

    return [
        Sizing(
            feasible=not miss,
            max_rate_rpm=0.0 if miss else float(rate_rpm[row]),
            capacity_rpm=0.0 if miss else float(capacity_rpm[row]),
            limits_rpm=Limits(
                itl=limit_or_none("itl", row),
                ttft=limit_or_none("ttft", row),
                tokens_per_second=limit_or_none("tokens_per_second", row),
            ),
            binding=_binding(limits, row, float(high[row])),
            miss="; ".join(miss) or None,
            saturation_rpm=float(saturation_rpm[row]),
        )
        for row, miss in enumerate(misses)
    ]


def _binding(limits: Sequence[_Limit], row: int, high: float) -> Binding:
    missed = [limit.name for limit in limits if limit.missed[row]]
    if missed:
        return missed[0]
    lowest = min(limits, key=lambda limit: float(limit.theta[row]))
    return lowest.name if lowest.theta[row] < high else "saturation"
