"""Input that the contracts permit and nobody plans for: an answer, never NaN, never a warning."""

import dataclasses
import itertools
import math

import pytest

from inferno_optimizer.queueing import Pair, SizingPolicy, predict, size
from inferno_shared.contracts import (
    ChunkedPrefillParameters,
    ItlReading,
    LinearParameters,
    PrefillDecodeParameters,
    TtftReading,
)

Parameters = LinearParameters | PrefillDecodeParameters | ChunkedPrefillParameters
EXTREMES: list[Parameters] = [
    LinearParameters(alpha=5e-324, beta=0),
    LinearParameters(alpha=1e12, beta=1e12),
    PrefillDecodeParameters(alpha=1e-12, beta=0, gamma=0, delta=0),
    PrefillDecodeParameters(alpha=1e12, beta=1e12, gamma=1e12, delta=1e12),
    ChunkedPrefillParameters(alpha=1e-300, beta=0, gamma=0),
    ChunkedPrefillParameters(alpha=1e12, beta=1e12, gamma=1e12),
]
TOKENS = [(0, 0), (0, 1), (0, 0.1), (1e12, 5e-324), (1e12, 1e12), (1, 1)]
SLOS = [(1e12, 1e12, 1e12), (5e-324, 5e-324, 5e-324), (None, None, None), (20, 500, None)]
POLICIES = [
    SizingPolicy(),
    SizingPolicy(TtftReading.EXACT, 1 - 1e-16, ItlReading.QUANTILE, 1 - 1e-16),
    SizingPolicy(TtftReading.EXACT, 1e-12, ItlReading.QUANTILE, 1e-12),
    SizingPolicy(TtftReading.MEAN, 0.5, ItlReading.MEAN, 0.5),
]


@pytest.mark.parametrize("parameters", EXTREMES, ids=str)
@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_extreme_values_give_finite_numbers(parameters: Parameters, policy: SizingPolicy) -> None:
    pairs = [
        Pair(parameters, n, queue, *tokens, *slo)
        for n, queue, tokens, slo in itertools.product((1, 3, 300), (None, 0, 10_000_000), TOKENS, SLOS)
    ]
    sizings = size(pairs, policy)
    for pair, sizing in zip(pairs, sizings, strict=True):
        assert sizing.feasible == (sizing.miss is None), pair
        assert (sizing.max_rate_rpm > 0) == sizing.feasible, pair
        assert math.isfinite(sizing.max_rate_rpm + sizing.capacity_rpm + sizing.saturation_rpm), pair
    for rate_rpm in (0.0, 1e-300, 1.0, 1e12):
        for performance in predict(pairs, [rate_rpm] * len(pairs)):
            assert all(math.isfinite(x) and x >= 0 for x in dataclasses.astuple(performance))


def test_a_target_that_is_met_exactly_is_met() -> None:
    [sizing] = size([Pair(LinearParameters(alpha=20, beta=0), 4, None, 0, 100, itl_ms=20)], SizingPolicy())
    assert sizing.feasible
    assert sizing.binding == "saturation"


def test_one_output_token_without_input_is_one_decode_step() -> None:
    parameters = PrefillDecodeParameters(alpha=20, beta=1, gamma=200, delta=0.1)
    [rest] = predict([Pair(parameters, 4, None, 0, 1)], [0])
    assert rest.itl_ms == 21
    assert rest.response_ms == pytest.approx(21)
    assert rest.prefill_ms == 0


def test_one_output_token_with_input_is_its_prefill() -> None:
    parameters = PrefillDecodeParameters(alpha=20, beta=1, gamma=200, delta=0.1)
    [rest] = predict([Pair(parameters, 4, None, 100, 1)], [0])
    assert rest.response_ms == pytest.approx(210)
    assert rest.prefill_ms == pytest.approx(210)


def test_the_overloaded_tail_sums_are_finite_at_the_largest_contract_sizes() -> None:
    pair = Pair(LinearParameters(alpha=1, beta=0), 8192, 10_000_000, 0, 1)
    [performance] = predict([pair], [1e12])
    assert performance.in_system == pytest.approx(8192 + 10_000_000, rel=1e-6)
    assert performance.throughput_rpm == pytest.approx(8192 * 60_000, rel=1e-9)
