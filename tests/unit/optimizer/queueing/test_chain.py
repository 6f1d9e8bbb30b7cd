"""The vectorised chain against the slow reference, and what must hold for any chain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferno_optimizer.queueing import Pair, predict
from inferno_optimizer.queueing.block import blocks
from inferno_shared.contracts import ChunkedPrefillParameters, LinearParameters, PrefillDecodeParameters
from unit.optimizer.queueing import reference
from unit.optimizer.queueing.strategies import LOADS, MONOTONE, PARAMETERS, pairs

PER_MINUTE = 60_000


@given(pair=pairs(PARAMETERS), load=LOADS)
@settings(max_examples=300, deadline=None)
def test_every_metric_equals_the_sum_over_all_states(pair: Pair, load: float) -> None:
    rate = load * reference.departure_rate(pair, pair.max_batch_size)
    slow = reference.answer(pair, rate)
    [fast] = predict([pair], [rate * PER_MINUTE])

    assert fast.throughput_rpm == pytest.approx(slow.throughput * PER_MINUTE, rel=1e-8)
    assert fast.blocking == pytest.approx(slow.blocking, rel=1e-8, abs=1e-280)
    assert fast.in_service == pytest.approx(slow.in_service, rel=1e-8)
    assert fast.in_system == pytest.approx(slow.in_system, rel=1e-8)
    assert fast.wait_ms == pytest.approx(slow.wait_ms, rel=1e-8, abs=1e-280)
    assert fast.response_ms == pytest.approx(slow.service_ms + slow.wait_ms, rel=1e-8)
    assert fast.utilization == pytest.approx(slow.utilization, rel=1e-8)
    assert fast.itl_ms == pytest.approx(slow.itl_ms, rel=1e-5)
    # the reference's n_e cancels when beta and delta are tiny beside alpha, and so does its prefill
    assert fast.prefill_ms == pytest.approx(slow.prefill_ms, rel=1e-4, abs=1e-14 * slow.service_ms)
    assert fast.ttft_ms == fast.wait_ms + fast.prefill_ms


@given(pair=pairs(MONOTONE), load=LOADS, factor=st.floats(1.001, 3))
@settings(max_examples=150, deadline=None)
def test_more_load_never_lowers_a_metric(pair: Pair, load: float, factor: float) -> None:
    rate_rpm = load * reference.departure_rate(pair, pair.max_batch_size) * PER_MINUTE
    less, more = predict([pair, pair], [rate_rpm, factor * rate_rpm])
    for metric in ("itl_ms", "wait_ms", "ttft_ms", "utilization", "throughput_rpm", "blocking", "in_system"):
        assert getattr(more, metric) >= getattr(less, metric) * (1 - 1e-12), metric


@given(pair=pairs(MONOTONE), load=st.floats(0.05, 0.9), factor=st.floats(0.01, 100))
@settings(max_examples=100, deadline=None)
def test_time_in_other_units_gives_the_same_times_in_other_units(
    pair: Pair, load: float, factor: float
) -> None:
    scaled_parameters = pair.parameters.model_copy(
        update={name: value * factor for name, value in pair.parameters if name != "model"}
    )
    scaled = Pair(
        scaled_parameters, pair.max_batch_size, pair.max_queue_size, pair.input_tokens, pair.output_tokens
    )
    rate_rpm = load * reference.departure_rate(pair, pair.max_batch_size) * PER_MINUTE
    one, other = predict([pair, scaled], [rate_rpm, rate_rpm / factor])
    assert other.itl_ms == pytest.approx(one.itl_ms * factor, rel=1e-9)
    assert other.wait_ms == pytest.approx(one.wait_ms * factor, rel=1e-9, abs=1e-280)
    assert other.blocking == pytest.approx(one.blocking, rel=1e-9, abs=1e-280)


def test_service_time_is_that_of_the_effective_batch() -> None:
    pair = Pair(LinearParameters(alpha=20.58, beta=0.41), 4, None, 0, 279)
    [block] = blocks([pair])
    state = block.chain.at(np.array([-0.3]))
    batch = state.joined_batch[0]
    assert state.service_ms[0] == pytest.approx(279 * (20.58 + 0.41 * batch), rel=1e-12)


@pytest.mark.parametrize(
    ("parameters", "itl_ms", "prefill_ms"),
    [
        (LinearParameters(alpha=20.58, beta=0.41), 20.99, 0),
        (PrefillDecodeParameters(alpha=20.58, beta=0.41, gamma=200, delta=0.01), 20.99, 201.28),
        # w_pre = (.05 + .0005) 128 = 6.464, own token .05 + .0005 (128 + 140) = .184, first decode 12.184
        (ChunkedPrefillParameters(alpha=12, beta=0.05, gamma=0.0005), 12.184, 12 + 6.464 + 12.184),
    ],
)
def test_an_empty_replica_has_the_latencies_of_a_request_alone(
    parameters: LinearParameters | PrefillDecodeParameters | ChunkedPrefillParameters,
    itl_ms: float,
    prefill_ms: float,
) -> None:
    [rest] = predict([Pair(parameters, 4, None, 128, 279)], [0])
    assert rest.itl_ms == pytest.approx(itl_ms, rel=1e-9)
    assert rest.prefill_ms == pytest.approx(prefill_ms, rel=1e-9)
    assert rest.ttft_ms == rest.prefill_ms
    assert (rest.wait_ms, rest.blocking, rest.utilization, rest.throughput_rpm) == (0, 0, 0, 0)


def test_a_flooded_replica_completes_mu_n_and_turns_the_rest_away() -> None:
    pair = Pair(LinearParameters(alpha=20.58, beta=0.41), 4, None, 0, 279)
    [flooded] = predict([pair], [1e9])
    mu_n_rpm = 4 / (279 * (20.58 + 0.41 * 4)) * PER_MINUTE
    assert flooded.throughput_rpm == pytest.approx(mu_n_rpm, rel=1e-9)
    assert flooded.in_system == pytest.approx(40, rel=1e-6)
    assert flooded.blocking == pytest.approx(1 - mu_n_rpm / 1e9, rel=1e-12)


def test_without_waiting_room_nobody_waits() -> None:
    [performance] = predict([Pair(LinearParameters(alpha=20.58, beta=0.41), 4, 0, 0, 279)], [37.5])
    assert performance.wait_ms == 0
    assert performance.blocking > 0.2


def test_a_waiting_room_of_millions_costs_no_more_than_a_small_one() -> None:
    pair = Pair(LinearParameters(alpha=20, beta=0.1), 8192, 10_000_000, 0, 500)
    mu_n_rpm = 8192 / (500 * (20 + 819.2)) * PER_MINUTE
    just_below, just_above = predict([pair, pair], [0.9999 * mu_n_rpm, 1.0001 * mu_n_rpm])
    # one server of rate mu(N): q / (1 - q) = 9999 requests wait while all places are taken
    assert just_below.in_system - just_below.in_service == pytest.approx(9999, rel=0.2)
    assert just_above.in_system == pytest.approx(8192 + 10_000_000 - 10_000, rel=1e-3)
