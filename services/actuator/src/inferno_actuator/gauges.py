"""What `/metrics` and the external metrics API export.

One immutable `Shown` is swapped in as a whole, so that a scrape never mixes two cycles. What of it is shown
is decided at the scrape, because a desired value has an age: when the plan behind it is older than
the bound, the series is not there (an HPA then holds; a frozen value would be worse than none). One series
per variant: a variant that moved to another accelerator or was deleted has no old series, as an HPA sums
what it finds.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from inferno_actuator.clock import Clock
from inferno_actuator.decisions import Decision, Direction
from inferno_actuator.known import Key
from inferno_actuator.metric_names import (
    ARRIVALS,
    CONDITION,
    CURRENT,
    DECISION,
    DEMAND,
    DESIRED,
    DEVICE,
    DIRECTION,
    GPUS_LIMIT,
    GPUS_USED,
    GUARDED,
    GUARDINGS,
    HELD,
    INFEASIBLE,
    LEADER,
    MAXIMUM,
    NAMESPACE,
    OBSERVED_ITL,
    OBSERVED_TTFT,
    PLAN_AGE,
    PLAN_COST,
    PLAN_GAP,
    PLAN_MAX_AGE,
    PLAN_STATUS,
    PLANNED,
    PREDICTED_ITL,
    PREDICTED_TTFT,
    PROBLEMS,
    RAIL,
    RATIO,
    READY,
    REASON,
    RUNNING,
    SCALINGS,
    SERVED,
    SNAPSHOT_AGE,
    TARGET_ITL,
    TARGET_TTFT,
    VARIANT,
    VARIANT_COST,
    VARIANT_INFO,
    VARIANTS,
    WAITING,
    MetricName,
)
from inferno_actuator.plan_series import carried, certified
from inferno_actuator.ruling import Rail
from inferno_actuator.variant_series import Sample, series_of
from inferno_shared.contracts import Certificate, Demand, DeviceCapacity, PlanReason, SloTarget, Totals

_VARIANT_METRICS: Final = (
    DESIRED,
    CURRENT,
    READY,
    MAXIMUM,
    PLANNED,
    RATIO,
    PREDICTED_ITL,
    PREDICTED_TTFT,
    OBSERVED_ITL,
    OBSERVED_TTFT,
    TARGET_ITL,
    TARGET_TTFT,
    ARRIVALS,
    RUNNING,
    WAITING,
    VARIANT_COST,
    VARIANT_INFO,
    CONDITION,
    DECISION,
)
_PLAN_METRICS: Final = (
    LEADER,
    PLAN_MAX_AGE,
    PLAN_AGE,
    SNAPSHOT_AGE,
    VARIANTS,
    INFEASIBLE,
    HELD,
    GUARDED,
    PROBLEMS,
    PLAN_COST,
    GPUS_USED,
    GPUS_LIMIT,
    DEMAND,
    SERVED,
    PLAN_STATUS,
    PLAN_GAP,
)

ScalingKey = tuple[Key, Direction, str]
GuardingKey = tuple[Key, Rail]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Everything that is exported about the last plan.

    Args:
        decisions: those in force.
        targets: promised latencies by variant.
        problems: how many there are, by reason.
        scalings: how often each variant's desired replicas changed, by direction and reason.
        guardings: in how many cycles a guard rail changed each variant's plan, by rail.
        planned_at: monotonic time of the last plan; None before the first one.
        snapshot_taken_at: wall-clock time of the snapshot behind it.
        max_age_seconds: the age at which a desired value is not exported any more.
    """

    decisions: tuple[Decision, ...] = ()
    targets: Mapping[Key, SloTarget] = field(default_factory=dict)
    scalings: Mapping[ScalingKey, int] = field(default_factory=dict)
    guardings: Mapping[GuardingKey, int] = field(default_factory=dict)
    capacity: tuple[DeviceCapacity, ...] = ()
    totals: Totals | None = None
    demands: tuple[Demand, ...] = ()
    certificate: Certificate | None = None
    problems: Mapping[str, int] = field(default_factory=dict)
    planned_at: float | None = None
    snapshot_taken_at: datetime | None = None
    max_age_seconds: float = 300.0

    def is_fresh(self, planned_at: float | None, now: float) -> bool:
        """Whether a plan of that time may still be exported."""
        return planned_at is not None and now - planned_at <= self.max_age_seconds


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


def count_guardings(
    before: Mapping[GuardingKey, int], decisions: Iterable[Decision]
) -> Mapping[GuardingKey, int]:
    """The counters after this cycle's rulings; those of variants that are gone are dropped."""
    decided = {decision.key: decision for decision in decisions}
    counts = {guarding: count for guarding, count in before.items() if guarding[0] in decided}
    for key, decision in decided.items():
        for ruling in decision.rulings:
            counts[key, ruling.rail] = counts.get((key, ruling.rail), 0) + 1
    return counts


def variant_samples(shown: Shown) -> Mapping[MetricName, list[Sample]]:
    """The samples of every metric about variants."""
    samples: dict[MetricName, list[Sample]] = defaultdict(list)
    for decision in shown.decisions:
        target = shown.targets.get(decision.key)
        for metric, sample in series_of(decision, target, planned_at=shown.planned_at):
            samples[metric].append(sample)
    return samples


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
        for counter in (SCALINGS, GUARDINGS):
            yield _counter(counter, ())

    def collect(self) -> Iterator[Metric]:
        """Every family, from one state and one reading of the clock."""
        state, now, leading = self._current(), self._clock.monotonic(), self._is_leading()
        yield _family(LEADER, [Sample({}, float(leading))])
        for metric in state.samples:
            yield _family(metric, state.fresh(metric, now))
        for metric, samples in _plan_samples(state.shown, now, self._clock.now()):
            yield _family(metric, samples)
        yield _counter(
            SCALINGS,
            [
                Sample({VARIANT: name, NAMESPACE: namespace, DIRECTION: direction, REASON: reason}, count)
                for ((namespace, name), direction, reason), count in state.shown.scalings.items()
            ],
        )
        yield _counter(
            GUARDINGS,
            [
                Sample({VARIANT: name, NAMESPACE: namespace, RAIL: rail}, count)
                for ((namespace, name), rail), count in state.shown.guardings.items()
            ],
        )

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
    rails = Counter(ruling.rail for decision in shown.decisions for ruling in decision.rulings)
    yield GUARDED, [Sample({RAIL: rail}, rails[rail]) for rail in Rail]
    yield PROBLEMS, [Sample({REASON: reason}, count) for reason, count in shown.problems.items()]
    if shown.certificate is not None:
        yield from certified(shown.certificate)
    if not shown.is_fresh(shown.planned_at, now):
        return
    if shown.totals is not None:
        yield PLAN_COST, [Sample({}, shown.totals.cost_per_hour)]
    yield GPUS_USED, [Sample({DEVICE: c.device}, c.used) for c in shown.capacity]
    limited = [c for c in shown.capacity if c.limit is not None]
    yield GPUS_LIMIT, [Sample({DEVICE: c.device}, float(c.limit or 0)) for c in limited]
    yield from carried(shown.demands)


def _family(metric: MetricName, samples: Iterable[Sample]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for sample in samples:
        family.add_metric([sample.labels[label] for label in metric.labels], sample.value)
    return family


def _counter(metric: MetricName, samples: Iterable[Sample]) -> CounterMetricFamily:
    family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    for sample in samples:
        family.add_metric([sample.labels[label] for label in metric.labels], sample.value)
    return family
