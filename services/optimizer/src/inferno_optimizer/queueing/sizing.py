"""How much load one replica can take: the largest arrival rate at which every target is met.

The search runs over log lambda in [0.001 mu(1), 0.999 mu(N)], for all pairs of a block at once and for each
target by itself, so that the binding one can be named. A tokens-per-second target t asks for stability
instead: a tenth of the rate is kept free (lambda* <= 0.9 lambda_max), and the caller, who knows the number of
replicas, sizes for the larger of its load and t / m requests per second.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from inferno_optimizer.queueing.arrays import FloatArray
from inferno_optimizer.queueing.block import Block, blocks
from inferno_optimizer.queueing.chain import Chain, State
from inferno_optimizer.queueing.limits import Limit, Target, limits_of, met_together
from inferno_optimizer.queueing.pair import Binding, Limits, Pair, Sizing, SizingPolicy
from inferno_optimizer.queueing.readings import ITL_READINGS, TTFT_READINGS, Reading

MS_PER_MINUTE: Final = 60_000.0
_LOWEST: Final = math.log(0.001)
_HIGHEST: Final = math.log(0.999)
_FREE_FOR_TPS: Final = math.log(0.9)


def size(pairs: Sequence[Pair], policy: SizingPolicy) -> list[Sizing]:
    """Size every pair, in the order given. Never NaN: a pair that cannot meet a target says so in `miss`."""
    itl, ttft = readings_of(policy)
    sizings: dict[int, Sizing] = {}
    for block in blocks(pairs):
        sizings.update(zip(block.index, _size_block(block, itl, ttft), strict=True))
    return [sizings[i] for i in range(len(pairs))]


class SizedOnce:
    """Sizes as `size` does, and the same pairs under the same policy once.

    For plans side by side: load, prices, capacity and priorities change no pair.
    Only the whole list is looked for, so that an answer never depends on what was asked before.
    """

    def __init__(self) -> None:
        self._known: list[tuple[list[Pair], SizingPolicy, list[Sizing]]] = []

    def __call__(self, pairs: Sequence[Pair], policy: SizingPolicy) -> list[Sizing]:
        """Size every pair, in the order given."""
        asked = list(pairs)
        for known, known_policy, sizings in self._known:
            if known_policy == policy and known == asked:
                return sizings
        sizings = size(asked, policy)
        self._known.append((asked, policy, sizings))
        return sizings


def readings_of(policy: SizingPolicy) -> tuple[Reading, Reading]:
    """How the policy reads targets of ITL and TTFT."""
    itl = ITL_READINGS[policy.itl_reading](policy.itl_percentile)
    return itl, TTFT_READINGS[policy.ttft_reading](policy.ttft_percentile)


def _size_block(block: Block, itl: Reading, ttft: Reading) -> list[Sizing]:
    chain, model, pairs = block.chain, block.model, block.pairs
    targets = [
        Target.of("itl", itl, model, [pair.itl_ms for pair in pairs]),
        Target.of("ttft", ttft, model, [pair.ttft_ms for pair in pairs]),
    ]
    low, high = _bracket(chain)
    latency_limits = limits_of(targets, chain, low, high)
    limits = [*latency_limits, _tokens_per_second_limit(pairs, high)]
    theta = np.minimum.reduce([high, *(limit.theta for limit in limits)])
    missed = np.logical_or.reduce([limit.missed for limit in limits])
    theta, state = met_together(targets, chain, low, theta, missed)
    misses = _misses(targets, latency_limits, chain, low)
    return _answers(limits, misses, state, high)


def _bracket(chain: Chain) -> tuple[FloatArray, FloatArray]:
    """Rates that are considered, as log(lambda / mu(N)): 0.001 mu(1) .. 0.999 mu(N).

    Model C may be slower at N than alone, by its chunks; then the lowest rate is 0.001 mu(N).
    """
    return _LOWEST + np.minimum(chain.log_mu_1 - chain.log_mu_n, 0.0), np.full_like(chain.n, _HIGHEST)


def _tokens_per_second_limit(pairs: Sequence[Pair], high: FloatArray) -> Limit:
    promised = np.array([pair.tokens_per_second is not None for pair in pairs])
    theta = np.where(promised, high + _FREE_FOR_TPS, high)
    return Limit("tokens_per_second", theta, promised, np.zeros_like(promised))


def _misses(
    targets: Sequence[Target], limits: Sequence[Limit], chain: Chain, low: FloatArray
) -> list[list[str]]:
    """Sentences for each pair: one per target that is missed at the lowest rate."""
    sentences: list[list[str]] = [[] for _ in low]
    for target, limit in zip(targets, limits, strict=True):
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
    limits: Sequence[Limit], misses: Sequence[list[str]], state: State, high: FloatArray
) -> list[Sizing]:
    log_unit = state.chain.log_mu_n + math.log(MS_PER_MINUTE)
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
                np.exp(state.theta + log_unit).tolist(),
                (state.throughput * MS_PER_MINUTE).tolist(),
                np.exp(high + log_unit).tolist(),
                _binding(limits, high),
                strict=True,
            )
        )
    ]


def _rpm_or_none(limit: Limit, log_unit: FloatArray) -> list[float | None]:
    rates_rpm = np.exp(limit.theta + log_unit).tolist()
    known = limit.promised & ~limit.missed
    return [rate if is_known else None for rate, is_known in zip(rates_rpm, known, strict=True)]


def _binding(limits: Sequence[Limit], high: FloatArray) -> list[Binding]:
    """The first target that is missed, else the one with the lowest limit, else saturation."""
    names: list[Binding] = ["saturation", *(limit.name for limit in limits)]
    lowest = np.argmin([high, *(limit.theta for limit in limits)], axis=0)
    missed = np.array([np.zeros_like(high, dtype=bool), *(limit.missed for limit in limits)])
    return [names[i] for i in np.where(missed.any(axis=0), missed.argmax(axis=0), lowest)]
