"""Reads the state of the running demo: what kubectl shows, and what the load generator's clients saw."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demo.scenario import HPA, NAMESPACE, VARIANT
from demo.stack import Stack
from demo.verdict import Observation

LATENCY_WINDOW_SECONDS = 30.0
COST_PER_REPLICA = 50.0


def observe(stack: Stack, report: Path, *, seconds: float, now: float, loaded: bool) -> Observation:
    """One line of the table, from one kubectl call and the report's newest lines.

    `seconds` counts from the demo's first observation, `now` is Unix time (the report's clock).
    """
    listing = json.loads(
        stack.kubectl(
            "get", f"va/{VARIANT}", f"deploy/{VARIANT}", f"hpa/{HPA}", "-n", NAMESPACE, "-o", "json"
        )
    )
    by_kind: dict[str, dict[str, Any]] = {item["kind"]: item for item in listing["items"]}
    status = by_kind["VariantAutoscaling"].get("status", {})
    deployment = by_kind["Deployment"]
    rate = status.get("currentAlloc", {}).get("load", {}).get("arrivalRate")
    desired = status.get("desiredOptimizedAlloc", {}).get("numReplicas")
    hpa_replicas = by_kind["HorizontalPodAutoscaler"].get("status", {}).get("currentReplicas")
    followed = bool(status.get("actuation", {}).get("applied")) and hpa_replicas == desired
    replicas = deployment["spec"]["replicas"]
    itl_ms, ttft_ms = recent_latencies(report, now)
    return Observation(
        seconds=seconds,
        loaded=loaded,
        arrival_rate_rpm=float(rate) if rate else None,
        desired=desired,
        followed=followed,
        replicas=replicas,
        ready=deployment.get("status", {}).get("readyReplicas", 0),
        itl_p95_ms=itl_ms,
        ttft_p95_ms=ttft_ms,
        cost_per_hour=replicas * COST_PER_REPLICA,
    )


def requests(report: Path) -> list[dict[str, Any]]:
    """The finished requests in the load generator's report, oldest first."""
    if not report.exists():
        return []
    complete = report.read_text().rpartition("\n")[0]
    lines = (json.loads(line) for line in complete.splitlines())
    return [line for line in lines if "ttft_ms" in line and line.get("ok")]


def recent_latencies(report: Path, now: float) -> tuple[float | None, float | None]:
    """95th percentiles of (ITL, TTFT) in ms of the requests finished in the last 30 s."""
    recent = [
        request
        for request in requests(report)
        if request["t"] + request["e2e_ms"] / 1000 >= now - LATENCY_WINDOW_SECONDS
    ]
    return (
        percentile([request["itl_ms"] for request in recent if request["itl_ms"] is not None], 0.95),
        percentile([request["ttft_ms"] for request in recent], 0.95),
    )


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of the values do not exceed; None without values."""
    if not values:
        return None
    return sorted(values)[math.ceil(share * len(values)) - 1]
