"""The vocabulary of conditions, and how a cycle's verdicts become `.status.conditions`.

What a cycle says nothing about stays as it was. A condition's lastTransitionTime moves only when its status
does, so that `kubectl describe` tells since when.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from inferno_actuator.ruling import Rail

_MAX_MESSAGE_CHARACTERS: Final = 2_000


class ConditionType(StrEnum):
    """The conditions in the order in which they are shown."""

    TARGET_RESOLVED = "TargetResolved"
    METRICS_AVAILABLE = "MetricsAvailable"
    OPTIMIZATION_READY = "OptimizationReady"
    GUARDED = "Guarded"
    ACTUATED = "Actuated"


class ConditionReason(StrEnum):
    """Every reason that a condition can have; `Guarded` has the names of the rails as well."""

    TARGET_FOUND = "TargetFound"
    TARGET_NOT_FOUND = "TargetNotFound"
    METRICS_FOUND = "MetricsFound"
    METRICS_MISSING = "MetricsMissing"
    METRICS_STALE = "MetricsStale"
    PROMETHEUS_ERROR = "PrometheusError"
    OPTIMIZATION_SUCCEEDED = "OptimizationSucceeded"
    OPTIMIZATION_FAILED = "OptimizationFailed"
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    INVALID_CONFIGURATION = "InvalidConfiguration"
    INSUFFICIENT_CAPACITY = "InsufficientCapacity"
    INFEASIBLE_SLO = "InfeasibleSLO"
    PLAN_FOLLOWED = "PlanFollowed"
    HPA_FOLLOWS = "HpaFollows"
    NO_HPA = "NoHpa"
    HPA_CONFLICT = "HpaConflict"
    HPA_MISCONFIGURED = "HpaMisconfigured"
    HPA_DISABLED = "HpaDisabled"
    HPA_MAXIMUM = "HpaMaximum"
    HPA_MINIMUM = "HpaMinimum"
    HPA_TOLERANCE = "HpaTolerance"
    SCALED = "Scaled"
    SCALE_FAILED = "ScaleFailed"
    ADVISE_ONLY = "AdviseOnly"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What this cycle says about one condition.

    Args:
        routine: neither status of it is a problem, so that no Warning comes of it.
        quiet: not worth a condition of its own; it only ends one that is there.
    """

    type: ConditionType
    met: bool
    reason: ConditionReason | Rail
    message: str
    routine: bool = False
    quiet: bool = False


def merge(
    previous: object, found: Iterable[Verdict], *, generation: int, now: datetime
) -> list[dict[str, Any]]:
    """The new list of conditions: `found` over `previous`, whatever else was there kept as it is.

    Args:
        previous: `.status.conditions` as read from the API server, in whatever state it is.
        found: this cycle's verdicts.
        generation: of the spec that the verdicts are about.
        now: becomes lastTransitionTime of the conditions whose status changed.
    """
    existing = {condition["type"]: condition for condition in _readable(previous)}
    merged = dict(existing)
    for verdict in found:
        if verdict.quiet and verdict.type not in existing:
            continue
        merged[verdict.type] = _rendered(verdict, existing.get(verdict.type), generation, now)
    ours = [str(type_) for type_ in ConditionType if type_ in merged]
    return [merged[type_] for type_ in [*ours, *(other for other in merged if other not in ours)]]


def condition_of(status: Mapping[str, Any], kind: ConditionType) -> Mapping[str, Any]:
    """A condition of a status as the API server has it; empty when it has none."""
    return next((c for c in _readable(status.get("conditions")) if c["type"] == kind), {})


def timestamp(moment: datetime) -> str:
    """A moment as Kubernetes writes it, in whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _readable(conditions: object) -> Sequence[Mapping[str, Any]]:
    if not isinstance(conditions, Sequence) or isinstance(conditions, str):
        return []
    return [c for c in conditions if isinstance(c, Mapping) and isinstance(c.get("type"), str)]


def _rendered(
    verdict: Verdict, before: Mapping[str, Any] | None, generation: int, now: datetime
) -> dict[str, Any]:
    status = "True" if verdict.met else "False"
    since = before.get("lastTransitionTime") if before and before.get("status") == status else None
    return {
        "type": str(verdict.type),
        "status": status,
        "reason": str(verdict.reason),
        "message": verdict.message[:_MAX_MESSAGE_CHARACTERS],
        "observedGeneration": generation,
        "lastTransitionTime": since or timestamp(now),
    }
