"""Sizing: the limits against slow bisection, and what must hold whatever the numbers are."""

import dataclasses
import math
import random
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from inferno_optimizer.queueing import Pair, SizedOnce, Sizing, SizingPolicy, predict, size
from inferno_shared.contracts import (
    ChunkedPrefillParameters,
    ItlReading,
    LinearParameters,
    PrefillDecodeParameters,
    TtftReading,
)
from unit.optimizer.queueing import reference
from unit.optimizer.queueing.strategies import MONOTONE, PARAMETERS, pairs

PER_MINUTE = 60_000
SEED = Pair(LinearParameters(alpha=20.58, beta=0.41), 4, None, 0, 279, itl_ms=24, ttft_ms=500)
TARGETS = st.one_of(st.none(), st.floats(1, 2000))
POLICIES = st.builds(
    SizingPolicy,
    ttft_reading=st.sampled_from(TtftReading),
    ttft_percentile=st.sampled_from([0.5, 0.95, 0.99]),
    itl_reading=st.sampled_from(ItlReading),
    itl_percentile=st.sampled_from([0.5, 0.95]),
)


def size_one(pair: Pair, policy: SizingPolicy | None = None) -> Sizing:
    return size([pair], policy or SizingPolicy())[0]


def slow_limit(pair: Pair, met: Callable[[float], bool]) -> float | None:
    """Largest rate per minute in [0.001 mu(1), 0.999 mu(N)] that is met, by bisection over all states."""
    low = 0.001 * reference.departure_rate(pair, 1)
    high = 0.999 * reference.departure_rate(pair, pair.max_batch_size)
    if not met(low):
        return None
    if met(high):
        return high * PER_MINUTE
    for _ in range(50):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if met(middle) else (low, middle)
    return low * PER_MINUTE


def slow_ttft_test(pair: Pair, policy: SizingPolicy, target_ms: float) -> Callable[[float], bool]:
    def met(rate: float) -> bool:
        means = reference.answer(pair, rate)
        if policy.ttft_reading is TtftReading.EXACT:
            left_ms = target_ms - means.prefill_ms
            late = reference.wait_survival(pair, rate, max(left_ms, 0))
            return left_ms >= 0 and late <= 1 - policy.ttft_percentile
        stretch = 1 if policy.ttft_reading is TtftReading.MEAN else math.log(1 / (1 - policy.ttft_percentile))
        return stretch * means.wait_ms + means.prefill_ms <= target_ms

    return met


def slow_itl_test(pair: Pair, policy: SizingPolicy, target_ms: float) -> Callable[[float], bool]:
    def met(rate: float) -> bool:
        if policy.itl_reading is ItlReading.QUANTILE:
            return reference.token_share_within(pair, rate, target_ms) >= policy.itl_percentile
        return reference.answer(pair, rate).itl_ms <= target_ms

    return met


PLAUSIBLE = st.builds(
    Pair,
    parameters=st.one_of(
        st.builds(LinearParameters, alpha=st.floats(5, 40), beta=st.floats(0.05, 2)),
        st.builds(
            PrefillDecodeParameters,
            alpha=st.floats(5, 40),
            beta=st.floats(0.05, 2),
            gamma=st.floats(0, 300),
            delta=st.floats(0.001, 0.1),
        ),
    ),
    max_batch_size=st.integers(1, 12),
    max_queue_size=st.one_of(st.none(), st.integers(0, 40)),
    input_tokens=st.floats(0, 1000),
    output_tokens=st.floats(2, 1000),
    itl_ms=st.floats(6, 60),
    ttft_ms=st.floats(50, 3000),
)


@given(pair=PLAUSIBLE, policy=POLICIES)
@settings(max_examples=120, deadline=None)
def test_each_limit_equals_a_slow_bisection(pair: Pair, policy: SizingPolicy) -> None:
    assert pair.itl_ms is not None
    assert pair.ttft_ms is not None
    limits = size_one(pair, policy).limits_rpm
    expected_itl = slow_limit(pair, slow_itl_test(pair, policy, pair.itl_ms))
    expected_ttft = slow_limit(pair, slow_ttft_test(pair, policy, pair.ttft_ms))
    assert limits.itl == (None if expected_itl is None else pytest.approx(expected_itl, rel=1e-6))
    assert limits.ttft == (None if expected_ttft is None else pytest.approx(expected_ttft, rel=1e-6))


@given(pair=pairs(PARAMETERS, targets=TARGETS), policy=POLICIES)
@settings(max_examples=120, deadline=None)
def test_targets_hold_at_the_largest_rate(pair: Pair, policy: SizingPolicy) -> None:
    sizing = size_one(pair, policy)
    assume(sizing.feasible)
    rate = sizing.max_rate_rpm / PER_MINUTE
    [at_limit] = predict([pair], [sizing.max_rate_rpm])
    assert sizing.capacity_rpm == pytest.approx(at_limit.throughput_rpm, rel=1e-9)
    assert sizing.capacity_rpm <= sizing.max_rate_rpm * (1 + 1e-12)
    if pair.itl_ms is not None and policy.itl_reading is ItlReading.MEAN:
        assert at_limit.itl_ms <= pair.itl_ms * (1 + 1e-9)
    if pair.ttft_ms is not None and policy.ttft_reading is not TtftReading.EXACT:
        stretch = 1 if policy.ttft_reading is TtftReading.MEAN else -math.log(1 - policy.ttft_percentile)
        assert stretch * at_limit.wait_ms + at_limit.prefill_ms <= pair.ttft_ms * (1 + 1e-9)
    if pair.ttft_ms is not None and policy.ttft_reading is TtftReading.EXACT:
        left_ms = pair.ttft_ms - at_limit.prefill_ms
        assert reference.wait_survival(pair, rate, left_ms) <= 1 - policy.ttft_percentile + 1e-6


@given(pair=pairs(MONOTONE, targets=TARGETS), policy=POLICIES, tighter=st.floats(0.1, 1))
@settings(max_examples=80, deadline=None)
def test_a_tighter_slo_never_allows_more(pair: Pair, policy: SizingPolicy, tighter: float) -> None:
    tight = dataclasses.replace(
        pair,
        itl_ms=None if pair.itl_ms is None else pair.itl_ms * tighter,
        ttft_ms=None if pair.ttft_ms is None else pair.ttft_ms * tighter,
    )
    assert size_one(tight, policy).max_rate_rpm <= size_one(pair, policy).max_rate_rpm * (1 + 1e-8)


@given(pair=pairs(MONOTONE, targets=TARGETS), policy=POLICIES, more=st.floats(1, 20))
@settings(max_examples=100, deadline=None)
def test_longer_answers_never_allow_more_requests(pair: Pair, policy: SizingPolicy, more: float) -> None:
    longer = dataclasses.replace(pair, output_tokens=pair.output_tokens * more)
    fewer, most = size_one(longer, policy), size_one(pair, policy)
    assert fewer.max_rate_rpm <= most.max_rate_rpm * (1 + 1e-8)


@given(pair=pairs(PARAMETERS, targets=TARGETS), policy=POLICIES)
@settings(max_examples=100, deadline=None)
def test_the_combined_rate_respects_every_limit_and_names_the_lowest(
    pair: Pair, policy: SizingPolicy
) -> None:
    sizing = size_one(pair, policy)
    limits = dataclasses.asdict(sizing.limits_rpm)
    if not sizing.feasible:
        assert sizing.binding in ("itl", "ttft")
        assert limits[sizing.binding] is None
        assert sizing.miss is not None
        assert sizing.binding.upper() in sizing.miss
        assert (sizing.max_rate_rpm, sizing.capacity_rpm) == (0, 0)
        return
    known = [limit for limit in limits.values() if limit is not None]
    lowest = min([*known, sizing.saturation_rpm])
    assert 0 < sizing.max_rate_rpm <= lowest
    if sizing.binding == "saturation":
        assert lowest == sizing.saturation_rpm
    else:
        assert limits[sizing.binding] == lowest


def chunked_pairs(count: int) -> list[Pair]:
    """Model C with long inputs, where the number of chunks changes often, and targets that can be met."""
    draw = random.Random(7).uniform  # noqa: S311 - made-up profiles, no secrets
    bare = [
        Pair(
            ChunkedPrefillParameters(alpha=draw(1, 60), beta=draw(0, 0.2), gamma=draw(0, 1e-3)),
            int(draw(1, 128)),
            None,
            draw(0, 20_000),
            draw(1.5, 500),
        )
        for _ in range(count)
    ]
    rest = predict(bare, [0.0] * count)
    return [
        dataclasses.replace(pair, itl_ms=alone.itl_ms * draw(1.01, 3), ttft_ms=alone.ttft_ms * draw(1.01, 4))
        for pair, alone in zip(bare, rest, strict=True)
    ]


def test_model_c_meets_its_targets_at_every_rate_below_the_limit_although_its_latencies_jump() -> None:
    loose = chunked_pairs(300)
    sizings = size(loose, SizingPolicy(ttft_reading=TtftReading.MEAN))
    assert sum(sizing.feasible for sizing in sizings) > 250
    for share in (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1):
        performances = predict(loose, [share * sizing.max_rate_rpm for sizing in sizings])
        for pair, sizing, performance in zip(loose, sizings, performances, strict=True):
            assert pair.itl_ms is not None
            assert pair.ttft_ms is not None
            if sizing.feasible:
                assert performance.itl_ms <= pair.itl_ms * (1 + 1e-9)
                assert performance.ttft_ms <= pair.ttft_ms * (1 + 1e-9)


def test_a_tighter_slo_never_allows_model_c_more() -> None:
    loose = chunked_pairs(300)
    tight = [
        dataclasses.replace(pair, itl_ms=(pair.itl_ms or 0) * 0.9, ttft_ms=(pair.ttft_ms or 0) * 0.9)
        for pair in loose
    ]
    for less, more in zip(size(tight, SizingPolicy()), size(loose, SizingPolicy()), strict=True):
        assert less.max_rate_rpm <= more.max_rate_rpm * (1 + 1e-8)


@given(batch=st.lists(pairs(PARAMETERS, targets=TARGETS), min_size=2, max_size=12), policy=POLICIES)
@settings(max_examples=25, deadline=None)
def test_a_pair_is_sized_the_same_in_any_company(batch: list[Pair], policy: SizingPolicy) -> None:
    together = size(batch, policy)
    for pair, sizing in zip(batch, together, strict=True):
        alone = size_one(pair, policy)
        assert sizing.max_rate_rpm == pytest.approx(alone.max_rate_rpm, rel=1e-8)
        assert sizing.feasible == alone.feasible


def test_the_binding_target_is_named() -> None:
    assert size_one(SEED).binding == "ttft"
    assert size_one(dataclasses.replace(SEED, itl_ms=21.1)).binding == "itl"
    assert size_one(dataclasses.replace(SEED, itl_ms=None, ttft_ms=None)).binding == "saturation"
    tps = dataclasses.replace(SEED, itl_ms=None, ttft_ms=None, tokens_per_second=100)
    assert size_one(tps).binding == "tokens_per_second"


def test_a_tokens_per_second_target_keeps_a_tenth_free() -> None:
    sizing = size_one(dataclasses.replace(SEED, itl_ms=None, ttft_ms=None, tokens_per_second=100))
    mu_n_rpm = 4 / (279 * (20.58 + 0.41 * 4)) * PER_MINUTE
    assert sizing.saturation_rpm == pytest.approx(0.999 * mu_n_rpm)
    assert sizing.max_rate_rpm == pytest.approx(0.9 * 0.999 * mu_n_rpm)
    assert sizing.limits_rpm.tokens_per_second == sizing.max_rate_rpm


def test_a_miss_says_which_target_what_it_is_and_what_can_be_reached() -> None:
    sizing = size_one(dataclasses.replace(SEED, itl_ms=20))
    assert not sizing.feasible
    assert sizing.binding == "itl"
    assert sizing.miss == (
        "ITL target 20 ms cannot be met: a nearly idle replica already has 20.9904 ms (mean)"
    )
    assert sizing.limits_rpm.itl is None
    assert sizing.limits_rpm.ttft == pytest.approx(14.308867, rel=1e-5)


def test_both_misses_are_said() -> None:
    parameters = PrefillDecodeParameters(alpha=20.58, beta=0.41, gamma=200, delta=0.01)
    pair = Pair(parameters, 4, None, 128, 279, itl_ms=20, ttft_ms=100)
    for reading in TtftReading:
        miss = size_one(pair, SizingPolicy(ttft_reading=reading, itl_reading=ItlReading.QUANTILE)).miss
        assert miss is not None
        assert "ITL target 20 ms" in miss
        assert "TTFT target 100 ms" in miss
        assert "201.28" in miss


def test_capacity_leaves_out_what_a_full_queue_turns_away() -> None:
    no_queue = dataclasses.replace(SEED, max_queue_size=0, ttft_ms=None, itl_ms=None)
    sizing = size_one(no_queue)
    [at_limit] = predict([no_queue], [sizing.max_rate_rpm])
    assert sizing.capacity_rpm == pytest.approx(sizing.max_rate_rpm * (1 - at_limit.blocking))
    assert at_limit.blocking > 0.2


def test_no_pairs_no_sizings() -> None:
    assert size([], SizingPolicy()) == []
    assert predict([], []) == []


def test_the_same_pairs_under_the_same_policy_are_sized_once_and_others_by_themselves() -> None:
    pair = Pair(LinearParameters(alpha=20.58, beta=0.41), 4, None, 0, 279, itl_ms=24, ttft_ms=500)
    larger = dataclasses.replace(pair, max_batch_size=8)
    sized_once, policy = SizedOnce(), SizingPolicy()
    first = sized_once([pair], policy)
    assert first == size([pair], policy)
    assert sized_once([dataclasses.replace(pair)], policy) is first
    assert sized_once([pair, larger], policy) == size([pair, larger], policy)
    exact = SizingPolicy(ttft_reading=TtftReading.EXACT)
    assert sized_once([pair], exact) == size([pair], exact) != first
