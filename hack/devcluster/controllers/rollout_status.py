"""The status of a Deployment: the numbers and the conditions that `kubectl rollout status` waits for."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from devcluster.controllers.conditions import Condition, merged
from devcluster.controllers.rollout import newest
from devcluster.controllers.workloads import Deployment, ReplicaSet
from inferno_shared.kubernetes import JsonObject

_COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")


def deployment_status(
    deployment: Deployment, replica_sets: Sequence[ReplicaSet], now: datetime
) -> JsonObject:
    """The whole status; counts of zero are left out, as Kubernetes does."""
    new = newest(deployment, replica_sets)
    existing = sum(one.existing for one in replica_sets)
    available = sum(one.available for one in replica_sets)
    asked = sum(one.replicas for one in replica_sets)
    counts = {
        "replicas": existing,
        "updatedReplicas": new.existing if new else 0,
        "readyReplicas": sum(one.ready for one in replica_sets),
        "availableReplicas": available,
        "unavailableReplicas": max(0, asked - available),
    }
    found = [_available(deployment, available)]
    progressing = _progressing(deployment, new, counts, now)
    if progressing is not None:
        found.append(progressing)
    return {
        "observedGeneration": deployment.generation,
        **{name: count for name, count in counts.items() if count},
        "conditions": merged(deployment.status.get("conditions") or (), found, now, update_time=True),
    }


def _available(deployment: Deployment, available: int) -> Condition:
    if available >= deployment.replicas - deployment.max_unavailable:
        return Condition(
            "Available",
            holds=True,
            reason="MinimumReplicasAvailable",
            message="Deployment has minimum availability.",
        )
    return Condition(
        "Available",
        holds=False,
        reason="MinimumReplicasUnavailable",
        message="Deployment does not have minimum availability.",
    )


def _progressing(
    deployment: Deployment, new: ReplicaSet | None, counts: dict[str, int], now: datetime
) -> Condition | None:
    """None keeps the present condition: a finished rollout stays finished while it is only scaled."""
    if new is None:
        return None
    present: JsonObject = next(
        (one for one in deployment.status.get("conditions") or () if one["type"] == "Progressing"), {}
    )
    same_rollout = bool(present) and f'"{new.name}"' in present["message"]
    all_updated = counts["updatedReplicas"] == counts["replicas"]
    if same_rollout and all_updated and present["reason"] == "NewReplicaSetAvailable":
        return None
    if all_updated and counts["replicas"] == counts["availableReplicas"] == deployment.replicas:
        message = f'ReplicaSet "{new.name}" has successfully progressed.'
        return Condition("Progressing", holds=True, reason="NewReplicaSetAvailable", message=message)
    if not same_rollout:
        message = f'Created new replica set "{new.name}"'
        return Condition("Progressing", holds=True, reason="NewReplicaSetCreated", message=message)
    return _advanced(deployment, new, counts) or _timed_out(deployment, new, present, now)


def _advanced(deployment: Deployment, new: ReplicaSet, counts: dict[str, int]) -> Condition | None:
    before = {name: int(deployment.status.get(name) or 0) for name in _COUNTS}
    grown = any(counts[name] > before[name] for name in _COUNTS[1:4])
    if not grown and counts["replicas"] >= before["replicas"]:
        return None
    message = f'ReplicaSet "{new.name}" is progressing.'
    return Condition("Progressing", holds=True, reason="ReplicaSetUpdated", message=message, renewed=True)


def _timed_out(
    deployment: Deployment, new: ReplicaSet, present: JsonObject, now: datetime
) -> Condition | None:
    allowed = timedelta(seconds=deployment.progress_deadline_seconds)
    if now <= datetime.fromisoformat(present["lastUpdateTime"]) + allowed:
        return None
    message = f'ReplicaSet "{new.name}" has timed out progressing.'
    return Condition("Progressing", holds=False, reason="ProgressDeadlineExceeded", message=message)
