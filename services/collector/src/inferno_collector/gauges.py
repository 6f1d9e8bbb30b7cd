"""The collector's own metrics, each named once."""

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from inferno_collector.sources import LoadReading
from inferno_collector.sources.breaker import Circuit
from inferno_shared.contracts import LoadState, Snapshot

_BUILD_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class CollectorGauges:
    """Metrics on one registry; a counter is there from the start, so that its first increase is seen."""

    def __init__(self, registry: CollectorRegistry, source: str) -> None:
        self.build_seconds = Histogram(
            "inferno_collector_snapshot_build_seconds",
            "Time to build a snapshot, reading the load source included",
            buckets=_BUILD_BUCKETS,
            registry=registry,
        )
        self._queries = Gauge(
            "inferno_collector_source_queries",
            "Queries that the last reading of the load source took; it does not grow with the variants",
            ["source"],
            registry=registry,
        )
        self._circuit = Gauge(
            "inferno_collector_source_circuit",
            "1 for the state of the circuit breaker before Prometheus, 0 for the others",
            ["state"],
            registry=registry,
        )
        self._incomplete = Gauge(
            "inferno_collector_source_incomplete",
            "1 while answers of the load source come with a warning that series may be missing",
            ["source"],
            registry=registry,
        )
        self._source_failures = Counter(
            "inferno_collector_source_failures_total",
            "Readings that the load source as a whole failed",
            ["source"],
            registry=registry,
        )
        self._unreadable_pods = Gauge(
            "inferno_collector_unreadable_pods", "Pods whose last scrape failed", registry=registry
        )
        self._data_age_seconds = Gauge(
            "inferno_collector_data_age_seconds",
            "Age of the oldest load in the last snapshot, by its newest sample",
            registry=registry,
        )
        self._variants = Gauge(
            "inferno_collector_variants", "Variants in the last snapshot", ["load"], registry=registry
        )
        self._problems = Gauge(
            "inferno_collector_problems", "Problems in the last snapshot", ["reason"], registry=registry
        )
        self._behind_seconds = Gauge(
            "inferno_collector_watch_behind_seconds",
            "Time since a collection that is not being followed was last heard; 0 while it is followed",
            ["resource"],
            registry=registry,
        )
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
