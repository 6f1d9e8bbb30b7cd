"""Keeps as many pods as each ReplicaSet asks for, and reports them in its status."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from devcluster.controllers.passes import attempt
from devcluster.controllers.replica_set import next_available_at, pod_step, replica_set_status
from devcluster.controllers.workloads import OwnedPod, ReplicaSet
from inferno_shared.kubernetes import PODS, REPLICA_SETS, JsonObject, KubernetesClient

EXPECTATION_SECONDS = 10.0
WRITES_AT_ONCE = 8
Key = tuple[str, str]


class Expectations:
    """Pods that were created or deleted but that the cache does not show so yet.

    Without them a pass that runs before the watch has caught up would create or delete the same again.
    """

    def __init__(self) -> None:
        self._created: dict[str, tuple[str, datetime]] = {}
        self._deleted: dict[str, datetime] = {}

    def note_created(self, pod_uid: str, owner_uid: str, now: datetime) -> None:
        """Remember a pod that the API server confirmed."""
        self._created[pod_uid] = (owner_uid, now)

    def note_deleted(self, pod_uid: str, now: datetime) -> None:
        """Remember a pod that is on its way out."""
        self._deleted[pod_uid] = now

    def settle(self, pods: Sequence[OwnedPod], now: datetime) -> None:
        """Forget what the cache shows by now, and what is too old to be still under way."""
        seen = {pod.uid for pod in pods}
        active = {pod.uid for pod in pods if pod.active}
        oldest = now - timedelta(seconds=EXPECTATION_SECONDS)
        self._created = {
            uid: entry for uid, entry in self._created.items() if uid not in seen and entry[1] > oldest
        }
        self._deleted = {uid: at for uid, at in self._deleted.items() if uid in active and at > oldest}

    def unseen(self, owner_uid: str) -> int:
        """How many pods of this owner exist without being in the cache."""
        return sum(owner == owner_uid for owner, _ in self._created.values())

    def is_going(self, pod_uid: str) -> bool:
        """Whether we deleted this pod."""
        return pod_uid in self._deleted


class ReplicaSetController:
    """The thin shell around `replica_set`: caches in, writes out."""

    def __init__(
        self,
        client: KubernetesClient,
        replica_sets: Mapping[Key, ReplicaSet],
        pods: Mapping[Key, OwnedPod],
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._replica_sets = replica_sets
        self._pods = pods
        self._clock = clock
        self._expectations = Expectations()
        self._writes = asyncio.Semaphore(WRITES_AT_ONCE)

    async def one_pass(self) -> float | None:
        """Bring every ReplicaSet one step nearer to what it asks for."""
        now = self._clock()
        pods = list(self._pods.values())
        self._expectations.settle(pods, now)
        by_owner: dict[str, list[OwnedPod]] = defaultdict(list)
        for pod in pods:
            if pod.owner_uid and not self._expectations.is_going(pod.uid):
                by_owner[pod.owner_uid].append(pod)
        replica_sets = [one for one in self._replica_sets.values() if not one.deleting]
        await asyncio.gather(*(self._reconcile(one, by_owner[one.uid], now) for one in replica_sets))
        moments = [next_available_at(one, by_owner[one.uid], now) for one in replica_sets]
        due = min((moment for moment in moments if moment is not None), default=None)
        return None if due is None else (due - now).total_seconds()

    async def _reconcile(self, replica_set: ReplicaSet, pods: Sequence[OwnedPod], now: datetime) -> None:
        step = pod_step(replica_set, pods, expected=self._expectations.unseen(replica_set.uid))
        await asyncio.gather(
            *(self._create(replica_set, now) for _ in range(step.create)),
            *(self._delete(pod, now) for pod in step.delete),
        )
        status = replica_set_status(replica_set, pods, now)
        if status != replica_set.status:
            write = self._client.update_status(
                REPLICA_SETS, replica_set.name, replica_set.namespace, lambda _: status
            )
            await attempt("status", f"ReplicaSet {replica_set.namespace}/{replica_set.name}", write)

    async def _create(self, replica_set: ReplicaSet, now: datetime) -> None:
        async def create() -> None:
            created = await self._client.create(PODS, pod_of(replica_set), replica_set.namespace)
            self._expectations.note_created(created["metadata"]["uid"], replica_set.uid, now)

        async with self._writes:
            await attempt("create pod", f"ReplicaSet {replica_set.namespace}/{replica_set.name}", create())

    async def _delete(self, pod: OwnedPod, now: datetime) -> None:
        self._expectations.note_deleted(pod.uid, now)
        async with self._writes:
            action = self._client.delete(PODS, pod.name, pod.namespace)
            await attempt("delete pod", f"Pod {pod.namespace}/{pod.name}", action)


def pod_of(replica_set: ReplicaSet) -> JsonObject:
    """The pod that a ReplicaSet creates: its template with an owner and a generated name."""
    metadata = replica_set.template.get("metadata") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **{key: metadata[key] for key in ("labels", "annotations") if metadata.get(key)},
            "generateName": f"{replica_set.name}-",
            "namespace": replica_set.namespace,
            "ownerReferences": [owner_reference("ReplicaSet", replica_set.name, replica_set.uid)],
        },
        "spec": replica_set.template["spec"],
    }


def owner_reference(kind: str, name: str, uid: str) -> JsonObject:
    """A reference to the controller of an object, of the apps/v1 API."""
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
