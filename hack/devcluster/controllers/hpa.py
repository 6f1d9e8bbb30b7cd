"""The HPA's decision at one moment: from metric readings to replicas, conditions and Events.

The arithmetic is Kubernetes' own. External AverageValue: the matching series are summed; with the sum 4,
3 running replicas and a target of 1 the ratio 4 / (1 * 3) = 1.33 is beyond the tolerance of 0.1, so
ceil(4 / 1) = 4 replicas, and the status shows ceil(4000 / 3) = 1334m. With 10 replicas and a sum of 11
the ratio 1.1 is within the tolerance: nothing happens.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from devcluster.controllers.conditions import Condition
from devcluster.controllers.hpa_limits import Memory, TimedCount, limit_rate, stabilize
from devcluster.controllers.hpa_spec import ExternalMetric, Hpa, UnsupportedMetric
from devcluster.controllers.quantity import format_milli
from inferno_shared.kubernetes import JsonObject

DEFAULT_TOLERANCE = 0.1
_GOT_SCALE = Condition(
    "AbleToScale",
    holds=True,
    reason="SucceededGetScale",
    message="the HPA controller was able to get the target's current scale",
)


@dataclass(frozen=True, slots=True)
class Scale:
    """The target's scale: asked for, existing, and of those ready."""

    spec_replicas: int
    status_replicas: int
    ready_replicas: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The sum of all series that match a metric, in thousandths; or why there is none."""

    sum_milli: int | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A Kubernetes Event to record."""

    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What to write. `replicas` differs from the current number only if the target is to be scaled."""

    current: int
    replicas: int
    reason: str
    conditions: tuple[Condition, ...]
    metrics: tuple[JsonObject, ...]
    events: tuple[Occurrence, ...]
    memory: Memory
    keep_desired: bool = False

    @property
    def rescale(self) -> bool:
        """Whether the scale subresource must be patched."""
        return self.replicas != self.current


@dataclass(frozen=True, slots=True)
class _Proposal:
    replicas: int | None
    status: JsonObject
    name: str
    condition: Condition


def decide(
    hpa: Hpa,
    scale: Scale,
    readings: Sequence[Reading],
    memory: Memory,
    now: datetime,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
) -> Decision:
    """Decide one sync; `readings` has one entry per metric of the HPA, in order."""
    current = scale.spec_replicas
    if not memory.recommendations:
        memory = replace(memory, recommendations=(TimedCount(now, current),))
    still = Decision(current, current, "", (_GOT_SCALE,), (), (), memory)
    if current == 0 and hpa.min_replicas != 0:
        why = "scaling is disabled since the replica count of the target is zero"
        disabled = Condition("ScalingActive", holds=False, reason="ScalingDisabled", message=why)
        return replace(still, conditions=(_GOT_SCALE, disabled))
    if current > hpa.max_replicas:
        reason = "Current number of replicas above Spec.MaxReplicas"
        return _rescaled(replace(still, replicas=hpa.max_replicas, reason=reason))
    if current < hpa.min_replicas:
        reason = "Current number of replicas below Spec.MinReplicas"
        return _rescaled(replace(still, replicas=hpa.min_replicas, reason=reason))
    proposals = [
        _propose(hpa, metric, scale, reading, tolerance)
        for metric, reading in zip(hpa.metrics, readings, strict=True)
    ]
    return _follow(hpa, still, proposals, now)


def _follow(hpa: Hpa, still: Decision, proposals: Sequence[_Proposal], now: datetime) -> Decision:
    """Take the highest proposal; with an invalid metric nothing is ever scaled down."""
    statuses = tuple(proposal.status for proposal in proposals)
    invalid = [proposal for proposal in proposals if proposal.replicas is None]
    valid = [(proposal.replicas, proposal) for proposal in proposals if proposal.replicas is not None]
    wanted, leading = max(valid, key=lambda pair: pair[0], default=(-1, None))
    if leading is None or (invalid and wanted < still.current):
        return _held(still, statuses, invalid, len(proposals))
    stable, memory = stabilize(wanted, still.current, hpa.behavior, still.memory, now)
    able = Condition("AbleToScale", holds=True, reason=stable.reason, message=stable.message)
    limited = limit_rate(hpa, stable.replicas, still.current, memory, now)
    limit = Condition("ScalingLimited", holds=limited.limited, reason=limited.reason, message=limited.message)
    above = wanted > still.current
    return _rescaled(
        replace(
            still,
            replicas=limited.replicas,
            reason=f"{leading.name} above target" if above else "All metrics below target",
            conditions=(able, leading.condition, limit),
            metrics=statuses,
            memory=memory,
        )
    )


def _held(
    still: Decision, statuses: tuple[JsonObject, ...], invalid: Sequence[_Proposal], total: int
) -> Decision:
    """No usable metric: keep the replicas and say why; kubectl shows `<unknown>`."""
    if not invalid:
        message = "the HPA has no metrics; add an External metric to spec.metrics"
        failed = Condition("ScalingActive", holds=False, reason="InvalidMetricSourceType", message=message)
    else:
        failed = invalid[0].condition
    summary = f"invalid metrics ({len(invalid)} invalid out of {total}), first error is: {failed.message}"
    return replace(
        still,
        conditions=(_GOT_SCALE, failed),
        metrics=statuses,
        events=(
            *(Occurrence("Warning", bad.condition.reason, bad.condition.message) for bad in invalid),
            Occurrence("Warning", "FailedComputeMetricsReplicas", summary),
        ),
        keep_desired=True,
    )


def _rescaled(decision: Decision) -> Decision:
    if not decision.rescale:
        return decision
    message = f"the HPA controller was able to update the target scale to {decision.replicas}"
    able = Condition("AbleToScale", holds=True, reason="SucceededRescale", message=message)
    others = tuple(condition for condition in decision.conditions if condition.type != "AbleToScale")
    event = Occurrence(
        "Normal", "SuccessfulRescale", f"New size: {decision.replicas}; reason: {decision.reason}"
    )
    return replace(decision, conditions=(able, *others), events=(*decision.events, event))


def _propose(
    hpa: Hpa, metric: ExternalMetric | UnsupportedMetric, scale: Scale, reading: Reading, tolerance: float
) -> _Proposal:
    if isinstance(metric, UnsupportedMetric):
        message = f"metric source type {metric.kind!r} is not served by this cluster; use External"
        return _Proposal(
            None,
            {"type": ""},
            metric.kind,
            Condition("ScalingActive", holds=False, reason="InvalidMetricSourceType", message=message),
        )
    if reading.sum_milli is None:
        message = (
            "the HPA was unable to compute the replica count: unable to get external metric "
            f"{hpa.namespace}/{metric.name}/{metric.label_selector()}: {reading.problem}"
        )
        return _Proposal(
            None,
            {"type": ""},
            metric.name,
            Condition("ScalingActive", holds=False, reason="FailedGetExternalMetric", message=message),
        )
    replicas, current = _replicas_for(hpa, metric, scale, reading.sum_milli, tolerance)
    message = f"the HPA was able to successfully calculate a replica count from {metric.describe()}"
    return _Proposal(
        replicas,
        {
            "type": "External",
            "external": {
                "metric": {"name": metric.name, **({"selector": metric.selector} if metric.selector else {})},
                "current": current,
            },
        },
        metric.describe(),
        Condition("ScalingActive", holds=True, reason="ValidMetricFound", message=message),
    )


def _replicas_for(
    hpa: Hpa, metric: ExternalMetric, scale: Scale, sum_milli: int, tolerance: float
) -> tuple[int, JsonObject]:
    """Replicas and the shown current value of one metric."""
    if metric.per_replica:
        running = scale.status_replicas
        shown = math.ceil(sum_milli / running) if running else sum_milli
        current: JsonObject = {"averageValue": format_milli(shown)}
        if running and within_tolerance(hpa, sum_milli / (metric.target_milli * running), tolerance):
            return running, current
        return math.ceil(sum_milli / metric.target_milli), current
    ratio = sum_milli / metric.target_milli
    current = {"value": format_milli(sum_milli)}
    if scale.spec_replicas == 0:
        return math.ceil(ratio), current
    if within_tolerance(hpa, ratio, tolerance):
        return scale.spec_replicas, current
    return math.ceil(ratio * scale.ready_replicas), current


def within_tolerance(hpa: Hpa, ratio: float, tolerance: float) -> bool:
    """Whether the ratio of usage to target is too near 1 to act on; an HPA may set its own tolerances."""
    up, down = tolerance, tolerance
    if hpa.behavior is not None:
        up = tolerance if hpa.behavior.scale_up.tolerance is None else hpa.behavior.scale_up.tolerance
        down = tolerance if hpa.behavior.scale_down.tolerance is None else hpa.behavior.scale_down.tolerance
    return 1.0 - down <= ratio <= 1.0 + up
