"""How much load one replica can take: the largest arrival rate at which every target is met.

The search runs over log lambda in [0.001 mu(1), 0.999 mu(N)], for all pairs of a block at once and for each
target by itself, so that the binding one can be named. A tokens-per-second target t asks for stability
instead: a tenth of the rate is kept free (lambda* <= 0.9 lambda_max), and the caller, who knows the number of
replicas, sizes for the larger of its load and t / m requests per second.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inferno_optimizer.queueing.arrays import BoolArray, FloatArray
from inferno_optimizer.queueing.block import Block, blocks
from inferno_optimizer.queueing.chain import Chain, State
from inferno_optimizer.queueing.models import PerformanceModel
from inferno_optimizer.queueing.pair import Binding, Limits, Pair, Sizing, SizingPolicy
from inferno_optimizer.queueing.readings import ITL_READINGS, TTFT_READINGS, Reading
from inferno_optimizer.queueing.root import last_not_above_zero

MS_PER_MINUTE: Final = 60_000.0
_LOWEST: Final = math.log(0.001)
_HIGHEST: Final = math.log(0.999)
_FREE_FOR_TPS: Final = math.log(0.9)
_SCAN_STEPS: Final = 32
_PRECISION: Final = 1e-10  # of log lambda, so relative to lambda


@dataclass(frozen=True, eq=False)
class _Target:
    """A latency promise to R pairs; `target_ms` is NaN-free and only read where `promised`."""

    name: Binding
    reading: Reading
    model: PerformanceModel
    target_ms: FloatArray
    promised: BoolArray

    def excess(self, state: State) -> FloatArray:
        """At most 0 where the target is met or nothing was promised, shape (R,)."""
        if not self.promised.any():
            return np.full_like(self.target_ms, -1.0)
        return np.where(self.promised, self.reading.excess(self.model, state, self.target_ms), -1.0)


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
    targets = [
        _target("itl", itl, block.model, [pair.itl_ms for pair in block.pairs]),
        _target("ttft", ttft, block.model, [pair.ttft_ms for pair in block.pairs]),
    ]
    low, high = _bracket(block.chain)
    lowest, highest = block.chain.at(low), block.chain.at(high)
    limits = [_limit_of(target, block.chain, lowest, highest) for target in targets]
    limits.append(_tokens_per_second_limit(block, high))
    theta = np.minimum.reduce([high, *(limit.theta for limit in limits)])
    missed = np.logical_or.reduce([limit.missed for limit in limits])
    theta, state = _all_met(targets, block.chain, lowest, theta, missed)
    return _answers(block, limits, _misses(targets, limits, lowest), theta, state, high)


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


def _limit_of(target: _Target, chain: Chain, lowest: State, highest: State) -> _Limit:
    low, high = lowest.theta, highest.theta
    excess_low, excess_high = target.excess(lowest), target.excess(highest)
    missed = excess_low > 0
    if not target.model.rising and target.promised.any():
        low, high, excess_low, excess_high = _scan(target, chain, low, high, excess_low, excess_high)
    crosses = ~missed & (excess_high > 0)
    settled = np.where(missed | crosses, low, high)
    theta = last_not_above_zero(
        lambda theta: target.excess(chain.at(theta)),
        settled,
        np.where(crosses, high, settled),
        excess_low,
        excess_high,
        _PRECISION,
    )
    return _Limit(target.name, theta, target.promised, missed)


def _scan(
    target: _Target,
    chain: Chain,
    low: FloatArray,
    high: FloatArray,
    excess_low: FloatArray,
    excess_high: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Narrow low .. high, and the excesses there, to the first of equal steps that misses the target.

    For latencies that may fall again as the load rises: a replica that gets less than lambda* must meet the
    target too, so lambda* is the first crossing, not any one of them.
    """
    open_ended = np.ones_like(target.promised)
    lowest, step = np.exp(low), (np.exp(high) - np.exp(low)) / _SCAN_STEPS
    for k in range(1, _SCAN_STEPS):
        theta = np.log(lowest + k * step)
        excess = target.excess(chain.at(theta))
        met, missed = open_ended & (excess <= 0), open_ended & (excess > 0)
        low, excess_low = np.where(met, theta, low), np.where(met, excess, excess_low)
        high, excess_high = np.where(missed, theta, high), np.where(missed, excess, excess_high)
        open_ended &= ~missed
        if not open_ended.any():
            break
    return low, high, excess_low, excess_high


def _worst(targets: Sequence[_Target], state: State) -> FloatArray:
    worst: FloatArray = np.maximum.reduce([target.excess(state) for target in targets])
    return worst


def _tokens_per_second_limit(block: Block, high: FloatArray) -> _Limit:
    promised = np.array([pair.tokens_per_second is not None for pair in block.pairs])
    theta = np.where(promised, high + _FREE_FOR_TPS, high)
    return _Limit("tokens_per_second", theta, promised, np.zeros_like(promised))


def _all_met(
    targets: Sequence[_Target], chain: Chain, lowest: State, theta: FloatArray, missed: BoolArray
) -> tuple[FloatArray, State]:
    """Check that the smallest limit meets all targets together; look below it where it does not.

    Latencies that rise with the rate pass at once; others may hide a crossing between two steps of the scan.
    """
    state = chain.at(theta)
    excess = _worst(targets, state)
    apart = ~missed & (excess > 0)
    if apart.any():
        theta = last_not_above_zero(
            lambda theta: _worst(targets, chain.at(theta)),
            np.where(apart, lowest.theta, theta),
            theta,
            _worst(targets, lowest),
            excess,
            _PRECISION,
        )
        state = chain.at(theta)
    return theta, state


def _misses(targets: Sequence[_Target], limits: Sequence[_Limit], lowest: State) -> list[list[str]]:
    """Sentences for each pair: one per target that is missed at the lowest rate."""
    sentences: list[list[str]] = [[] for _ in lowest.theta]
    for target, limit in zip(targets, limits, strict=False):
        if not limit.missed.any():
            continue
        best_ms = target.reading.value_ms(target.model, lowest)
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
    log_unit = block.chain.log_mu_n + math.log(MS_PER_MINUTE)
    itl, ttft, tokens_per_second = (_rpm_or_none(limit, log_unit) for limit in limits)
    return [
        Sizing(
            feasible=not miss,
            max_rate_rpm=0.0 if miss else max_rate_rpm,
            capacity_rpm=0.0 if miss else capacity_rpm,
            limits_rpm=Limits(itl=itl[row], ttft=ttft[row], tokens_per_second=tokens_per_second[row]),
            binding=binding,
            miss="; ".join(miss) or None,
            saturation_rpm=saturation_rpm,
        )
        for row, (miss, max_rate_rpm, capacity_rpm, saturation_rpm, binding) in enumerate(
            zip(
                misses,
                np.exp(theta + log_unit).tolist(),
                (state.throughput * MS_PER_MINUTE).tolist(),
                np.exp(high + log_unit).tolist(),
                _binding(limits, high),
                strict=True,
            )
        )
    ]


def _rpm_or_none(limit: _Limit, log_unit: FloatArray) -> list[float | None]:
    rates_rpm = np.exp(limit.theta + log_unit).tolist()
    known = limit.promised & ~limit.missed
    return [rate if is_known else None for rate, is_known in zip(rates_rpm, known, strict=True)]


def _binding(limits: Sequence[_Limit], high: FloatArray) -> list[Binding]:
    """The first target that is missed, else the one with the lowest limit, else saturation."""
    names: list[Binding] = ["saturation", *(limit.name for limit in limits)]
    lowest = np.argmin([high, *(limit.theta for limit in limits)], axis=0)
    missed = np.array([np.zeros_like(high, dtype=bool), *(limit.missed for limit in limits)])
    return [names[i] for i in np.where(missed.any(axis=0), missed.argmax(axis=0), lowest)]
