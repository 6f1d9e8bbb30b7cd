"""A whole cluster in one process: API server, controllers, scheduler, kubelet and Service proxy.

    async with running_cluster(nodes=4, gpus=8) as cluster:      # cluster.url, .kubeconfig, .client
        ...

Each part talks to the others through the API only, over HTTP, as separate programs would.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devcluster.apiserver import RunningApi, running_api
from devcluster.controllers.run import ControllerSettings, run_controllers
from devcluster.kubelet.kubelet import DEFAULT_DEVICE, KubeletSettings, run_kubelet
from devcluster.kubelet.nodes import NodePool
from devcluster.manifests import apply_manifests
from devcluster.proxy.proxy import ProxySettings, ServiceProxy, run_proxy
from inferno_shared.kubernetes import KubernetesClient

START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Settings of the parts; a part that is None is not started."""

    controllers: ControllerSettings | None = field(default_factory=ControllerSettings)
    kubelet: KubeletSettings | None = None
    proxy: ProxySettings | None = None
    manifests: tuple[Path, ...] = ()
    port: int = 0


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster and the ways into it."""

    url: str
    kubeconfig: Path
    client: KubernetesClient
    proxy: ServiceProxy
    api: RunningApi

    def service_url(self, namespace: str, name: str) -> str | None:
        """Where a Service is reachable through the proxy; None while it is not."""
        port = self.proxy.port_of(f"{namespace}/{name}")
        return None if port is None else f"http://127.0.0.1:{port}"


async def run_cluster(settings: ClusterSettings, on_ready: Callable[[Cluster], None]) -> None:
    """Run until cancelled; `on_ready` is called once everything follows the API. Leaves nothing behind."""
    proxy = ServiceProxy(settings.proxy or ProxySettings())
    async with (
        running_api(port=settings.port) as api,
        AsyncExitStack() as stack,
        KubernetesClient.connect(kubeconfig=str(api.kubeconfig)) as client,
    ):
        await apply_manifests(client, settings.manifests)
        async with asyncio.TaskGroup() as tasks:
            starting: list[asyncio.Event] = []

            async def connected() -> tuple[KubernetesClient, Callable[[], None]]:
                """Give each part connections of its own, and a way to say that it is ready."""
                ready = asyncio.Event()
                starting.append(ready)
                connection = KubernetesClient.connect(kubeconfig=str(api.kubeconfig))
                return await stack.enter_async_context(connection), ready.set

            if settings.controllers is not None:
                own, ready = await connected()
                tasks.create_task(run_controllers(own, settings.controllers, ready=ready))
            if settings.kubelet is not None:
                own, ready = await connected()
                tasks.create_task(run_kubelet(own, settings.kubelet, ready=ready))
            if settings.proxy is not None:
                own, ready = await connected()
                tasks.create_task(run_proxy(own, proxy, ready=ready))
            async with asyncio.timeout(START_SECONDS):
                for event in starting:
                    await event.wait()
            on_ready(Cluster(api.url, api.kubeconfig, client, proxy, api))
            await asyncio.Event().wait()


@asynccontextmanager
async def running_cluster(
    *,
    nodes: int = 4,
    gpus: int = 8,
    device: str = DEFAULT_DEVICE,
    pools: Sequence[NodePool] = (),
    startup_seconds: float = 0,
    hpa_sync_seconds: float = 1,
    hpa_tolerance: float = 0.1,
    emulator_variables: Mapping[str, str] | None = None,
    services: Sequence[str] = (),
    node_ports: bool = False,
    manifests: Sequence[Path] = (),
    kubelet: KubeletSettings | None = None,
    run_pods: bool = True,
) -> AsyncIterator[Cluster]:
    """A cluster in this event loop, for tests: quick, and on ports that nobody else has.

    `services` (`namespace/name`) become reachable on free ports, see `Cluster.service_url`. `run_pods` False
    leaves out nodes, scheduler and kubelet, for tests that bring their own.
    """
    if kubelet is None:
        first = (NodePool(nodes, gpus, device),) if nodes else ()
        kubelet = KubeletSettings(
            pools=(*first, *pools),
            startup_seconds=startup_seconds,
            emulator_variables=emulator_variables or {},
        )
    settings = ClusterSettings(
        controllers=ControllerSettings(hpa_sync_seconds=hpa_sync_seconds, hpa_tolerance=hpa_tolerance),
        kubelet=kubelet if run_pods else None,
        proxy=ProxySettings(mapped=dict.fromkeys(services, 0), node_ports=node_ports),
        manifests=tuple(manifests),
    )
    ready: asyncio.Future[Cluster] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(run_cluster(settings, ready.set_result))
    either: set[asyncio.Future[Any]] = {ready, running}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        yield ready.result()
    finally:
        ready.cancel()
        running.cancel()
        await asyncio.wait({running})
    if not running.cancelled():
        running.result()
