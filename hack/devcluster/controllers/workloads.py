"""Deployments, ReplicaSets and pods as the workload controllers read them.

The pod template stays raw JSON: it is handed on to the pods unread, except for its hash.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import datetime

from inferno_shared.errors import MalformedObjectError
from inferno_shared.kubernetes import JsonObject

HASH_LABEL = "pod-template-hash"
REVISION_ANNOTATION = "deployment.kubernetes.io/revision"
DELETION_COST_ANNOTATION = "controller.kubernetes.io/pod-deletion-cost"
_HASH_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels: a hash never spells a word
_HASH_LENGTH = 10


@dataclass(frozen=True, slots=True)
class Deployment:
    """One Deployment with its strategy resolved to numbers of pods."""

    namespace: str
    name: str
    uid: str
    generation: int
    replicas: int
    selector: JsonObject
    recreate: bool
    max_surge: int
    max_unavailable: int
    paused: bool
    min_ready_seconds: int
    history_limit: int
    progress_deadline_seconds: int
    template: JsonObject
    template_hash: str
    revision: int
    deleting: bool
    status: JsonObject


@dataclass(frozen=True, slots=True)
class ReplicaSet:
    """One ReplicaSet: what it asks for and what it reported."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    owner_uid: str
    template_hash: str
    revision: int
    created_at: str
    replicas: int
    min_ready_seconds: int
    template: JsonObject
    deleting: bool
    status: JsonObject

    @property
    def existing(self) -> int:
        """Pods that exist, as last reported."""
        return int(self.status.get("replicas") or 0)

    @property
    def ready(self) -> int:
        """Ready pods, as last reported."""
        return int(self.status.get("readyReplicas") or 0)

    @property
    def available(self) -> int:
        """Pods ready for long enough, as last reported."""
        return int(self.status.get("availableReplicas") or 0)


@dataclass(frozen=True, slots=True)
class OwnedPod:
    """One pod as its ReplicaSet counts it."""

    namespace: str
    name: str
    uid: str
    owner_uid: str
    phase: str
    assigned: bool
    ready_since: datetime | None
    created_at: str
    deletion_cost: int
    deleting: bool
    labels: JsonObject

    @property
    def active(self) -> bool:
        """Whether it counts as a replica: neither finished nor on its way out."""
        return self.phase not in {"Succeeded", "Failed"} and not self.deleting


def parse_deployment(raw: JsonObject) -> Deployment:
    """Read one Deployment; percentages become pods (surge rounded up, unavailable rounded down)."""
    metadata, spec = raw["metadata"], raw["spec"]
    replicas = 1 if spec.get("replicas") is None else int(spec["replicas"])
    strategy = spec.get("strategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    surge = _pods(rolling.get("maxSurge", "25%"), replicas, round_up=True)
    unavailable = _pods(rolling.get("maxUnavailable", "25%"), replicas, round_up=False)
    deadline = spec.get("progressDeadlineSeconds")
    history = spec.get("revisionHistoryLimit")
    return Deployment(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=int(metadata.get("generation") or 0),
        replicas=replicas,
        selector=spec["selector"],
        recreate=strategy.get("type") == "Recreate",
        max_surge=surge,
        max_unavailable=unavailable if surge or unavailable else 1,
        paused=bool(spec.get("paused")),
        min_ready_seconds=int(spec.get("minReadySeconds") or 0),
        history_limit=10 if history is None else int(history),
        progress_deadline_seconds=600 if deadline is None else int(deadline),
        template=spec["template"],
        template_hash=template_hash(spec["template"]),
        revision=_revision(metadata),
        deleting="deletionTimestamp" in metadata,
        status=raw.get("status") or {},
    )


def parse_replica_set(raw: JsonObject) -> ReplicaSet:
    """Read one ReplicaSet."""
    metadata, spec = raw["metadata"], raw["spec"]
    return ReplicaSet(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        generation=int(metadata.get("generation") or 0),
        owner_uid=controller_uid(metadata),
        template_hash=(metadata.get("labels") or {}).get(HASH_LABEL, ""),
        revision=_revision(metadata),
        created_at=metadata.get("creationTimestamp", ""),
        replicas=1 if spec.get("replicas") is None else int(spec["replicas"]),
        min_ready_seconds=int(spec.get("minReadySeconds") or 0),
        template=spec.get("template") or {},
        deleting="deletionTimestamp" in metadata,
        status=raw.get("status") or {},
    )


def parse_owned_pod(raw: JsonObject) -> OwnedPod:
    """Read one pod."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    annotations = metadata.get("annotations") or {}
    ready_since = None
    for condition in status.get("conditions") or ():
        if condition["type"] == "Ready" and condition["status"] == "True":
            ready_since = datetime.fromisoformat(
                condition.get("lastTransitionTime") or metadata["creationTimestamp"]
            )
    cost = annotations.get(DELETION_COST_ANNOTATION, "0")
    return OwnedPod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        owner_uid=controller_uid(metadata),
        phase=status.get("phase", "Pending"),
        assigned=bool((raw.get("spec") or {}).get("nodeName")),
        ready_since=ready_since,
        created_at=metadata.get("creationTimestamp", ""),
        deletion_cost=int(cost) if cost.removeprefix("-").isdigit() else 0,
        deleting="deletionTimestamp" in metadata,
        labels=metadata.get("labels") or {},
    )


def controller_uid(metadata: JsonObject) -> str:
    """The uid of the object that controls this one, or an empty string."""
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            return str(reference["uid"])
    return ""


def template_hash(template: JsonObject) -> str:
    """A short name for a pod template: equal templates, equal hash."""
    canonical = json.dumps(template, sort_keys=True, separators=(",", ":")).encode()
    number = int.from_bytes(hashlib.sha256(canonical).digest()[:8])
    letters = []
    for _ in range(_HASH_LENGTH):
        number, index = divmod(number, len(_HASH_ALPHABET))
        letters.append(_HASH_ALPHABET[index])
    return "".join(letters)


def _pods(value: int | str, replicas: int, *, round_up: bool) -> int:
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        problem = f"must be a number of pods or a percentage such as 25%, is {value!r}"
        raise MalformedObjectError("spec.strategy.rollingUpdate", problem)
    share = int(value.removesuffix("%")) * replicas / 100
    return math.ceil(share) if round_up else math.floor(share)


def _revision(metadata: JsonObject) -> int:
    return int((metadata.get("annotations") or {}).get(REVISION_ANNOTATION) or 0)
