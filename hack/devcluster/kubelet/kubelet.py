"""Registers nodes, and runs every pod that is bound to one of them."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from devcluster.controllers.passes import Wakeup, run_passes
from devcluster.controllers.reading import careful
from devcluster.controllers.run import SYNC_TIMEOUT_SECONDS, utc_now
from devcluster.kubelet.addresses import LoopbackAddresses
from devcluster.kubelet.lifecycle import LifecyclePolicy
from devcluster.kubelet.log_server import serve_logs
from devcluster.kubelet.logs import ContainerLog
from devcluster.kubelet.nodes import NodePool
from devcluster.kubelet.pod_worker import NodeRuntime, PodWorker
from devcluster.kubelet.pods import ScheduledPod, parse_scheduled_pod
from devcluster.kubelet.probing import probe_health
from devcluster.kubelet.processes import EmulatorRunner
from devcluster.kubelet.registration import register_nodes
from devcluster.kubelet.scheduler import Scheduler
from inferno_shared.kubernetes import NODES, PODS, EventRecorder, KubernetesClient, ResourceCache, parse_node

log = structlog.stdlib.get_logger(__name__)

DEFAULT_DEVICE = "NVIDIA-H100-80GB-HBM3"
STARTUP_VARIABLE = "VLLME_STARTUP_SECONDS"
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class KubeletSettings:
    """What this kubelet is: its nodes, its pods' pace, where it listens."""

    pools: tuple[NodePool, ...]
    adopted_nodes: tuple[str, ...] = ()
    node_prefix: str = "gpu-node-"
    startup_seconds: float = 5.0
    emulator_variables: Mapping[str, str] = field(default_factory=dict)
    pod_network: str = "127.1"
    host: str = "127.0.0.1"
    port: int = 0
    scheduler: bool = True
    policy: LifecyclePolicy = field(default_factory=LifecyclePolicy)


class PodWorkers:
    """One worker per pod of our nodes."""

    def __init__(self, runtime: NodeRuntime, pods: Mapping[Key, ScheduledPod]) -> None:
        self._runtime = runtime
        self._pods = pods
        self._nodes: frozenset[str] = frozenset()
        self._workers: dict[str, tuple[Key, PodWorker, asyncio.Task[None]]] = {}

    def serve_nodes(self, names: frozenset[str]) -> None:
        """Run the pods of these nodes from now on."""
        self._nodes = names

    async def one_pass(self) -> float | None:
        """Start workers for new pods, tell the others about changes, end those whose pod is gone."""
        ours = {pod.uid: pod for pod in self._pods.values() if pod.pod.node_name in self._nodes}
        for uid, pod in ours.items():
            known = self._workers.get(uid)
            if known is not None:
                known[1].observe(pod)
            elif not pod.pod.terminal or pod.deleting:
                worker = PodWorker(pod, self._runtime)
                task = asyncio.create_task(self._run(pod.key, worker), name=f"pod {'/'.join(pod.key)}")
                self._workers[uid] = (pod.key, worker, task)
        gone = [self._workers.pop(uid) for uid in list(self._workers) if uid not in ours]
        for _, _, task in gone:
            task.cancel()
        return None

    def find_log(self, namespace: str, pod: str, container: str) -> ContainerLog | None:
        """The log of a container that runs here."""
        for key, worker, _ in self._workers.values():
            if key == (namespace, pod):
                return worker.logs.get(container)
        return None

    async def stop(self) -> None:
        """End every worker and its process."""
        tasks = [task for _, _, task in self._workers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: Key, worker: PodWorker) -> None:
        """One pod's trouble is its own: say so and leave the others alone."""
        try:
            await worker.run()
        except OSError as error:
            log.warning("pod cannot run", pod="/".join(key), reason=str(error))


async def run_kubelet(
    client: KubernetesClient,
    settings: KubeletSettings,
    *,
    ready: Callable[[], None] | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> None:
    """Run until cancelled; `ready` is called when the nodes are registered. No process is left behind."""
    runtime = _runtime(client, settings, clock)
    pods_wakeup, scheduler_wakeup = Wakeup(), Wakeup()

    def pods_changed() -> None:
        pods_wakeup.set()
        scheduler_wakeup.set()

    pods = ResourceCache(client, PODS, careful(parse_scheduled_pod), on_change=pods_changed)
    nodes = ResourceCache(client, NODES, parse_node, on_change=scheduler_wakeup.set)
    workers = PodWorkers(runtime, pods.objects)
    scheduler = Scheduler(runtime, pods.objects, nodes.objects)
    async with (
        serve_logs(workers.find_log, clock, host=settings.host, port=settings.port) as port,
        contextlib.AsyncExitStack() as ending,
        asyncio.TaskGroup() as tasks,
    ):
        ending.push_async_callback(workers.stop)
        names = await register_nodes(
            client,
            settings.pools,
            settings.adopted_nodes,
            prefix=settings.node_prefix,
            address=settings.host,
            kubelet_port=port,
            now=clock(),
        )
        workers.serve_nodes(names)
        for cache in (pods, nodes):
            tasks.create_task(cache.run())
        for cache in (pods, nodes):
            await cache.wait_until_synced(SYNC_TIMEOUT_SECONDS)
        tasks.create_task(run_passes("kubelet", pods_wakeup, workers.one_pass))
        if settings.scheduler:
            tasks.create_task(run_passes("scheduler", scheduler_wakeup, scheduler.one_pass))
        if ready is not None:
            ready()


def _runtime(
    client: KubernetesClient, settings: KubeletSettings, clock: Callable[[], datetime]
) -> NodeRuntime:
    startup = {STARTUP_VARIABLE: f"{settings.startup_seconds:g}"}
    return NodeRuntime(
        client=client,
        events=EventRecorder(client, "kubelet"),
        runner=EmulatorRunner(clock),
        probe=probe_health,
        addresses=LoopbackAddresses(settings.pod_network),
        clock=clock,
        policy=settings.policy,
        host_ip=settings.host,
        emulator_variables={**startup, **settings.emulator_variables},
    )
