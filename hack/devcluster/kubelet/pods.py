"""A pod as the scheduler and the kubelet read it: placement, devices, containers and their environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from inferno_shared.kubernetes import JsonObject, Pod, parse_pod

DEFAULT_SCHEDULER = "default-scheduler"
DEFAULT_GRACE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Toleration:
    """Lets a pod onto tainted nodes; an empty key tolerates every taint."""

    key: str
    operator: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class NodeRequirement:
    """One expression of a required node affinity."""

    key: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container; `env` stays raw because only the kubelet can resolve it."""

    name: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: tuple[JsonObject, ...]
    restartable: bool = True


@dataclass(frozen=True, slots=True)
class ScheduledPod:
    """The identity and devices of a pod (`pod`) with what a node needs to know beyond them."""

    pod: Pod
    scheduler: str
    node_selector: Mapping[str, str]
    affinity: tuple[tuple[NodeRequirement, ...], ...]
    tolerations: tuple[Toleration, ...]
    init_containers: tuple[ContainerSpec, ...]
    containers: tuple[ContainerSpec, ...]
    grace_seconds: int
    deletion_grace_seconds: int | None
    status: JsonObject

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        return self.pod.metadata.key

    @property
    def uid(self) -> str:
        """Distinguishes a pod from an earlier one of the same name."""
        return self.pod.metadata.uid

    @property
    def created_at(self) -> datetime | None:
        """When the pod was created."""
        return self.pod.created_at

    @property
    def deleting(self) -> bool:
        """Whether somebody asked for its deletion."""
        return self.pod.metadata.deleting

    @property
    def conditions(self) -> list[JsonObject]:
        """Its conditions as last written."""
        conditions: list[JsonObject] = self.status.get("conditions") or []
        return conditions

    def status_of(self, container: str, *, field: str = "containerStatuses") -> JsonObject:
        """The last written status of one container, empty if there is none."""
        found: JsonObject = next(
            (one for one in self.status.get(field) or () if one["name"] == container), {}
        )
        return found


def parse_scheduled_pod(raw: JsonObject) -> ScheduledPod:
    """Read one pod."""
    spec, metadata = raw.get("spec") or {}, raw["metadata"]
    grace = spec.get("terminationGracePeriodSeconds")
    return ScheduledPod(
        pod=parse_pod(raw),
        scheduler=spec.get("schedulerName") or DEFAULT_SCHEDULER,
        node_selector=spec.get("nodeSelector") or {},
        affinity=_parse_affinity(spec.get("affinity") or {}),
        tolerations=tuple(
            Toleration(
                key=one.get("key") or "",
                operator=one.get("operator") or "Equal",
                value=one.get("value") or "",
                effect=one.get("effect") or "",
            )
            for one in spec.get("tolerations") or ()
        ),
        init_containers=tuple(_parse_container(one) for one in spec.get("initContainers") or ()),
        containers=tuple(_parse_container(one) for one in spec.get("containers") or ()),
        grace_seconds=DEFAULT_GRACE_SECONDS if grace is None else int(grace),
        deletion_grace_seconds=metadata.get("deletionGracePeriodSeconds"),
        status=raw.get("status") or {},
    )


def _parse_container(raw: JsonObject) -> ContainerSpec:
    return ContainerSpec(
        name=raw["name"],
        image=raw.get("image") or "",
        command=tuple(raw.get("command") or ()),
        args=tuple(raw.get("args") or ()),
        env=tuple(raw.get("env") or ()),
        restartable=raw.get("restartPolicy") == "Always",
    )


def _parse_affinity(affinity: JsonObject) -> tuple[tuple[NodeRequirement, ...], ...]:
    """The terms of a required node affinity: any one of them must hold, and of it every expression."""
    required = (affinity.get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    return tuple(
        tuple(
            NodeRequirement(one["key"], one["operator"], tuple(one.get("values") or ()))
            for one in term.get("matchExpressions") or ()
        )
        for term in required.get("nodeSelectorTerms") or ()
    )
