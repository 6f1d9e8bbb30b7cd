"""The next step of a Deployment's rollout: which ReplicaSet to create, scale or delete now.

A rolling update is a series of such steps, each taken when a status has changed: the new ReplicaSet may
bring the total up to replicas + maxSurge; old ones shrink only as far as replicas - maxUnavailable pods
stay available. Unlike the real controller, a Deployment that is scaled in the middle of a rollout does not
spread the change over old and new ReplicaSets in proportion; the new one takes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from devcluster.controllers.workloads import Deployment, ReplicaSet


@dataclass(frozen=True, slots=True)
class ScaleStep:
    """Set one ReplicaSet to a number of replicas."""

    replica_set: ReplicaSet
    replicas: int


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """What to do now; empty when the rollout waits or is complete."""

    create_replicas: int | None
    revision: int
    scale: tuple[ScaleStep, ...]
    delete: tuple[ReplicaSet, ...]


def next_step(deployment: Deployment, replica_sets: Sequence[ReplicaSet]) -> RolloutStep:
    """Decide the next step. `replica_sets` are those that the Deployment owns.

    4 replicas, surge 1, unavailable 1, all 4 old pods available: create the new ReplicaSet with 1.
    """
    new = newest(deployment, replica_sets)
    old = sorted(
        (one for one in replica_sets if one is not new and not one.deleting), key=lambda one: one.created_at
    )
    last_revision = max((one.revision for one in replica_sets), default=0)
    if deployment.paused:
        return RolloutStep(None, deployment.revision, _scale_only(deployment, new, old), ())
    if new is None:
        waiting = deployment.recreate and any(one.existing for one in old)
        create = None if waiting else _new_replicas(deployment, 0, old)
        return RolloutStep(create, last_revision + 1, _shrink_old(deployment, None, old), ())
    revision = new.revision if new.revision == last_revision else last_revision + 1
    steps = list(_shrink_old(deployment, new, old))
    if not (deployment.recreate and any(one.existing for one in old)):
        wanted = _new_replicas(deployment, new.replicas, old)
        if wanted != new.replicas:
            steps.insert(0, ScaleStep(new, wanted))
    return RolloutStep(None, revision, tuple(steps), _expired(deployment, old))


def newest(deployment: Deployment, replica_sets: Sequence[ReplicaSet]) -> ReplicaSet | None:
    """The ReplicaSet of the Deployment's present template, if it exists."""
    matching = [one for one in replica_sets if one.template_hash == deployment.template_hash]
    return min(matching, key=lambda one: one.created_at, default=None)


def _new_replicas(deployment: Deployment, present: int, old: Sequence[ReplicaSet]) -> int:
    if deployment.recreate or present >= deployment.replicas:
        return deployment.replicas
    total = present + sum(one.replicas for one in old)
    room = max(0, deployment.replicas + deployment.max_surge - total)
    return min(deployment.replicas, present + room)


def _shrink_old(
    deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]
) -> tuple[ScaleStep, ...]:
    if deployment.recreate:
        return tuple(ScaleStep(one, 0) for one in old if one.replicas)
    if new is None:
        return ()
    minimum = deployment.replicas - deployment.max_unavailable
    total = new.replicas + sum(one.replicas for one in old)
    removable = total - minimum - (new.replicas - new.available)
    sizes = {one.name: one.replicas for one in old}
    for one in old:  # pods that do not serve anyway go first
        unhealthy = min(max(0, removable), max(0, one.replicas - one.available))
        sizes[one.name] -= unhealthy
        removable -= unhealthy
    spare = new.available + sum(one.available for one in old) - minimum
    for one in old:
        drop = min(max(0, spare), max(0, removable), sizes[one.name])
        sizes[one.name] -= drop
        spare -= drop
        removable -= drop
    return tuple(ScaleStep(one, sizes[one.name]) for one in old if sizes[one.name] != one.replicas)


def _scale_only(
    deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]
) -> tuple[ScaleStep, ...]:
    """While paused only a change of size is followed, by the one ReplicaSet that has pods."""
    active = [one for one in (*old, *((new,) if new else ())) if one.replicas]
    only = active[0] if len(active) == 1 else new if not active else None
    if only is None or only.replicas == deployment.replicas:
        return ()
    return (ScaleStep(only, deployment.replicas),)


def _expired(deployment: Deployment, old: Sequence[ReplicaSet]) -> tuple[ReplicaSet, ...]:
    empty = [one for one in old if not one.replicas and not one.existing]
    excess = len(empty) - deployment.history_limit
    return tuple(sorted(empty, key=lambda one: one.revision)[: max(0, excess)])
