"""Builders of the HPA tests: the seed's HPA by default."""

from datetime import UTC, datetime, timedelta
from typing import Any

from devcluster.controllers.hpa import Decision, Reading, Scale, decide
from devcluster.controllers.hpa_limits import Memory, TimedCount
from devcluster.controllers.hpa_spec import Hpa, parse_hpa

START = datetime(2025, 9, 4, 18, 0, tzinfo=UTC)
SEED_BEHAVIOR = {
    direction: {
        "stabilizationWindowSeconds": 0,
        "policies": [{"type": "Pods", "value": 10, "periodSeconds": 15}],
    }
    for direction in ("scaleUp", "scaleDown")
}


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def an_hpa(
    *,
    behavior: dict[str, Any] | None = None,
    minimum: int | None = None,
    maximum: int = 10,
    target: dict[str, Any] | None = None,
    metrics: list[dict[str, Any]] | None = None,
) -> Hpa:
    external = {
        "type": "External",
        "external": {
            "metric": {
                "name": "inferno_desired_replicas",
                "selector": {"matchLabels": {"variant_name": "decode"}},
            },
            "target": target or {"type": "AverageValue", "averageValue": "1"},
        },
    }
    spec: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "decode"},
        "maxReplicas": maximum,
        "metrics": [external] if metrics is None else metrics,
    }
    if behavior is not None:
        spec["behavior"] = behavior
    if minimum is not None:
        spec["minReplicas"] = minimum
    return parse_hpa(
        {"metadata": {"namespace": "llm-d-sim", "name": "hpa", "uid": "u", "generation": 1}, "spec": spec}
    )


def decided(
    total: float | None,
    *,
    replicas: int,
    hpa: Hpa | None = None,
    memory: Memory | None = None,
    at: float = 0,
    ready: int | None = None,
) -> Decision:
    """One sync of an HPA whose metric sums to `total` while `replicas` exist."""
    reading = Reading(None, "no metrics returned") if total is None else Reading(round(total * 1000))
    one = hpa or an_hpa(behavior=SEED_BEHAVIOR)
    scale = Scale(replicas, replicas, replicas if ready is None else ready)
    return decide(one, scale, [reading] * len(one.metrics), memory or Memory(), after(at))


def wanted_before(*recommendations: tuple[float, int]) -> Memory:
    """A memory of recommendations: (seconds after the start, replicas)."""
    return Memory(recommendations=tuple(TimedCount(after(at), count) for at, count in recommendations))
