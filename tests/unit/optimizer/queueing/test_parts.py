"""The small parts: tail sums, chunks, root search, blocks, batch size, registries."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferno_optimizer.queueing import Pair, SizingPolicy, batch_size
from inferno_optimizer.queueing.block import CELLS_PER_BLOCK, blocks
from inferno_optimizer.queueing.geometric import mean_index, scaled_sums
from inferno_optimizer.queueing.models import MODELS, ChunkedPrefillModel
from inferno_optimizer.queueing.readings import ITL_READINGS, TTFT_READINGS
from inferno_optimizer.queueing.root import last_not_above_zero
from inferno_shared.contracts import (
    ChunkedPrefillParameters,
    ItlReading,
    LinearParameters,
    Policy,
    PrefillDecodeParameters,
    TtftReading,
)
from unit.optimizer.queueing import reference


@given(
    log_ratio=st.one_of(st.just(0.0), st.floats(-3, 3), st.floats(-1e-6, 1e-6), st.floats(-1e-17, 1e-17)),
    terms=st.integers(1, 2000),
)
@settings(max_examples=300, deadline=None)
def test_tail_sums_equal_their_terms(log_ratio: float, terms: int) -> None:
    weights = [math.exp(log_ratio * j - max(log_ratio, 0) * (terms - 1)) for j in range(terms)]
    total = math.fsum(weights)
    mean = math.fsum(j * w for j, w in enumerate(weights)) / total
    theta, m = np.array([log_ratio]), np.array([float(terms)])
    assert scaled_sums(theta, m)[0][0] == pytest.approx(total, rel=1e-10)
    assert scaled_sums(theta, m - 1)[1][0] == pytest.approx(total, rel=1e-10)
    assert mean_index(theta, m)[0] == pytest.approx(mean, rel=1e-9, abs=1e-13)


def test_no_terms_sum_to_nothing() -> None:
    assert scaled_sums(np.array([0.0, 0.5, -0.5]), np.zeros(3))[0].tolist() == [0, 0, 0]


@given(
    tokens_in=st.one_of(st.just(0), st.integers(1, 50_000)),
    tokens_out=st.integers(1, 3000),
    batch=st.integers(1, 512),
)
@settings(max_examples=200, deadline=None)
def test_chunks_are_the_least_that_fit(tokens_in: int, tokens_out: int, batch: int) -> None:
    pair = Pair(ChunkedPrefillParameters(alpha=1, beta=0, gamma=0), 512, None, tokens_in, tokens_out)
    fast = ChunkedPrefillModel([pair]).chunks(np.array([[float(batch)]]))[0, 0]
    assert fast == reference.chunks(pair, batch)


def search(values: list[float], low: float, high: float) -> list[float]:
    """Where x^3, shifted by each value, crosses zero."""
    target = np.array(values)
    ends = np.full_like(target, low), np.full_like(target, high)
    found = last_not_above_zero(
        lambda x: x**3 - target, *ends, ends[0] ** 3 - target, ends[1] ** 3 - target, 1e-10
    )
    return [float(x) for x in found]


def test_the_search_stops_just_below_each_crossing() -> None:
    for found, value in zip(search([1.0, 8.0, 0.001, 26.9], 0, 3), [1.0, 8.0, 0.001, 26.9], strict=True):
        assert found**3 <= value
        assert found == pytest.approx(value ** (1 / 3), abs=1.1e-10)


def test_the_search_finds_a_jump() -> None:
    evaluations = 0

    def step(x: np.ndarray) -> np.ndarray:
        nonlocal evaluations
        evaluations += 1
        return np.where(x < math.pi, -np.inf, 5.0)

    low, high = np.array([0.0]), np.array([10.0])
    [found] = last_not_above_zero(step, low, high, np.array([-1.0]), np.array([5.0]), 1e-10)
    assert math.pi - 1e-10 <= found < math.pi
    assert evaluations < 70


Parameters = LinearParameters | PrefillDecodeParameters | ChunkedPrefillParameters


def test_blocks_hold_every_pair_once_and_little_else() -> None:
    parameters: list[Parameters] = [
        LinearParameters(alpha=1, beta=1),
        PrefillDecodeParameters(alpha=1, beta=1, gamma=1, delta=1),
        ChunkedPrefillParameters(alpha=1, beta=1, gamma=0.1),
    ]
    sizes = [1, 2, 3, 8, 30, 64, 100, 256, 1000, 8192] * 30
    pairs = [Pair(parameters[i % 3], n, None, 10, 100) for i, n in enumerate(sizes)]
    places: list[int] = []
    for block in blocks(pairs):
        places += block.index
        assert [pairs[i] for i in block.index] == block.pairs
        rows, width = block.chain.log_product.shape
        assert rows == len(block.pairs)
        assert rows * width <= CELLS_PER_BLOCK
        assert width <= max(32, 1.25 * block.chain.n.min())
    assert sorted(places) == list(range(len(pairs)))


@pytest.mark.parametrize(
    ("profile", "at_tokens", "server", "tokens", "expected"),
    [
        (256, None, None, 1000, 256),
        (256, 512, None, 1000, 131),
        (256, 512, 64, 1000, 64),
        (4, 1, None, 279, 1),
        (8, 512, None, 0, 8),
        (8, 512, None, None, 8),
        (256, 512, None, 0.001, 8192),
    ],
)
def test_batch_size(
    profile: int, at_tokens: int | None, server: int | None, tokens: float | None, expected: int
) -> None:
    assert batch_size(profile, at_tokens, server, tokens) == expected


def test_the_registries_hold_every_name_of_the_contracts() -> None:
    assert set(TTFT_READINGS) == set(TtftReading)
    assert set(ITL_READINGS) == set(ItlReading)
    assert set(MODELS) == {"linear", "prefill-decode", "chunked-prefill"}


def test_the_sizing_policy_of_a_plan_is_the_seed_s_by_default() -> None:
    assert SizingPolicy.of(Policy()) == SizingPolicy()
    chosen = Policy(ttft_reading=TtftReading.EXACT, ttft_percentile=0.9, itl_percentile=0.8)
    assert SizingPolicy.of(chosen) == SizingPolicy(TtftReading.EXACT, 0.9, ItlReading.MEAN, 0.8)
