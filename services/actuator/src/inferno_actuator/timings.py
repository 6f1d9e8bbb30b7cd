"""Counts and measures the loop itself: how long cycles and stages take, what failed, what was written."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from inferno_actuator import metric_names
from inferno_actuator.metric_names import MetricName
from inferno_actuator.stages import FailureReason, Stage

_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Timings:
    """The loop's own histograms and counters, in the registry of one application."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._loop = _histogram(metric_names.LOOP_DURATION, registry)
        self._stages = _histogram(metric_names.STAGE_DURATION, registry)
        self._errors = _counter(metric_names.STAGE_ERRORS, registry)
        self._writes = _counter(metric_names.STATUS_WRITES, registry)

    def cycle(self, seconds: float, *, outcome: str) -> None:
        """One cycle took so long and ended so."""
        self._loop.labels(outcome).observe(seconds)

    def stage(self, stage: Stage, seconds: float) -> None:
        """One stage took so long."""
        self._stages.labels(stage).observe(seconds)

    def error(self, stage: Stage, reason: FailureReason, count: int = 1) -> None:
        """A stage failed, wholly or for `count` variants."""
        self._errors.labels(stage, reason).inc(count)

    def writes(self, result: str, count: int) -> None:
        """So many status writes ended so."""
        self._writes.labels(result).inc(count)


def _histogram(metric: MetricName, registry: CollectorRegistry) -> Histogram:
    return Histogram(metric.name, metric.help, metric.labels, registry=registry, buckets=_BUCKETS_SECONDS)


def _counter(metric: MetricName, registry: CollectorRegistry) -> Counter:
    return Counter(metric.name, metric.help, metric.labels, registry=registry)
