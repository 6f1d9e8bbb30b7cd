"""Records a run second by second: what each stage between the load and the ready replicas says."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

import httpx

from e2e.clusters import NAME, NAMESPACE
from e2e.product import Product
from e2e.stalls import own_seconds, stalled_seconds

ONE_REPLICA_RPM = 14.308867  # what one replica of the seed's profile takes within its targets
SAMPLE_SECONDS = 0.5
ANSWER_SECONDS = 5.0
METRIC = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/inferno_desired_replicas"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{NAME}"
VARIANT = f"/apis/llmd.ai/v1alpha1/namespaces/{NAMESPACE}/variantautoscalings/{NAME}"
# The guide's rule of the Prometheus adapter, with its matchers filled in.
RULE = f'inferno_desired_replicas{{variant_name="{NAME}",exported_namespace="{NAMESPACE}"}}'


@dataclass(frozen=True)
class Sample:
    """One look at everything (`at`: Unix time; `stalled`: see `stalls`); None where nothing is known."""

    at: float
    arrival_rate_rpm: float | None
    planned: int | None
    status: int | None
    exported: int | None
    thanos: int | None
    replicas: int | None
    ready: int | None
    stalled: float


class Timeline:
    """Samples in order of time."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def path(self, field: str) -> list[int]:
        """The values that a field took, one after the other."""
        known = [getattr(sample, field) for sample in self.samples]
        return [value for value, _ in groupby(value for value in known if value is not None)]

    def first(self, condition: Callable[[Sample], bool], *, after: float) -> float | None:
        """When `condition` held first, in seconds after `after`."""
        return next(
            (sample.at - after for sample in self.samples if sample.at >= after and condition(sample)), None
        )

    def stalled(self, *, after: float, seconds: float) -> float:
        """How much of these seconds this machine's programs waited for a processor."""
        looks = [sample.stalled for sample in self.samples if after <= sample.at <= after + seconds]
        return looks[-1] - looks[0] if looks else 0.0


@contextmanager
def recording(product: Product) -> Iterator[Timeline]:
    """Record in the background until the context ends."""
    timeline, ended = Timeline(), threading.Event()
    thread = threading.Thread(target=_record, args=(product, timeline, ended), daemon=True)
    thread.start()
    try:
        yield timeline
    finally:
        ended.set()
        thread.join()


@dataclass(frozen=True)
class Reaction:
    """After how many seconds of load a stage first knew of it; None: never.

    `stalled`: in how many of them programs waited for a processor, see `stalls`.
    """

    stage: str
    seconds: float | None
    stalled: float
    target: float | None

    @property
    def in_time(self) -> bool:
        """Whether the target, if there is one, was met."""
        if self.target is None:
            return True
        return self.seconds is not None and own_seconds(self.seconds, self.stalled) <= self.target

    def __str__(self) -> str:
        shown = "     -" if self.seconds is None else f"{self.seconds:6.1f}"
        target = "" if self.target is None else f"{self.target:8.0f}"
        return f"    {self.stage:<36}{shown} {self.stalled:8.1f} {target}".rstrip()


def reaction_table(timeline: Timeline, loaded_at: float, *, target: float) -> list[Reaction]:
    """When each stage first said more than one replica; the desired replicas have a target in seconds."""

    def over(field: str) -> Callable[[Sample], bool]:
        return lambda sample: (getattr(sample, field) or 0) > 1

    def reaction(stage: str, condition: Callable[[Sample], bool], *, bound: bool = False) -> Reaction:
        seconds = timeline.first(condition, after=loaded_at)
        stalled = timeline.stalled(after=loaded_at, seconds=seconds or 0.0)
        return Reaction(stage, seconds, stalled, target if bound else None)

    def takes_more(sample: Sample) -> bool:
        return (sample.arrival_rate_rpm or 0) > ONE_REPLICA_RPM

    return [
        reaction("any arrivals seen by the collector", lambda sample: (sample.arrival_rate_rpm or 0) > 0),
        reaction("more than one replica takes", takes_more),
        reaction("more replicas planned", over("planned"), bound=True),
        reaction("in the variant's status", over("status"), bound=True),
        reaction("in the external metrics API", over("exported"), bound=True),
        reaction("in Thanos", over("thanos")),
        reaction("asked for by the HPA", over("replicas")),
        reaction("ready", over("ready")),
    ]


def reaction_lines(timeline: Timeline, reactions: Sequence[Reaction]) -> Iterator[str]:
    """The reaction times, and the path of every stage, to be printed."""
    yield f"  {'seconds from the first request to':<38}seconds  waiting   target"
    yield from map(str, reactions)
    yield "    (waiting: programs waited for a processor; up to half of the time is not counted)"
    rates = [sample.arrival_rate_rpm for sample in timeline.samples if sample.arrival_rate_rpm]
    yield f"  highest arrival rate seen: {max(rates, default=0):.1f} requests/min; paths:"
    for field in ("status", "exported", "thanos", "replicas", "ready"):
        yield f"    {field:<12}{' -> '.join(map(str, timeline.path(field)))}"


def _record(product: Product, timeline: Timeline, ended: threading.Event) -> None:
    own = product.plane.identities
    context = ssl.create_default_context(cafile=own.authority.file)
    context.load_cert_chain(own.admin.certificate, own.admin.key)
    with httpx.Client(verify=context, trust_env=False, timeout=ANSWER_SECONDS) as client:
        while not ended.wait(SAMPLE_SECONDS):
            timeline.samples.append(_look(product, client))


def _look(product: Product, client: httpx.Client) -> Sample:
    api = product.plane.core.api_url
    deployment = _json(client, f"{api}{DEPLOYMENT}")
    values = {
        "arrival_rate_rpm": _dig(
            _json(client, f"http://127.0.0.1:{product.collector_port}/snapshot"),
            *("variants", 0, "load", "arrival_rate_rpm"),
        ),
        "planned": _dig(
            _json(client, f"https://127.0.0.1:{product.actuator_port}/plan/{NAMESPACE}/{NAME}"),
            "desired_replicas",
        ),
        "status": _dig(_json(client, f"{api}{VARIANT}"), "status", "desiredOptimizedAlloc", "numReplicas"),
        "exported": _whole(_dig(_json(client, f"{api}{METRIC}"), "items", 0, "value")),
        "thanos": _whole(
            _dig(
                _json(client, f"{product.monitoring.querier_url}/api/v1/query", query=RULE),
                *("data", "result", 0, "value", 1),
            )
        ),
        "replicas": _dig(deployment, "spec", "replicas"),
        "ready": _dig(deployment, "status", "readyReplicas"),
        "stalled": stalled_seconds(),
    }
    assert {"at", *values} == {field.name for field in fields(Sample)}
    return Sample(at=time.time(), **values)


def _json(client: httpx.Client, url: str, **query: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        answer = client.get(url, params=query)
    except httpx.HTTPError:
        return None
    return answer.json() if answer.is_success else None


def _dig(found: Any, *keys: str | int) -> Any:  # noqa: ANN401 - any JSON
    for key in keys:
        try:
            found = found[key]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def _whole(text: object) -> int | None:
    return int(str(text)) if text is not None else None
