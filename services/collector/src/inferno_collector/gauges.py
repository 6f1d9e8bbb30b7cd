"""The collector's own metrics, each named once."""

from collections import Counter as Tally
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from inferno_collector.sources import LoadReading
from inferno_collector.sources.breaker import Circuit
from inferno_shared.contracts import LoadState, Snapshot

_BUILD_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metric(NamedTuple):
    """A metric: its name, its labels, and what it means."""

    name: str
    labels: Sequence[str]
    means: str


BUILD_SECONDS: Final = Metric(
    "inferno_collector_snapshot_build_seconds",
    (),
    "Time to build a snapshot, reading the load source included",
)
QUERIES: Final = Metric(
    "inferno_collector_source_queries",
    ("source",),
    "Queries that the last reading of the load source took; it does not grow with the variants",
)
CIRCUIT: Final = Metric(
    "inferno_collector_source_circuit",
    ("state",),
    "1 for the state of the circuit breaker before Prometheus, 0 for the others",
)
INCOMPLETE: Final = Metric(
    "inferno_collector_source_incomplete",
    ("source",),
    "1 while answers of the load source come with a warning that series may be missing",
)
SOURCE_FAILURES: Final = Metric(
    "inferno_collector_source_failures_total", ("source",), "Readings that the load source as a whole failed"
)
UNREADABLE_PODS: Final = Metric("inferno_collector_unreadable_pods", (), "Pods whose last scrape failed")
DATA_AGE_SECONDS: Final = Metric(
    "inferno_collector_data_age_seconds",
    (),
    "Age of the oldest load in the last snapshot, by its newest sample",
)
VARIANTS: Final = Metric("inferno_collector_variants", ("load",), "Variants in the last snapshot")
PROBLEMS: Final = Metric("inferno_collector_problems", ("reason",), "Problems in the last snapshot")
BEHIND_SECONDS: Final = Metric(
    "inferno_collector_watch_behind_seconds",
    ("resource",),
    "Time since a collection that is not being followed was last heard; 0 while it is followed",
)
METRICS: Final = (
    BUILD_SECONDS,
    QUERIES,
    CIRCUIT,
    INCOMPLETE,
    SOURCE_FAILURES,
    UNREADABLE_PODS,
    DATA_AGE_SECONDS,
    VARIANTS,
    PROBLEMS,
    BEHIND_SECONDS,
)


class CollectorGauges:
    """Metrics on one registry; a counter is there from the start, so that its first increase is seen."""

    def __init__(self, registry: CollectorRegistry, source: str) -> None:
        def gauge(metric: Metric) -> Gauge:
            return Gauge(metric.name, metric.means, metric.labels, registry=registry)

        self.build_seconds = Histogram(
            BUILD_SECONDS.name, BUILD_SECONDS.means, buckets=_BUILD_BUCKETS, registry=registry
        )
        self._queries = gauge(QUERIES)
        self._circuit = gauge(CIRCUIT)
        self._incomplete = gauge(INCOMPLETE)
        self._source_failures = Counter(
            SOURCE_FAILURES.name, SOURCE_FAILURES.means, SOURCE_FAILURES.labels, registry=registry
        )
        self._unreadable_pods = gauge(UNREADABLE_PODS)
        self._data_age_seconds = gauge(DATA_AGE_SECONDS)
        self._variants = gauge(VARIANTS)
        self._problems = gauge(PROBLEMS)
        self._behind_seconds = gauge(BEHIND_SECONDS)
        self._source = source
        self._source_failures.labels(source)

    def show_reading(self, reading: LoadReading) -> None:
        """Show what the load source did."""
        self._queries.labels(self._source).set(reading.queries)
        self._unreadable_pods.set(len(reading.pod_errors))
        self._incomplete.labels(self._source).set(reading.incomplete is not None)
        if reading.circuit is not None:
            for state in Circuit:
                self._circuit.labels(state.value).set(state is reading.circuit)
        if reading.failure is not None:
            self._source_failures.labels(self._source).inc()

    def show_snapshot(self, snapshot: Snapshot, behind: Iterable[tuple[str, float]]) -> None:
        """Show what a snapshot holds."""
        states = Tally(variant.load.state for variant in snapshot.variants)
        for state in LoadState:
            self._variants.labels(state.value).set(states[state])
        ages = [
            (snapshot.taken_at - variant.load.observed_at).total_seconds()
            for variant in snapshot.variants
            if snapshot.taken_at is not None and variant.load.observed_at is not None
        ]
        self._data_age_seconds.set(max(ages, default=0.0))
        self._problems.clear()
        for reason, count in Tally(problem.reason for problem in snapshot.problems).items():
            self._problems.labels(reason).set(count)
        for resource, seconds in behind:
            self._behind_seconds.labels(resource).set(seconds)
