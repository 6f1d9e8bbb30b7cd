"""What a process without a plan of its own answers to HPAs: the values that the leader left behind.

Behind one Service any replica may be asked, and an aggregator keeps its connection to one of them for long.
So a standby, and a new leader before its first plan, answer from the statuses of the VariantAutoscalings.
These do not say how old the plan is (an unchanged status is rarely written again); the leader does, in
annotations of the Lease that it renews anyway. Beyond the leader's own bound a standby exports nothing, too.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from inferno_actuator.clock import Clock
from inferno_actuator.conditions import ConditionReason, ConditionType, condition_of, timestamp
from inferno_actuator.known import Key, KnownVariant
from inferno_actuator.metric_names import ACCELERATOR, CURRENT, DESIRED, NAMESPACE, RATIO, VARIANT, MetricName
from inferno_actuator.modes import Mode
from inferno_actuator.variant_series import Sample

_PLANNED_AT: Final = "inferno.llmd.ai/planned-at"
_MAX_AGE: Final = "inferno.llmd.ai/plan-max-age-seconds"
_REREAD_SECONDS: Final = 1.0
"""With a thousand HPAs the statuses are not read anew for each of their questions."""


@dataclass(frozen=True, slots=True)
class PlanStamp:
    """When the leader's plan was made, and the age from which its values count no more."""

    planned_at: datetime
    max_age_seconds: float

    def annotations(self) -> Mapping[str, str]:
        """The stamp as the Lease carries it."""
        return {
            _PLANNED_AT: timestamp(self.planned_at.astimezone(UTC)),
            _MAX_AGE: f"{self.max_age_seconds:.0f}",
        }

    @classmethod
    def read(cls, annotations: Mapping[str, str]) -> "PlanStamp | None":
        """The stamp of a Lease; None when it has none that can be read."""
        try:
            at, seconds = datetime.fromisoformat(annotations[_PLANNED_AT]), float(annotations[_MAX_AGE])
        except (KeyError, ValueError):
            return None
        return cls(at, seconds) if at.tzinfo is not None else None


class LeadersPlan:
    """The last plan of whoever led, as far as the API server tells.

    Args:
        annotations: of the Lease, as last read.
        known: the VariantAutoscalings with their statuses.
        clock: tells the age of the plan.
    """

    def __init__(
        self,
        annotations: Callable[[], Mapping[str, str]],
        known: Callable[[], Mapping[Key, KnownVariant]],
        clock: Clock,
    ) -> None:
        self._annotations = annotations
        self._known = known
        self._clock = clock
        self._seen: tuple[PlanStamp, float] | None = None
        self._read_at: float | None = None
        self._samples: Mapping[MetricName, list[Sample]] = {}

    def read(self, metric: MetricName) -> tuple[list[Sample], datetime]:
        """The samples of one metric and the time of their plan; none when it is too old."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        stamp = PlanStamp.read(self._annotations())
        if stamp is None or self._age_seconds(stamp, now, monotonic) > stamp.max_age_seconds:
            return [], now
        if self._read_at is None or monotonic - self._read_at >= _REREAD_SECONDS:
            self._read_at = monotonic
            self._samples = _samples(self._known(), now, stamp.max_age_seconds)
        return self._samples.get(metric, []), stamp.planned_at

    def _age_seconds(self, stamp: PlanStamp, now: datetime, monotonic: float) -> float:
        """By the leader's clock or, should that be ahead of ours, since we first saw the stamp."""
        if self._seen is None or self._seen[0] != stamp:
            self._seen = stamp, monotonic
        return max((now - stamp.planned_at).total_seconds(), monotonic - self._seen[1])


def _samples(
    known: Mapping[Key, KnownVariant], now: datetime, max_age_seconds: float
) -> Mapping[MetricName, list[Sample]]:
    found: dict[MetricName, list[Sample]] = defaultdict(list)
    for it in known.values():
        for metric, accelerator, value in _values(it, now, max_age_seconds):
            labels = {VARIANT: it.name, NAMESPACE: it.namespace, ACCELERATOR: accelerator}
            found[metric].append(Sample(labels, value))
    return found


def _values(
    it: KnownVariant, now: datetime, max_age_seconds: float
) -> Iterator[tuple[MetricName, str, float]]:
    """(metric, accelerator, value) of what the status says, by the rules of what a leader exports."""
    desired, current = it.persisted(), it.allocated()
    if condition_of(it.status, ConditionType.TARGET_RESOLVED).get("status") != "True":
        return
    left_out_since = _left_out_since(it.status)
    if left_out_since is not None and (now - left_out_since).total_seconds() > max_age_seconds:
        return
    if current is not None:
        yield CURRENT, current.accelerator, current.replicas
    if desired is None or it.mode is Mode.OFF:
        return
    yield DESIRED, desired.accelerator, desired.replicas
    if current is not None:
        yield RATIO, desired.accelerator, desired.replicas / (current.replicas or 1)


def _left_out_since(status: Mapping[str, Any]) -> datetime | None:
    """Since when no plan has had the variant, so that its desired replicas only age; None when the last had.

    A plan that has it may hold it for lack of measurements, but then says so in both conditions.
    """
    ready = condition_of(status, ConditionType.OPTIMIZATION_READY)
    measured = condition_of(status, ConditionType.METRICS_AVAILABLE).get("status") == "True"
    invalid = ready.get("reason") == ConditionReason.INVALID_CONFIGURATION and not measured
    unseen = ready.get("reason") == ConditionReason.METRICS_UNAVAILABLE and measured
    if not (invalid or unseen):
        return None
    try:
        since = datetime.fromisoformat(str(ready.get("lastTransitionTime")))
    except ValueError:
        return None
    return since if since.tzinfo is not None else since.replace(tzinfo=UTC)
