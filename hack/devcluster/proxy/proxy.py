"""Listens for every Service with a node port (or mapped to a port) and spreads requests over its pods."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from devcluster.controllers.passes import RETRY_SECONDS, Wakeup, run_passes
from devcluster.controllers.run import SYNC_TIMEOUT_SECONDS
from devcluster.proxy.balancer import Balancer
from devcluster.proxy.relay import Relay
from devcluster.proxy.routes import Route, find_routes
from inferno_shared.kubernetes import (
    PODS,
    SERVICES,
    KubernetesClient,
    Pod,
    ResourceCache,
    Service,
    parse_pod,
    parse_service,
)

log = structlog.stdlib.get_logger(__name__)

Key = tuple[str, str]
BACKLOG = 512


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """Where to listen: all node ports or only the mapped Services (`namespace/name` -> port, 0: any)."""

    mapped: Mapping[str, int] = field(default_factory=dict)
    node_ports: bool = True
    host: str = "127.0.0.1"


@dataclass(slots=True)
class _Listener:
    wanted_port: int
    balancer: Balancer
    server: asyncio.Server
    port: int


class ServiceProxy:
    """The thin shell around `routes` and `balancer`."""

    def __init__(self, settings: ProxySettings) -> None:
        self._settings = settings
        self._listeners: dict[str, _Listener] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._refused: set[tuple[str, int]] = set()

    def port_of(self, key: str) -> int | None:
        """The port on which a Service (`namespace/name`) is reachable."""
        listener = self._listeners.get(key)
        return listener.port if listener else None

    async def follow(self, services: Mapping[Key, Service], pods: Mapping[Key, Pod]) -> float | None:
        """Listen where the Services say now, and send to the pods that are ready now."""
        routes = find_routes(
            services.values(), pods.values(), self._settings.mapped, node_ports=self._settings.node_ports
        )
        wanted = {route.key: route for route in routes}
        for key, listener in list(self._listeners.items()):
            if key not in wanted or wanted[key].listen_port != listener.wanted_port:
                listener.server.close()
                del self._listeners[key]
        failed = False
        for route in routes:
            if route.key not in self._listeners and not await self._listen(route):
                failed = True
                continue
            self._listeners[route.key].balancer.offer(route.backends)
        return RETRY_SECONDS if failed else None

    async def close(self) -> None:
        """Stop listening and cut what is still under way."""
        for listener in self._listeners.values():
            listener.server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _listen(self, route: Route) -> bool:
        balancer = Balancer()
        relay = Relay(
            balancer,
            f"service {route.key} has no ready pod; look at: "
            f"kubectl get pods -n {route.namespace} -l {route.selector or '(the service has no selector)'}",
        )

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = asyncio.create_task(relay.serve(reader, writer))
            self._connections.add(connection)
            connection.add_done_callback(self._connections.discard)

        host, port = self._settings.host, route.listen_port
        try:
            server = await asyncio.start_server(accept, host, port, backlog=BACKLOG)
        except OSError as error:
            if (route.key, port) not in self._refused:
                log.warning("service not reachable", service=route.key, port=port, reason=str(error))
                self._refused.add((route.key, port))
            return False
        actual = int(server.sockets[0].getsockname()[1])
        self._listeners[route.key] = _Listener(port, balancer, server, actual)
        self._refused.discard((route.key, port))
        log.info("service reachable", service=route.key, url=f"http://{host}:{actual}")
        return True


async def run_proxy(
    client: KubernetesClient, proxy: ServiceProxy, *, ready: Callable[[], None] | None = None
) -> None:
    """Run until cancelled."""
    wakeup = Wakeup(settle_seconds=0)
    services = ResourceCache(client, SERVICES, parse_service, on_change=wakeup.set)
    pods = ResourceCache(client, PODS, parse_pod, on_change=wakeup.set)

    async def one_pass() -> float | None:
        return await proxy.follow(services.objects, pods.objects)

    try:
        async with asyncio.TaskGroup() as tasks:
            for cache in (services, pods):
                tasks.create_task(cache.run())
            for cache in (services, pods):
                await cache.wait_until_synced(SYNC_TIMEOUT_SECONDS)
            tasks.create_task(run_passes("proxy", wakeup, one_pass))
            if ready is not None:
                ready()
    finally:
        await proxy.close()
