"""Binds pending pods to nodes, and says on the pod why one fits nowhere."""

from collections import Counter
from collections.abc import Mapping

from devcluster.controllers.conditions import Condition, merged
from devcluster.controllers.passes import attempt
from devcluster.kubelet.api import bind
from devcluster.kubelet.pod_worker import NodeRuntime
from devcluster.kubelet.pods import DEFAULT_SCHEDULER, ScheduledPod
from devcluster.kubelet.scheduling import devices_in_use, place
from inferno_shared.kubernetes import PODS, EventRecorder, Node, ObjectReference

Key = tuple[str, str]


class Scheduler:
    """The thin shell around `scheduling`: one pass over the waiting pods, oldest first."""

    def __init__(
        self,
        runtime: NodeRuntime,
        pods: Mapping[Key, ScheduledPod],
        nodes: Mapping[Key, Node],
    ) -> None:
        self._runtime = runtime
        self._pods = pods
        self._nodes = nodes
        self._events = EventRecorder(runtime.client, DEFAULT_SCHEDULER)
        self._assumed: dict[str, str] = {}

    async def one_pass(self) -> float | None:
        """Place every pod that waits."""
        pods = list(self._pods.values())
        waiting = [pod for pod in pods if _waits(pod)]
        unbound = {pod.uid for pod in waiting}
        self._assumed = {uid: node for uid, node in self._assumed.items() if uid in unbound}
        if not waiting:
            return None
        nodes = sorted(self._nodes.values(), key=lambda node: node.metadata.name)
        used = devices_in_use(pods, self._assumed)
        for pod in sorted(waiting, key=lambda one: (str(one.created_at), one.key)):
            if pod.uid in self._assumed:
                continue
            placement = place(pod, nodes, used)
            if placement.node is None:
                await self._refuse(pod, placement.message)
            elif await self._bind(pod, placement.node):
                self._assumed[pod.uid] = placement.node
                used.setdefault(placement.node, Counter()).update(pod.pod.requests)
        return None

    async def _bind(self, pod: ScheduledPod, node: str) -> bool:
        namespace, name = pod.key
        action = bind(self._runtime.client, namespace, name, pod.uid, node)
        if not await attempt("bind", f"Pod {namespace}/{name}", action):
            return False
        message = f"Successfully assigned {namespace}/{name} to {node}"
        await self._events.record(_reference(pod), "Normal", "Scheduled", message)
        return True

    async def _refuse(self, pod: ScheduledPod, message: str) -> None:
        """Say why, once per reason."""
        known = next((one for one in pod.conditions if one["type"] == "PodScheduled"), {})
        if known.get("status") == "False" and known.get("message") == message:
            return
        refused = Condition("PodScheduled", holds=False, reason="Unschedulable", message=message)
        conditions = merged(pod.conditions, [refused], self._runtime.clock())
        namespace, name = pod.key
        patch = {"status": {"phase": "Pending", "conditions": conditions}}
        action = self._runtime.client.merge_patch(PODS, patch, name, namespace, subresource="status")
        if await attempt("status", f"Pod {namespace}/{name}", action):
            await self._events.record(_reference(pod), "Warning", "FailedScheduling", message)


def _waits(pod: ScheduledPod) -> bool:
    return (
        pod.pod.node_name is None
        and not pod.deleting
        and not pod.pod.terminal
        and pod.scheduler == DEFAULT_SCHEDULER
    )


def _reference(pod: ScheduledPod) -> ObjectReference:
    namespace, name = pod.key
    return ObjectReference(PODS.api_version, PODS.kind, namespace, name, pod.uid)
