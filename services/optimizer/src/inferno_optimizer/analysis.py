"""Sizing of one accelerator for one load: how many replicas, at what cost, with which latencies, and why.

It answers a capacity planner's question without a cluster, with the same sizing that plans are made of.
"""

import math
from typing import Final

from inferno_optimizer.queueing import Pair, Performance, Sizing, SizingPolicy, predict, size
from inferno_shared.contracts import (
    AnalysisRequest,
    AnalysisResult,
    CurvePoint,
    Prediction,
    RateLimits,
)

CURVE_POINTS: Final = 25
MOST_REPLICAS: Final = 10_000_000  # the largest number that a plan may state
_ROUNDING: Final = 1e-9  # a load of exactly three times lambda* is three replicas
_WORTH_TELLING: Final = 1e-3
_BINDING_WORDS: Final = {
    "itl": "the ITL target binds",
    "ttft": "the TTFT target binds",
    "tokens_per_second": "the tokens/s target binds",
    "saturation": "no target binds before saturation",
}


def analyze(request: AnalysisRequest) -> AnalysisResult:
    """Replicas for the request's load; infeasible, with the reason, when no number of them will do.

    The prediction is made at the arrival rate that each replica gets, without head-room.
    Worked example: the seed's profile (alpha 20.58, beta 0.41, N = 4) with 37.5 requests/min of 279 tokens,
    ITL 24 ms and TTFT 500 ms, takes 14.308867 requests/min per replica, so 3 replicas.
    """
    pair = _pair(request)
    [sizing] = size([pair], SizingPolicy.of(request.policy))
    if sizing.miss is not None:
        return _infeasible(
            pair, sizing, f"{sizing.miss}. Raise the target, or use a faster accelerator or profile."
        )
    required_rpm = _required_rpm(request)
    if required_rpm > MOST_REPLICAS * sizing.capacity_rpm:
        return _infeasible(
            pair,
            sizing,
            f"{required_rpm:.6g} requests/min need more than {MOST_REPLICAS:,} replicas: one replica takes "
            f"{sizing.max_rate_rpm:.6g} requests/min ({_BINDING_WORDS[sizing.binding]}). Check the load's "
            f"rate and tokens and the profile's parameters.",
        )
    replicas = max(request.min_replicas, replicas_for(required_rpm, sizing.capacity_rpm))
    [performance] = predict([pair], [request.load.arrival_rate_rpm / max(replicas, 1)])
    return AnalysisResult(
        feasible=True,
        message=_message(sizing, required_rpm, replicas, performance),
        replicas=replicas,
        cost_per_hour=request.cost_per_hour * request.acc_count * replicas,
        max_rate_rpm_per_replica=sizing.max_rate_rpm,
        limits_rpm=_limits(sizing),
        predicted=Prediction(
            itl_ms=performance.itl_ms,
            wait_ms=performance.wait_ms,
            ttft_ms=performance.ttft_ms,
            utilization=performance.utilization,
            max_rate_rpm_per_replica=sizing.max_rate_rpm,
            blocking=performance.blocking,
        ),
        curve=_curve(pair, sizing.saturation_rpm),
    )


def replicas_for(required_rpm: float, capacity_rpm: float) -> int:
    """Fewest replicas that complete `required_rpm`, each of them `capacity_rpm` (above 0)."""
    return math.ceil(required_rpm / capacity_rpm * (1 - _ROUNDING))


def _infeasible(pair: Pair, sizing: Sizing, message: str) -> AnalysisResult:
    return AnalysisResult(
        feasible=False,
        message=message,
        replicas=None,
        cost_per_hour=None,
        max_rate_rpm_per_replica=None,
        limits_rpm=_limits(sizing),
        predicted=None,
        curve=_curve(pair, sizing.saturation_rpm),
    )


def _limits(sizing: Sizing) -> RateLimits:
    limits = sizing.limits_rpm
    return RateLimits(itl=limits.itl, ttft=limits.ttft, tokens_per_second=limits.tokens_per_second)


def _pair(request: AnalysisRequest) -> Pair:
    return Pair(
        parameters=request.parameters,
        max_batch_size=request.max_batch_size,
        max_queue_size=request.max_queue_size,
        input_tokens=request.load.input_tokens,
        output_tokens=request.load.output_tokens,
        itl_ms=request.slo.itl_ms,
        ttft_ms=request.slo.ttft_ms,
        tokens_per_second=request.slo.tokens_per_second,
    )


def _required_rpm(request: AnalysisRequest) -> float:
    """The load with its head-room, or what a tokens/s target asks to be able to sustain, if that is more."""
    load, target = request.load, request.slo.tokens_per_second
    required_rpm = load.arrival_rate_rpm * request.policy.headroom
    if target is None or not load.output_tokens:
        return required_rpm
    return max(required_rpm, target / load.output_tokens * 60)


def _curve(pair: Pair, saturation_rpm: float) -> list[CurvePoint]:
    """The model from an empty replica to saturation, in equal steps of the rate."""
    rates_rpm = [saturation_rpm * step / (CURVE_POINTS - 1) for step in range(CURVE_POINTS)]
    performances = predict([pair] * CURVE_POINTS, rates_rpm)
    return [
        CurvePoint(
            rate_rpm=rate_rpm,
            itl_ms=performance.itl_ms,
            wait_ms=performance.wait_ms,
            ttft_ms=performance.ttft_ms,
            utilization=performance.utilization,
            blocking=performance.blocking,
        )
        for rate_rpm, performance in zip(rates_rpm, performances, strict=True)
    ]


def _message(sizing: Sizing, required_rpm: float, replicas: int, performance: Performance) -> str:
    text = (
        f"{replicas} {'replica' if replicas == 1 else 'replicas'} for {required_rpm:.6g} requests/min: "
        f"one replica takes {sizing.max_rate_rpm:.6g} requests/min ({_BINDING_WORDS[sizing.binding]})"
    )
    if performance.blocking < _WORTH_TELLING:
        return text
    return f"{text}; {performance.blocking:.2%} of the requests find the queue full and are turned away"
