"""Carries out a Deployment's rollout step by step and reports it in its status."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from devcluster.controllers.passes import attempt
from devcluster.controllers.replica_set_controller import owner_reference
from devcluster.controllers.rollout import RolloutStep, ScaleStep, newest, next_step
from devcluster.controllers.rollout_status import deployment_status
from devcluster.controllers.workloads import HASH_LABEL, REVISION_ANNOTATION, Deployment, ReplicaSet
from inferno_shared.kubernetes import (
    DEPLOYMENTS,
    REPLICA_SETS,
    EventRecorder,
    JsonObject,
    KubernetesClient,
    ObjectReference,
)

DEADLINE_CHECK_SECONDS = 15.0
Key = tuple[str, str]


class DeploymentController:
    """The thin shell around `rollout`: caches in, writes out."""

    def __init__(
        self,
        client: KubernetesClient,
        deployments: Mapping[Key, Deployment],
        replica_sets: Mapping[Key, ReplicaSet],
        events: EventRecorder,
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._deployments = deployments
        self._replica_sets = replica_sets
        self._events = events
        self._clock = clock

    async def one_pass(self) -> float | None:
        """Bring every Deployment one step further."""
        by_owner: dict[str, list[ReplicaSet]] = defaultdict(list)
        for replica_set in self._replica_sets.values():
            by_owner[replica_set.owner_uid].append(replica_set)
        deployments = [one for one in self._deployments.values() if not one.deleting]
        await asyncio.gather(*(self._reconcile(one, by_owner[one.uid]) for one in deployments))
        return DEADLINE_CHECK_SECONDS

    async def _reconcile(self, deployment: Deployment, replica_sets: Sequence[ReplicaSet]) -> None:
        step = next_step(deployment, replica_sets)
        if step.create_replicas is not None:
            await self._create(deployment, step, step.create_replicas)
        for scale in step.scale:
            await self._scale(deployment, scale)
        for replica_set in step.delete:
            action = self._client.delete(REPLICA_SETS, replica_set.name, replica_set.namespace)
            await attempt("delete", f"ReplicaSet {replica_set.namespace}/{replica_set.name}", action)
        await self._write_revision(deployment, newest(deployment, replica_sets), step.revision)
        status = deployment_status(deployment, replica_sets, self._clock())
        if status != deployment.status:
            write = self._client.update_status(
                DEPLOYMENTS, deployment.name, deployment.namespace, lambda _: status
            )
            await attempt("status", f"Deployment {deployment.namespace}/{deployment.name}", write)

    async def _create(self, deployment: Deployment, step: RolloutStep, replicas: int) -> None:
        body = replica_set_of(deployment, replicas, step.revision)
        action = self._client.create(REPLICA_SETS, body, deployment.namespace)
        if await attempt("create ReplicaSet", f"Deployment {deployment.namespace}/{deployment.name}", action):
            await self._tell(deployment, body["metadata"]["name"], 0, replicas)

    async def _scale(self, deployment: Deployment, scale: ScaleStep) -> None:
        """Resize one ReplicaSet, only in the version that the decision was made from."""
        target = scale.replica_set
        patch = {
            "metadata": {"resourceVersion": target.resource_version},
            "spec": {"replicas": scale.replicas},
        }
        action = self._client.merge_patch(REPLICA_SETS, patch, target.name, target.namespace)
        if await attempt("scale", f"ReplicaSet {target.namespace}/{target.name}", action):
            await self._tell(deployment, target.name, target.replicas, scale.replicas)

    async def _write_revision(
        self, deployment: Deployment, replica_set: ReplicaSet | None, revision: int
    ) -> None:
        patch = {"metadata": {"annotations": {REVISION_ANNOTATION: str(revision)}}}
        where = deployment.namespace
        if deployment.revision != revision and revision:
            action = self._client.merge_patch(DEPLOYMENTS, patch, deployment.name, where)
            await attempt("revision", f"Deployment {where}/{deployment.name}", action)
        if replica_set is not None and replica_set.revision != revision:
            action = self._client.merge_patch(REPLICA_SETS, patch, replica_set.name, where)
            await attempt("revision", f"ReplicaSet {where}/{replica_set.name}", action)

    async def _tell(self, deployment: Deployment, replica_set: str, before: int, after: int) -> None:
        way = "up" if after > before else "down"
        reference = ObjectReference(
            DEPLOYMENTS.api_version, "Deployment", deployment.namespace, deployment.name, deployment.uid
        )
        message = f"Scaled {way} replica set {replica_set} from {before} to {after}"
        await self._events.record(reference, "Normal", "ScalingReplicaSet", message)


def replica_set_of(deployment: Deployment, replicas: int, revision: int) -> JsonObject:
    """The ReplicaSet of a Deployment's present template; its hash keeps it apart from earlier ones."""
    hashed = {HASH_LABEL: deployment.template_hash}
    template = deployment.template
    metadata = template.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), **hashed}
    match_labels = {**(deployment.selector.get("matchLabels") or {}), **hashed}
    return {
        "apiVersion": REPLICA_SETS.api_version,
        "kind": REPLICA_SETS.kind,
        "metadata": {
            "name": f"{deployment.name}-{deployment.template_hash}",
            "namespace": deployment.namespace,
            "labels": labels,
            "annotations": {REVISION_ANNOTATION: str(revision)},
            "ownerReferences": [owner_reference("Deployment", deployment.name, deployment.uid)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": deployment.min_ready_seconds,
            "selector": {**deployment.selector, "matchLabels": match_labels},
            "template": {**template, "metadata": {**metadata, "labels": labels}},
        },
    }
