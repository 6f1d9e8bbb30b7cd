"""How many pods a ReplicaSet creates or deletes, which ones, and what it reports about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from devcluster.controllers.workloads import OwnedPod, ReplicaSet
from inferno_shared.kubernetes import JsonObject

_PHASE_RANK = {"Pending": 0, "Unknown": 1, "Running": 2}


@dataclass(frozen=True, slots=True)
class PodStep:
    """Create so many pods, delete these."""

    create: int
    delete: tuple[OwnedPod, ...]


def pod_step(replica_set: ReplicaSet, pods: Sequence[OwnedPod], *, expected: int = 0) -> PodStep:
    """Decide the step; `expected` pods were created already but are not among `pods` yet."""
    active = [pod for pod in pods if pod.active]
    surplus = len(active) + expected - replica_set.replicas
    if surplus > 0:
        return PodStep(0, tuple(sorted(active, key=_first_to_go)[:surplus]))
    return PodStep(-surplus, ())


def _first_to_go(pod: OwnedPod) -> tuple[bool, int, bool, int, float, list[int], str]:
    """Order of deletion: unscheduled, pending, not ready, cheap to delete, youngest; then by name."""
    ready_at = pod.ready_since.timestamp() if pod.ready_since else 0.0
    return (
        pod.assigned,
        _PHASE_RANK.get(pod.phase, 1),
        pod.ready_since is not None,
        pod.deletion_cost,
        -ready_at,
        [-ord(character) for character in pod.created_at],
        pod.name,
    )


def replica_set_status(replica_set: ReplicaSet, pods: Sequence[OwnedPod], now: datetime) -> JsonObject:
    """The whole status; counts of zero other than `replicas` are left out, as Kubernetes does."""
    active = [pod for pod in pods if pod.active]
    ready = [pod for pod in active if pod.ready_since is not None]
    available = [pod for pod in ready if _available_at(replica_set, pod) <= now]
    labels = (replica_set.template.get("metadata") or {}).get("labels") or {}
    labelled = [pod for pod in active if labels.items() <= pod.labels.items()]
    counts = {
        "fullyLabeledReplicas": len(labelled),
        "readyReplicas": len(ready),
        "availableReplicas": len(available),
    }
    return {
        "replicas": len(active),
        **{name: count for name, count in counts.items() if count},
        "observedGeneration": replica_set.generation,
    }


def next_available_at(replica_set: ReplicaSet, pods: Sequence[OwnedPod], now: datetime) -> datetime | None:
    """When the next ready pod will have been ready for minReadySeconds."""
    moments = [_available_at(replica_set, pod) for pod in pods if pod.active and pod.ready_since is not None]
    return min((moment for moment in moments if moment > now), default=None)


def _available_at(replica_set: ReplicaSet, pod: OwnedPod) -> datetime:
    assert pod.ready_since is not None  # noqa: S101 - the callers filter for ready pods
    return pod.ready_since + timedelta(seconds=replica_set.min_ready_seconds)
