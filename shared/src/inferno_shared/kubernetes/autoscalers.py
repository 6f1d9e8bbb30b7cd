"""HorizontalPodAutoscalers (autoscaling/v2), as far as it matters whether they follow our metric."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from inferno_shared.kubernetes.models import Metadata, ScaleTargetRef, parse_metadata, quantity
from inferno_shared.kubernetes.models.fields import (
    JsonObject,
    entries,
    optional_text,
    section,
    text,
    text_map,
    whole,
)

DEFAULT_TOLERANCE: Final = 0.1
KEDA_LABEL: Final = "scaledobject.keda.sh/name"


@dataclass(frozen=True, slots=True)
class ExternalMetric:
    """One external metric that an HPA reads, and its target; `value` is None for a target without one."""

    name: str
    match_labels: Mapping[str, str]
    target_type: str
    value: Decimal | None


@dataclass(frozen=True, slots=True)
class HorizontalPodAutoscaler:
    """An HPA: whom it scales, between which bounds, by what, and which changes it ignores.

    `tolerance_up` and `tolerance_down` are shares of one: 0.1 ignores a change of ten percent.
    """

    metadata: Metadata
    target: ScaleTargetRef
    min_replicas: int
    max_replicas: int
    tolerance_up: float
    tolerance_down: float
    external: tuple[ExternalMetric, ...]
    other_metrics: tuple[str, ...]

    @property
    def made_by_keda(self) -> bool:
        """Whether KEDA made it, with metric names of its own."""
        return KEDA_LABEL in self.metadata.labels

    def targets(self, api_version: str, kind: str, name: str) -> bool:
        """Whether it scales this workload, in whatever version of its API group."""
        group = api_version.rpartition("/")[0]
        same_group = self.target.api_version.rpartition("/")[0] == group
        return same_group and (self.target.kind, self.target.name) == (kind, name)


def parse_horizontal_pod_autoscaler(raw: JsonObject) -> HorizontalPodAutoscaler:
    """Read an HPA. Raises MalformedObjectError."""
    spec = section(raw, "spec", "")
    target = section(spec, "scaleTargetRef", "spec")
    at = "spec.scaleTargetRef"
    behavior = section(spec, "behavior", "spec")
    metrics = entries(spec, "metrics", "spec")
    return HorizontalPodAutoscaler(
        metadata=parse_metadata(raw),
        target=ScaleTargetRef(
            api_version=optional_text(target, "apiVersion", at) or "",
            kind=text(target, "kind", at),
            name=text(target, "name", at),
        ),
        min_replicas=whole(spec, "minReplicas", "spec", default=1),
        max_replicas=whole(spec, "maxReplicas", "spec"),
        tolerance_up=_tolerance(behavior, "scaleUp"),
        tolerance_down=_tolerance(behavior, "scaleDown"),
        external=tuple(
            _parse_external(section(metric, "external", f"spec.metrics[{index}]"), f"spec.metrics[{index}]")
            for index, metric in enumerate(metrics)
            if metric.get("type") == "External"
        ),
        other_metrics=tuple(_other(metric) for metric in metrics if metric.get("type") != "External"),
    )


def _tolerance(behavior: JsonObject, direction: str) -> float:
    value = section(behavior, direction, "spec.behavior").get("tolerance")
    if value is None:
        return DEFAULT_TOLERANCE
    return float(quantity(value, f"spec.behavior.{direction}.tolerance"))


def _parse_external(raw: JsonObject, at: str) -> ExternalMetric:
    metric = section(raw, "metric", f"{at}.external")
    target = section(raw, "target", f"{at}.external")
    target_type = text(target, "type", f"{at}.external.target")
    written = target.get("averageValue" if target_type == "AverageValue" else "value")
    selector = section(metric, "selector", f"{at}.external.metric")
    return ExternalMetric(
        name=text(metric, "name", f"{at}.external.metric"),
        match_labels=text_map(selector, "matchLabels", f"{at}.external.metric.selector"),
        target_type=target_type,
        value=None if written is None else quantity(written, f"{at}.external.target"),
    )


def _other(metric: JsonObject) -> str:
    """What a metric that is not external is called: `cpu`, `http_requests`, or its type."""
    kind = str(metric.get("type") or "metric")
    inner = metric.get(kind[:1].lower() + kind[1:])
    name = inner.get("name") if isinstance(inner, Mapping) else None
    return name if isinstance(name, str) else kind
