"""What `/metrics` and the external metrics API export: each metric's name once, one vocabulary of labels.

One immutable `Shown` is swapped in as a whole, so that a scrape never mixes two cycles. What of it is shown
is decided at the scrape, because a desired value has an age: when the plan behind it is older than
the bound, the series is not there (an HPA then holds; a frozen value would be worse than none). One series
per variant: a variant that moved to another accelerator or was deleted has no old series, as an HPA sums
what it finds.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from inferno_actuator.clock import Clock
from inferno_actuator.decisions import Decision, Direction
from inferno_actuator.known import Key
from inferno_shared.contracts import DeviceCapacity, PlanReason, SloTarget, Totals

VARIANT: Final = "variant_name"
NAMESPACE: Final = "namespace"
ACCELERATOR: Final = "accelerator_type"
DIRECTION: Final = "direction"
REASON: Final = "reason"
DEVICE: Final = "device"
STAGE: Final = "stage"
OUTCOME: Final = "outcome"
RESULT: Final = "result"

_PER_VARIANT: Final = (VARIANT, NAMESPACE, ACCELERATOR)
_MS_PER_SECOND: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class MetricName:
    """Name, help and labels of one metric."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


DESIRED: Final = MetricName("inferno_desired_replicas", "Replicas that the plan wants", _PER_VARIANT)
CURRENT: Final = MetricName("inferno_current_replicas", "Replicas of the scale target now", _PER_VARIANT)
RATIO: Final = MetricName(
    "inferno_desired_ratio", "Desired over current replicas; desired when current is 0", _PER_VARIANT
)
SCALINGS: Final = MetricName(
    "inferno_replica_scaling_total",
    "Changes of the desired replicas",
    (VARIANT, NAMESPACE, DIRECTION, REASON),
)
PREDICTED_ITL: Final = MetricName(
    "inferno_predicted_itl_seconds", "Inter-token latency that the plan predicts", _PER_VARIANT
)
PREDICTED_TTFT: Final = MetricName(
    "inferno_predicted_ttft_seconds", "Time to first token that the plan predicts", _PER_VARIANT
)
TARGET_ITL: Final = MetricName("inferno_target_itl_seconds", "Inter-token latency promised", _PER_VARIANT)
TARGET_TTFT: Final = MetricName("inferno_target_ttft_seconds", "Time to first token promised", _PER_VARIANT)
VARIANT_COST: Final = MetricName(
    "inferno_variant_cost_cents_per_hour", "Cost of the desired replicas of one variant", _PER_VARIANT
)
PLAN_COST: Final = MetricName("inferno_plan_cost_cents_per_hour", "Cost of all desired replicas")
GPUS_USED: Final = MetricName("inferno_gpus_used", "Devices that the plan uses", (DEVICE,))
GPUS_LIMIT: Final = MetricName("inferno_gpus_limit", "Devices that the plan may use", (DEVICE,))
VARIANTS: Final = MetricName("inferno_variants", "VariantAutoscalings that the last plan decided on")
INFEASIBLE: Final = MetricName("inferno_infeasible_variants", "Variants whose SLO no profile can meet")
HELD: Final = MetricName("inferno_held_variants", "Variants that keep their replicas for lack of an answer")
SNAPSHOT_AGE: Final = MetricName("inferno_snapshot_age_seconds", "Age of the snapshot behind the last plan")
PLAN_AGE: Final = MetricName("inferno_plan_age_seconds", "Age of the last plan")
PLAN_MAX_AGE: Final = MetricName("inferno_plan_max_age_seconds", "Age at which desired series disappear")
PROBLEMS: Final = MetricName(
    "inferno_problems", "Problems that collector and optimizer reported, by reason", (REASON,)
)
LEADER: Final = MetricName("inferno_leader", "1 when this process runs the loop")
LOOP_DURATION: Final = MetricName("inferno_loop_duration_seconds", "Duration of one cycle", (OUTCOME,))
STAGE_DURATION: Final = MetricName("inferno_stage_duration_seconds", "Duration of one stage", (STAGE,))
STAGE_ERRORS: Final = MetricName("inferno_stage_errors_total", "Failures of a stage", (STAGE, REASON))
STATUS_WRITES: Final = MetricName("inferno_status_writes_total", "Status writes by result", (RESULT,))

_VARIANT_METRICS: Final = (
    DESIRED,
    CURRENT,
    RATIO,
    PREDICTED_ITL,
    PREDICTED_TTFT,
    TARGET_ITL,
    TARGET_TTFT,
    VARIANT_COST,
)
_PLAN_METRICS: Final = (
    LEADER,
    PLAN_MAX_AGE,
    PLAN_AGE,
    SNAPSHOT_AGE,
    VARIANTS,
    INFEASIBLE,
    HELD,
    PROBLEMS,
    PLAN_COST,
    GPUS_USED,
    GPUS_LIMIT,
)

ScalingKey = tuple[Key, Direction, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Everything that is exported about the last plan.

    Args:
        decisions: those in force.
        targets: promised latencies by variant.
        problems: how many there are, by reason.
        scalings: how often each variant's desired replicas changed, by direction and reason.
        planned_at: monotonic time of the last plan; None before the first one.
        snapshot_taken_at: wall-clock time of the snapshot behind it.
        max_age_seconds: the age at which a desired value is not exported any more.
    """

    decisions: tuple[Decision, ...] = ()
    targets: Mapping[Key, SloTarget] = field(default_factory=dict)
    scalings: Mapping[ScalingKey, int] = field(default_factory=dict)
    capacity: tuple[DeviceCapacity, ...] = ()
    totals: Totals | None = None
    problems: Mapping[str, int] = field(default_factory=dict)
    planned_at: float | None = None
    snapshot_taken_at: datetime | None = None
    max_age_seconds: float = 300.0

    def is_fresh(self, planned_at: float | None, now: float) -> bool:
        """Whether a plan of that time may still be exported."""
        return planned_at is not None and now - planned_at <= self.max_age_seconds


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one metric; `planned_at` is the monotonic time of the plan that it comes from."""

    labels: Mapping[str, str]
    value: float
    planned_at: float | None = None


def count_scalings(
    before: Mapping[ScalingKey, int], decisions: Iterable[Decision]
) -> Mapping[ScalingKey, int]:
    """The counters after this cycle's changes; those of variants that are gone are dropped."""
    decided = {decision.key: decision for decision in decisions}
    counts = {scaling: count for scaling, count in before.items() if scaling[0] in decided}
    for key, decision in decided.items():
        if decision.direction is not None:
            scaling = (key, decision.direction, str(decision.reason))
            counts[scaling] = counts.get(scaling, 0) + 1
    return counts


def variant_samples(shown: Shown) -> Mapping[MetricName, list[Sample]]:
    """The samples of every metric that has one series per variant."""
    samples: dict[MetricName, list[Sample]] = defaultdict(list)
    for decision in shown.decisions:
        for metric, value, accelerator in _values(decision, shown.targets.get(decision.key)):
            if value is not None and accelerator is not None:
                sample = Sample(_labels(decision.key, accelerator), value, decision.planned_at)
                samples[metric].append(sample)
    return samples


def _labels(key: Key, accelerator: str) -> Mapping[str, str]:
    namespace, name = key
    return {VARIANT: name, NAMESPACE: namespace, ACCELERATOR: accelerator}


def _values(
    decision: Decision, target: SloTarget | None
) -> Iterator[tuple[MetricName, float | None, str | None]]:
    """(metric, value, accelerator) of one decision; None for what is not known."""
    variant, desired, allocation = decision.variant, decision.desired, decision.allocation
    if variant is not None:
        yield CURRENT, variant.current.replicas, variant.current.accelerator
    if desired is None:
        return
    yield DESIRED, desired.replicas, desired.accelerator
    if variant is not None:
        yield RATIO, desired.replicas / (variant.current.replicas or 1), desired.accelerator
    if target is not None:
        yield TARGET_ITL, _seconds(target.itl_ms), desired.accelerator
        yield TARGET_TTFT, _seconds(target.ttft_ms), desired.accelerator
    if allocation is not None:
        yield PREDICTED_ITL, _seconds(allocation.predicted.itl_ms), desired.accelerator
        yield PREDICTED_TTFT, _seconds(allocation.predicted.ttft_ms), desired.accelerator
        yield VARIANT_COST, allocation.cost_per_hour, desired.accelerator


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / _MS_PER_SECOND


@dataclass(frozen=True, slots=True)
class _State:
    """What is shown, and its per-variant samples: made once, read at each scrape and by each HPA."""

    shown: Shown
    samples: Mapping[MetricName, list[Sample]]

    def fresh(self, metric: MetricName, now: float) -> list[Sample]:
        return [s for s in self.samples.get(metric, ()) if self.shown.is_fresh(s.planned_at, now)]


class Gauges(Collector):
    """The collector that a Prometheus registry asks at each scrape.

    Args:
        clock: tells the age of a plan at the scrape.
        is_leading: a process that does not lead exports no plan, from the moment it lost the lead: the same
            series from two processes would be summed by an HPA.
    """

    def __init__(self, clock: Clock, is_leading: Callable[[], bool]) -> None:
        self._clock = clock
        self._is_leading = is_leading
        self._state = _State(Shown(), {})

    @property
    def shown(self) -> Shown:
        """What is exported now."""
        return self._current().shown

    def show(self, shown: Shown) -> None:
        """Export this from now on, and nothing of what was exported before."""
        self._state = _State(shown, variant_samples(shown))

    def samples(self, metric: MetricName) -> list[Sample]:
        """The samples of one per-variant metric whose plan is young enough."""
        return self._current().fresh(metric, self._clock.monotonic())

    def describe(self) -> Iterator[Metric]:
        """Every family without values, so that a registry sees the names before there are any."""
        for metric in (*_VARIANT_METRICS, *_PLAN_METRICS):
            yield _family(metric, ())
        yield CounterMetricFamily(SCALINGS.name, SCALINGS.help, labels=SCALINGS.labels)

    def collect(self) -> Iterator[Metric]:
        """Every family, from one state and one reading of the clock."""
        state, now, leading = self._current(), self._clock.monotonic(), self._is_leading()
        yield _family(LEADER, [Sample({}, float(leading))])
        for metric in state.samples:
            yield _family(metric, state.fresh(metric, now))
        for metric, samples in _plan_samples(state.shown, now, self._clock.now()):
            yield _family(metric, samples)
        scalings = CounterMetricFamily(SCALINGS.name, SCALINGS.help, labels=SCALINGS.labels)
        for ((namespace, name), direction, reason), count in state.shown.scalings.items():
            scalings.add_metric([name, namespace, direction, reason], count)
        yield scalings

    def _current(self) -> "_State":
        return self._state if self._is_leading() else _State(Shown(), {})


def _plan_samples(shown: Shown, now: float, wall_now: datetime) -> Iterator[tuple[MetricName, list[Sample]]]:
    """What there is to say about the plan as a whole; less when it is too old to be in force."""
    if shown.planned_at is None:
        return
    yield PLAN_MAX_AGE, [Sample({}, shown.max_age_seconds)]
    yield PLAN_AGE, [Sample({}, now - shown.planned_at)]
    if shown.snapshot_taken_at is not None:
        age = (wall_now - shown.snapshot_taken_at).total_seconds()
        yield SNAPSHOT_AGE, [Sample({}, max(0.0, age))]
    yield VARIANTS, [Sample({}, len(shown.decisions))]
    infeasible = sum(d.reason is PlanReason.INFEASIBLE_SLO for d in shown.decisions)
    yield INFEASIBLE, [Sample({}, infeasible)]
    yield HELD, [Sample({}, sum(d.held for d in shown.decisions))]
    yield PROBLEMS, [Sample({REASON: reason}, count) for reason, count in shown.problems.items()]
    if not shown.is_fresh(shown.planned_at, now):
        return
    if shown.totals is not None:
        yield PLAN_COST, [Sample({}, shown.totals.cost_per_hour)]
    yield GPUS_USED, [Sample({DEVICE: c.device}, c.used) for c in shown.capacity]
    limited = [c for c in shown.capacity if c.limit is not None]
    yield GPUS_LIMIT, [Sample({DEVICE: c.device}, float(c.limit or 0)) for c in limited]


def _family(metric: MetricName, samples: Iterable[Sample]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for sample in samples:
        family.add_metric([sample.labels[label] for label in metric.labels], sample.value)
    return family
