"""A HorizontalPodAutoscaler as the controller reads it: target, bounds, metrics, behaviour.

Left-out behaviour gets the defaults of autoscaling/v2, so that the arithmetic sees no missing values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from devcluster.controllers.quantity import parse_milli
from inferno_shared.errors import MalformedObjectError
from inferno_shared.kubernetes import JsonObject, Resource

DEFAULT_SCALE_DOWN_STABILIZATION_SECONDS = 300
_MILLI = 1000


class PolicyKind(StrEnum):
    """What a scaling policy's value counts."""

    PODS = "Pods"
    PERCENT = "Percent"


class Select(StrEnum):
    """Which of several policies wins: the one that allows the largest or the smallest change, or none."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class ScalingPolicy:
    """At most `value` pods (or percent) of change within `period_seconds`."""

    kind: PolicyKind
    value: int
    period_seconds: int


@dataclass(frozen=True, slots=True)
class ScalingRules:
    """Rules of one direction."""

    policies: tuple[ScalingPolicy, ...]
    stabilization_seconds: int
    select: Select = Select.MAX
    tolerance: float | None = None


@dataclass(frozen=True, slots=True)
class Behavior:
    """Rules of both directions, complete."""

    scale_up: ScalingRules
    scale_down: ScalingRules


@dataclass(frozen=True, slots=True)
class ExternalMetric:
    """An external metric and its target in thousandths, per replica or in all."""

    name: str
    selector: JsonObject
    target_milli: int
    per_replica: bool

    def label_selector(self) -> str:
        """The selector as a query parameter: `variant_name=decode,role in (a,b)`."""
        terms = [f"{key}={value}" for key, value in sorted(self.selector.get("matchLabels", {}).items())]
        for expression in self.selector.get("matchExpressions", []):
            key, operator = expression["key"], expression["operator"]
            values = ",".join(expression.get("values", []))
            match operator:
                case "In" | "NotIn":
                    terms.append(f"{key} {operator.lower()} ({values})")
                case "Exists":
                    terms.append(key)
                case "DoesNotExist":
                    terms.append(f"!{key}")
                case _:
                    raise MalformedObjectError(
                        f"metric {self.name}: selector.matchExpressions.operator",
                        f"must be In, NotIn, Exists or DoesNotExist, is {operator!r}",
                    )
        return ",".join(terms)

    def describe(self) -> str:
        """The metric as the real controller words it in conditions."""
        labels = "".join(f"{key}: {value}," for key, value in self.selector.get("matchLabels", {}).items())
        return (
            f"external metric {self.name}(&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
            "MatchExpressions:[]LabelSelectorRequirement{},})"
        )


@dataclass(frozen=True, slots=True)
class UnsupportedMetric:
    """A metric source that needs the resource or custom metrics API, which this cluster does not have."""

    kind: str


@dataclass(frozen=True, slots=True)
class TargetReference:
    """The object whose scale subresource the HPA sets."""

    api_version: str
    kind: str
    name: str

    def resource(self) -> Resource:
        """Its resource; plurals are regular for everything that can be scaled."""
        group, _, version = self.api_version.rpartition("/")
        return Resource(group=group, version=version, plural=f"{self.kind.lower()}s", kind=self.kind)


@dataclass(frozen=True, slots=True)
class Hpa:
    """One HPA; `raw` is the object it was read from, for its identity and last status."""

    namespace: str
    name: str
    uid: str
    generation: int | None
    target: TargetReference
    min_replicas: int
    max_replicas: int
    metrics: tuple[ExternalMetric | UnsupportedMetric, ...]
    behavior: Behavior | None
    raw: JsonObject

    @property
    def status(self) -> JsonObject:
        """The status as last seen."""
        status: JsonObject = self.raw.get("status") or {}
        return status


def parse_hpa(raw: JsonObject) -> Hpa:
    """Read one autoscaling/v2 object; raises MalformedObjectError naming the field."""
    metadata, spec = raw["metadata"], raw.get("spec") or {}
    try:
        reference = spec["scaleTargetRef"]
        target = TargetReference(reference.get("apiVersion", "apps/v1"), reference["kind"], reference["name"])
        max_replicas = int(spec["maxReplicas"])
    except KeyError as missing:
        raise MalformedObjectError(f"spec.{missing.args[0]}", "is required") from missing
    minimum = spec.get("minReplicas")
    return Hpa(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        generation=metadata.get("generation"),
        target=target,
        min_replicas=1 if minimum is None else int(minimum),
        max_replicas=max_replicas,
        metrics=tuple(_parse_metric(metric) for metric in spec.get("metrics") or ()),
        behavior=_parse_behavior(spec["behavior"]) if spec.get("behavior") else None,
        raw=raw,
    )


def _parse_metric(metric: JsonObject) -> ExternalMetric | UnsupportedMetric:
    if metric.get("type") != "External":
        return UnsupportedMetric(str(metric.get("type")))
    external = metric["external"]
    target = external["target"]
    per_replica = target["type"] == "AverageValue"
    field = "averageValue" if per_replica else "value"
    if target.get(field) is None:
        raise MalformedObjectError(f"metric {external['metric']['name']}: target.{field}", "is required")
    return ExternalMetric(
        name=external["metric"]["name"],
        selector=external["metric"].get("selector") or {},
        target_milli=parse_milli(target[field], f"target.{field}"),
        per_replica=per_replica,
    )


DEFAULT_SCALE_UP = (
    ScalingPolicy(PolicyKind.PODS, 4, 15),
    ScalingPolicy(PolicyKind.PERCENT, 100, 15),
)
DEFAULT_SCALE_DOWN = (ScalingPolicy(PolicyKind.PERCENT, 100, 15),)


def _parse_behavior(behavior: JsonObject) -> Behavior:
    return Behavior(
        scale_up=_parse_rules(behavior.get("scaleUp") or {}, DEFAULT_SCALE_UP, 0),
        scale_down=_parse_rules(
            behavior.get("scaleDown") or {}, DEFAULT_SCALE_DOWN, DEFAULT_SCALE_DOWN_STABILIZATION_SECONDS
        ),
    )


def _parse_rules(
    rules: JsonObject, default_policies: Sequence[ScalingPolicy], default_window_seconds: int
) -> ScalingRules:
    policies = tuple(
        ScalingPolicy(PolicyKind(policy["type"]), int(policy["value"]), int(policy["periodSeconds"]))
        for policy in rules.get("policies") or ()
    )
    window, tolerance = rules.get("stabilizationWindowSeconds"), rules.get("tolerance")
    return ScalingRules(
        policies=policies or tuple(default_policies),
        stabilization_seconds=default_window_seconds if window is None else int(window),
        select=Select(rules.get("selectPolicy") or Select.MAX),
        tolerance=None if tolerance is None else parse_milli(tolerance, "tolerance") / _MILLI,
    )
