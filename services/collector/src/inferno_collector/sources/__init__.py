"""Where load is read: one interface, two sources. A third one needs nothing but the same two methods."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from inferno_collector.roster import Roster
from inferno_collector.samples import History, PodKey
from inferno_collector.sources.breaker import Circuit
from inferno_shared.contracts import Problem

Histories = Mapping[str, tuple[History, ...]]
"""By model name; several where one pod has several endpoints."""


@dataclass(frozen=True, slots=True)
class LoadReading:
    """What a source knows at one moment.

    `by_pod` has the histories of each pod. `by_model` has those of series that name no pod, one per endpoint,
    by (namespace or "", model). `pod_errors` says why a pod could not be read. `failure` is set when the
    source as a whole gave nothing: then every load is unknown, and the sentence says why; `failures` has the
    sentences of single namespaces. `incomplete` says why series may be missing though an answer came.
    `circuit` is the state of the breaker before the source, if it has one.
    """

    source: str
    by_pod: Mapping[PodKey, Histories] = field(default_factory=dict)
    by_model: Mapping[tuple[str, str], tuple[History, ...]] = field(default_factory=dict)
    pod_errors: Mapping[PodKey, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    failure: str | None = None
    failures: Mapping[str, str] = field(default_factory=dict)
    incomplete: str | None = None
    circuit: Circuit | None = None
    queries: int = 0

    def failure_in(self, namespace: str) -> str | None:
        """Why nothing is known of the pods of `namespace`; None when the source answered for it."""
        return self.failure or self.failures.get(namespace)

    def model_names(self) -> Iterator[str]:
        """Every model name that any series has; with repetitions."""
        for histories in self.by_pod.values():
            yield from histories
        for _, model in self.by_model:
            yield model


class LoadSource(Protocol):
    """Reads histories. It never raises for what the other side does: that is part of the reading."""

    @property
    def name(self) -> str:
        """The word for it in a Load's `source`."""

    async def read(self, roster: Roster, now: float) -> LoadReading:
        """What is known now (seconds since the epoch) of the pods in `roster`, and of any other."""

    async def run(self) -> None:
        """Work between readings, until cancelled."""
