"""Gives every variant its load: by its own pods where series name them, else its share of the model's total.

Pure: a reading, the variants and what earlier cycles left in; loads, problems and what to remember out.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Final

from inferno_collector.demand import (
    DemandEstimator,
    DemandPolicy,
    Doubt,
    Estimate,
    Memory,
    PodEvidence,
)
from inferno_collector.estimation import estimate_demand
from inferno_collector.roster import ServingPod
from inferno_collector.samples import History, PodKey
from inferno_collector.sources import Histories, LoadReading
from inferno_shared.contracts import Load, LoadState, ObservedLatency, Problem

VariantKey = tuple[str, str]
"""(namespace, name) of a variant."""

_NAMES_SHOWN: Final = 10
_MILLISECONDS: Final = 1000.0
_SECONDS_PER_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """What attribution needs to know of a variant: its model and its pods, those lately deleted included."""

    key: VariantKey
    model: str
    pods: Sequence[ServingPod]

    @property
    def ready_pods(self) -> int:
        """Pods that take requests now."""
        return sum(pod.ready and pod.exists for pod in self.pods)

    @property
    def startup_seconds(self) -> float | None:
        """Median time from a pod's creation to ready."""
        seconds = [pod.startup_seconds for pod in self.pods if pod.startup_seconds is not None]
        return median(seconds) if seconds else None


@dataclass(frozen=True, slots=True)
class MeasuredLoad:
    """The load of one variant, what its servers measured besides, and what is wrong, if anything."""

    load: Load
    observed: ObservedLatency = field(default_factory=ObservedLatency)
    startup_seconds: float | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class MeasuredLoads:
    """Loads of all variants; `memory` is what to remember for the next cycle."""

    by_variant: Mapping[VariantKey, MeasuredLoad]
    memory: Mapping[VariantKey, Memory]


def measure_loads(
    servers: Sequence[Server],
    reading: LoadReading,
    *,
    now: float,
    policy: DemandPolicy,
    remembered: Mapping[VariantKey, Memory],
    estimate: DemandEstimator = estimate_demand,
) -> MeasuredLoads:
    """Load of each server. One whose metrics are missing is unknown, and the problem names what was found."""
    ready_by_model: dict[tuple[str, str], list[Server]] = defaultdict(list)
    for server in servers:
        ready_by_model[server.key[0], server.model].append(server)
        ready_by_model["", server.model].append(server)
    names = sorted(set(reading.model_names()) - {""})
    loads: dict[VariantKey, MeasuredLoad] = {}
    memory: dict[VariantKey, Memory] = {}
    for server in servers:
        last = remembered.get(server.key, Memory())
        evidence = _evidence(server, reading, ready_by_model, now=now, policy=policy)
        failure = _failure(server, reading, evidence)
        estimated = (
            estimate(evidence.pods, now, policy, last) if failure is None else Estimate(Doubt.SOURCE, failure)
        )
        loads[server.key] = _measured(server, reading, evidence, estimated, names)
        memory[server.key] = Memory(estimated.tokens or last.tokens, estimated.rate_read or last.rate)
    return MeasuredLoads(loads, memory)


@dataclass(frozen=True, slots=True)
class _Evidence:
    """The pods to estimate from, the share of their total that is this variant's, and where it comes from.

    `of_model` says that the series name no pod: they are endpoints of the model, whosever they are.
    """

    pods: Sequence[PodEvidence]
    share: float = 1.0
    provenance: str = ""
    of_model: bool = False
    other_models: Sequence[str] = ()


def _evidence(
    server: Server,
    reading: LoadReading,
    ready_by_model: Mapping[tuple[str, str], Sequence[Server]],
    *,
    now: float,
    policy: DemandPolicy,
) -> _Evidence:
    own = [(pod, _histories_of(server.model, reading.by_pod.get(pod.key, {}))) for pod in server.pods]
    if not any(histories for _, histories in own):
        for group in ((server.key[0], server.model), ("", server.model)):
            if group in reading.by_model:
                return _shared(server, reading.by_model[group], ready_by_model[group])
    pods = [
        PodEvidence(
            history=history,
            born_at=pod.born_at,
            exists=pod.exists,
            expected=pod.has_been_ready_for(policy.stale_after_seconds, now),
            error=reading.pod_errors.get(pod.key),
        )
        for pod, histories in own
        for history in histories or (None,)
    ]
    others = {name for pod in server.pods for name in reading.by_pod.get(pod.key, {}) if name}
    return _Evidence(pods, other_models=sorted(others - {server.model}))


def _histories_of(model: str, histories: Histories) -> tuple[History, ...]:
    """The pod's series of this model; an engine that exposes no model name serves just one."""
    return histories.get(model) or histories.get("") or ()


def _shared(server: Server, endpoints: Sequence[History], group: Sequence[Server]) -> _Evidence:
    """The variant's part of series that name no pod: by ready replicas, and evenly while none is ready."""
    ready = sum(member.ready_pods for member in group)
    share = server.ready_pods / ready if ready else 1 / len(group)
    provenance = (
        f"the series name no pod: {server.ready_pods} of the model's {ready} ready replicas, "
        f"{share:.0%} of its total"
        if len(group) > 1
        else "the series name no pod: the model's total"
    )
    pods = [PodEvidence(history, expected=False) for history in endpoints]
    return _Evidence(pods, share=share, provenance=provenance, of_model=True)


def _failure(server: Server, reading: LoadReading, evidence: _Evidence) -> str | None:
    """Why the reading says nothing of this variant. A total over an unknown part of the pods is no total."""
    failure = reading.failure_in(server.key[0])
    if failure is None and evidence.of_model and reading.incomplete:
        return f"the series name no pod, so that missing ones cannot be told: {reading.incomplete}"
    return failure


def _measured(
    server: Server, reading: LoadReading, evidence: _Evidence, estimated: Estimate, names: Sequence[str]
) -> MeasuredLoad:
    if estimated.doubt is not None:
        message = _advice(server, reading, evidence, estimated, names)
        load = Load(
            state=LoadState.UNKNOWN,
            running=estimated.running,
            waiting=estimated.waiting,
            observed_at=_time(estimated.observed_at),
            source=reading.source,
            message=message,
        )
        subject = f"VariantAutoscaling {server.key[0]}/{server.key[1]}"
        problem = Problem(subject=subject, reason=estimated.doubt.value, message=message)
        return MeasuredLoad(load, startup_seconds=server.startup_seconds, problem=problem)
    return MeasuredLoad(
        _known_load(estimated, evidence, reading),
        observed=_latency(estimated),
        startup_seconds=server.startup_seconds,
    )


def _known_load(estimated: Estimate, evidence: _Evidence, reading: LoadReading) -> Load:
    def part(value: float | None) -> float | None:
        return None if value is None else value * evidence.share

    tokens = estimated.tokens
    rate = round(estimated.rate * evidence.share * _SECONDS_PER_MINUTE, 6)
    return Load(
        state=LoadState.IDLE if estimated.idle else LoadState.OBSERVED,
        arrival_rate_rpm=rate,
        input_tokens=round(tokens.input_tokens, 6) if tokens else None,
        output_tokens=round(tokens.output_tokens, 6) if tokens else None,
        running=part(estimated.running),
        waiting=part(estimated.waiting),
        observed_at=_time(estimated.observed_at),
        window_seconds=estimated.window_seconds,
        source=reading.source,
        message="; ".join(filter(None, (estimated.message, evidence.provenance, reading.incomplete))),
    )


def _latency(estimated: Estimate) -> ObservedLatency:
    def milliseconds(seconds: float | None) -> float | None:
        return None if seconds is None else round(seconds * _MILLISECONDS, 6)

    means = estimated.means
    return ObservedLatency(
        itl_ms=milliseconds(means.itl_seconds.value),
        wait_ms=milliseconds(means.queue_seconds.value),
        ttft_ms=milliseconds(means.ttft_seconds.value),
    )


def _advice(
    server: Server, reading: LoadReading, evidence: _Evidence, estimated: Estimate, names: Sequence[str]
) -> str:
    """The doubt in words, with the model names that do exist when it is the name that fails to match."""
    if estimated.doubt is not Doubt.MISSING or any(pod.history for pod in evidence.pods):
        return estimated.message
    if evidence.other_models:
        return (
            f"the pods serve {_listed(evidence.other_models)}, not {server.model}: "
            "set spec.modelID to the name that vLLM serves (--served-model-name)"
        )
    if server.model in names:
        return (
            f"{estimated.message}; series of {server.model} exist, but none names a pod of this variant "
            f"(seen: {_listed(_pods_serving(server.model, reading))}): check the labels pod and namespace"
        )
    if names:
        return f"{estimated.message}; no series has model_name {server.model}; there are: {_listed(names)}"
    return f"{estimated.message}; no vllm: series exists at all: check that the pods are scraped"


def _pods_serving(model: str, reading: LoadReading) -> list[str]:
    pods: list[PodKey] = sorted(key for key, histories in reading.by_pod.items() if model in histories)
    return [f"{namespace}/{name}" for namespace, name in pods]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    return f"{shown} and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else shown


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
