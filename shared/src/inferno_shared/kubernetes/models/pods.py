"""Pods and pod templates: what they run, which devices they request, and since when they are ready."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from inferno_shared.kubernetes.models.fields import (
    JsonObject,
    entries,
    optional_text,
    optional_time,
    section,
    text,
    text_map,
    texts,
    whole,
)
from inferno_shared.kubernetes.models.metadata import Metadata, OwnerReference, parse_metadata
from inferno_shared.kubernetes.models.quantities import devices


@dataclass(frozen=True, slots=True)
class ContainerPort:
    """A declared port; declaring one is optional in Kubernetes."""

    name: str | None
    port: int


@dataclass(frozen=True, slots=True)
class Container:
    """A container's command line and ports."""

    name: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    ports: tuple[ContainerPort, ...]


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """What pods are made of. `sidecars` are init containers that keep running (restartPolicy Always)."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    containers: tuple[Container, ...]
    sidecars: tuple[Container, ...]
    requests: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod; `requests` are the extended resources that it holds on its node."""

    metadata: Metadata
    phase: str
    node_name: str | None
    pod_ip: str | None
    ready: bool
    ready_at: datetime | None
    requests: Mapping[str, int]
    containers: tuple[Container, ...]
    sidecars: tuple[Container, ...]

    @property
    def owner(self) -> OwnerReference | None:
        """The controlling owner, such as a ReplicaSet."""
        return self.metadata.controller

    @property
    def created_at(self) -> datetime | None:
        """When the pod was created."""
        return self.metadata.creation_timestamp

    @property
    def terminal(self) -> bool:
        """Whether the pod has finished for good and holds nothing any more."""
        return self.phase in {"Succeeded", "Failed"}


def parse_pod(raw: JsonObject) -> Pod:
    """Read a Pod. Raises MalformedObjectError."""
    spec, status = section(raw, "spec", ""), section(raw, "status", "")
    containers, sidecars, requests = _parse_spec(spec, "spec")
    ready, ready_at = _readiness(status)
    return Pod(
        metadata=parse_metadata(raw),
        phase=optional_text(status, "phase", "status") or "Pending",
        node_name=optional_text(spec, "nodeName", "spec"),
        pod_ip=optional_text(status, "podIP", "status"),
        ready=ready,
        ready_at=ready_at,
        requests=requests,
        containers=containers,
        sidecars=sidecars,
    )


def parse_template(raw: JsonObject, at: str) -> PodTemplate:
    """Read a pod template found at `at`. Raises MalformedObjectError."""
    metadata = section(raw, "metadata", at)
    containers, sidecars, requests = _parse_spec(section(raw, "spec", at), f"{at}.spec")
    return PodTemplate(
        labels=text_map(metadata, "labels", f"{at}.metadata"),
        annotations=text_map(metadata, "annotations", f"{at}.metadata"),
        containers=containers,
        sidecars=sidecars,
        requests=requests,
    )


def _readiness(status: JsonObject) -> tuple[bool, datetime | None]:
    for index, condition in enumerate(entries(status, "conditions", "status")):
        if condition.get("type") == "Ready":
            ready = condition.get("status") == "True"
            at = f"status.conditions[{index}]"
            return ready, optional_time(condition, "lastTransitionTime", at) if ready else None
    return False, None


def _parse_spec(
    spec: JsonObject, at: str
) -> tuple[tuple[Container, ...], tuple[Container, ...], Mapping[str, int]]:
    """Return containers, sidecars, and what the scheduler counts.

    That is the larger of what runs together (containers and sidecars) and what each init container needs
    beside the sidecars started before it. Example: an init container with 2 GPUs before a container with 1
    holds 2.
    """
    containers: list[Container] = []
    sidecars: list[Container] = []
    running: dict[str, int] = {}
    peak: dict[str, int] = {}
    for index, raw in enumerate(entries(spec, "initContainers", at)):
        where = f"{at}.initContainers[{index}]"
        wanted = _wanted(raw, where)
        if raw.get("restartPolicy") == "Always":
            sidecars.append(_parse_container(raw, where))
            _add(running, wanted)
        for name, count in wanted.items():
            together = count if raw.get("restartPolicy") == "Always" else running.get(name, 0) + count
            peak[name] = max(peak.get(name, 0), together)
    for index, raw in enumerate(entries(spec, "containers", at)):
        where = f"{at}.containers[{index}]"
        containers.append(_parse_container(raw, where))
        _add(running, _wanted(raw, where))
    requests = {name: max(running.get(name, 0), peak.get(name, 0)) for name in running | peak}
    return tuple(containers), tuple(sidecars), requests


def _add(total: dict[str, int], wanted: Mapping[str, int]) -> None:
    for name, count in wanted.items():
        total[name] = total.get(name, 0) + count


def _wanted(container: JsonObject, at: str) -> Mapping[str, int]:
    """Return the extended resources of a container; a limit without a request is a request."""
    resources = section(container, "resources", at)
    if not resources:
        return resources
    limits = devices(resources, "limits", f"{at}.resources")
    return limits | devices(resources, "requests", f"{at}.resources")


def _parse_container(raw: JsonObject, at: str) -> Container:
    return Container(
        name=text(raw, "name", at),
        image=optional_text(raw, "image", at) or "",
        command=texts(raw, "command", at),
        args=texts(raw, "args", at),
        ports=tuple(
            ContainerPort(
                name=optional_text(port, "name", f"{at}.ports[{index}]"),
                port=whole(port, "containerPort", f"{at}.ports[{index}]", minimum=1),
            )
            for index, port in enumerate(entries(raw, "ports", at))
        ),
    )
