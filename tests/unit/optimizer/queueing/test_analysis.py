"""The pure answer behind POST /analyze."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferno_optimizer.analysis import CURVE_POINTS, analyze
from inferno_shared.contracts import AnalysisRequest, AnalysisResult

SEED: dict[str, Any] = {
    "parameters": {"model": "linear", "alpha": 20.58, "beta": 0.41},
    "acc_count": 1,
    "cost_per_hour": 50,
    "max_batch_size": 4,
    "load": {"arrival_rate_rpm": 37.5, "input_tokens": 0, "output_tokens": 279},
    "slo": {"itl_ms": 24, "ttft_ms": 500},
}


def analyzed(**changes: object) -> AnalysisResult:
    return analyze(AnalysisRequest.model_validate(SEED | changes))


def load(rate_rpm: float, output_tokens: float = 279) -> dict[str, float]:
    return {"arrival_rate_rpm": rate_rpm, "input_tokens": 0, "output_tokens": output_tokens}


def test_the_seed_needs_three_replicas() -> None:
    result = analyzed()
    assert result.feasible
    assert result.replicas == 3
    assert result.cost_per_hour == 150
    assert result.max_rate_rpm_per_replica == pytest.approx(14.308867, rel=1e-5)
    assert result.predicted is not None
    assert result.predicted.itl_ms == pytest.approx(21.48383, rel=1e-5)
    assert result.predicted.wait_ms == pytest.approx(101.3704, rel=1e-5)
    assert result.predicted.utilization == pytest.approx(0.7103443, rel=1e-5)
    assert result.message == (
        "3 replicas for 37.5 requests/min: one replica takes 14.3089 requests/min (the TTFT target binds)"
    )


def test_no_load_needs_the_minimum_and_predicts_an_empty_replica() -> None:
    result = analyzed(load={"arrival_rate_rpm": 0})
    assert (result.replicas, result.cost_per_hour) == (1, 50)
    assert result.predicted is not None
    assert result.predicted.itl_ms == pytest.approx(20.99)
    assert result.predicted.wait_ms == 0
    assert analyzed(load={"arrival_rate_rpm": 0}, min_replicas=0).replicas == 0


def test_an_impossible_target_is_infeasible_with_the_numbers() -> None:
    result = analyzed(slo={"itl_ms": 20, "ttft_ms": 500})
    assert not result.feasible
    assert (result.replicas, result.cost_per_hour, result.predicted) == (None, None, None)
    assert "ITL target 20 ms cannot be met" in result.message
    assert result.limits_rpm.itl is None
    assert result.limits_rpm.ttft == pytest.approx(14.308867, rel=1e-5)
    assert len(result.curve) == CURVE_POINTS


def test_a_load_that_no_number_of_replicas_can_carry_is_infeasible() -> None:
    result = analyzed(load=load(1e12), cost_per_hour=1)
    assert not result.feasible
    assert "more than 10,000,000 replicas" in result.message


def test_a_load_of_exactly_three_times_the_limit_is_three_replicas() -> None:
    limit = analyzed().max_rate_rpm_per_replica
    assert limit is not None
    assert analyzed(load=load(3 * limit)).replicas == 3
    assert analyzed(load=load(3.0001 * limit)).replicas == 4


def test_a_throughput_target_is_sized_for_even_without_that_load() -> None:
    # 1,000 tokens/s of 279 tokens: 215.05 requests/min; 34.807 per replica keep a tenth free
    result = analyzed(slo={"tokens_per_second": 1000})
    assert result.replicas == 7


def test_headroom_buys_replicas_and_lowers_the_predicted_wait() -> None:
    generous = analyzed(policy={"headroom": 1.5})
    assert generous.replicas == 4
    assert generous.predicted is not None
    assert generous.predicted.wait_ms is not None
    assert generous.predicted.wait_ms < 101


def test_cost_counts_units_and_the_minimum_counts_first() -> None:
    result = analyzed(acc_count=2, min_replicas=5)
    assert (result.replicas, result.cost_per_hour) == (5, 500)


def test_shedding_is_told() -> None:
    result = analyzed(max_queue_size=0)
    assert result.predicted is not None
    assert result.predicted.blocking == pytest.approx(0.0853, rel=1e-3)
    assert "8.53% of the requests find the queue full" in result.message


def test_the_curve_runs_from_an_empty_replica_to_saturation_and_rises() -> None:
    curve = analyzed().curve
    assert len(curve) == CURVE_POINTS
    assert curve[0].rate_rpm == 0
    assert curve[-1].rate_rpm == pytest.approx(0.999 * 4 / (279 * 22.22) * 60_000)
    for before, after in pairwise(curve):
        assert after.itl_ms > before.itl_ms
        assert after.wait_ms > before.wait_ms


@given(rate_rpm=st.floats(0, 1e5), more=st.floats(1, 10))
@settings(max_examples=50, deadline=None)
def test_more_load_never_needs_fewer_replicas(rate_rpm: float, more: float) -> None:
    few, many = analyzed(load=load(rate_rpm)).replicas, analyzed(load=load(rate_rpm * more)).replicas
    assert few is not None
    assert many is not None
    assert few <= many


@given(ttft_ms=st.floats(1, 5000), itl_ms=st.floats(21, 30), tighter=st.floats(0.2, 1))
@settings(max_examples=50, deadline=None)
def test_a_tighter_slo_never_needs_fewer_replicas(ttft_ms: float, itl_ms: float, tighter: float) -> None:
    loose = analyzed(slo={"itl_ms": itl_ms, "ttft_ms": ttft_ms}).replicas
    tight = analyzed(slo={"itl_ms": itl_ms, "ttft_ms": ttft_ms * tighter}).replicas
    assert loose is not None
    assert tight is None or tight >= loose
