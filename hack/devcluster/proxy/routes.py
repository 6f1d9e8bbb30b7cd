"""Which ports to listen on and which ready pods stand behind each: Services and pods in, routes out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from devcluster.kubelet.addresses import PORT_ANNOTATION, SHARED_ADDRESS
from devcluster.proxy.balancer import Backend
from inferno_shared.kubernetes import Pod, Service, ServicePort


@dataclass(frozen=True, slots=True)
class Route:
    """One listening port. `key` is `namespace/name` or, for a further port, `namespace/name:port`."""

    key: str
    listen_port: int
    backends: tuple[Backend, ...]
    selector: str

    @property
    def namespace(self) -> str:
        """Where its pods are."""
        return self.key.partition("/")[0]


def find_routes(
    services: Iterable[Service], pods: Iterable[Pod], mapped: Mapping[str, int], *, node_ports: bool
) -> list[Route]:
    """Routes of all mapped Services and, if wanted, of all node ports. Port 0 means any free one.

    `mapped` says by `namespace/name` or `namespace/name:port-name` where else to listen; it replaces the
    Service's node port.
    """
    ready = [pod for pod in pods if pod.ready and pod.pod_ip and not pod.metadata.deleting]
    routes = []
    for service in services:
        namespace, name = service.metadata.key
        behind = [
            pod
            for pod in ready
            if pod.metadata.namespace == namespace and service.selects(pod.metadata.labels)
        ]
        for index, port in enumerate(service.ports):
            named = f"{namespace}/{name}:{port.name or port.port}"
            key = f"{namespace}/{name}" if index == 0 else named
            listen = mapped.get(key, mapped.get(named, port.node_port if node_ports else None))
            if listen is None:
                continue
            backends = tuple(filter(None, (_backend(pod, port) for pod in behind)))
            selector = ",".join(f"{label}={value}" for label, value in sorted(service.selector.items()))
            routes.append(Route(key, listen, backends, selector))
    return routes


def _backend(pod: Pod, port: ServicePort) -> Backend | None:
    """Where this pod serves the port; None if it has no port of that name."""
    if pod.pod_ip is None:
        return None
    if pod.pod_ip == SHARED_ADDRESS:  # all pods share one address, each has its own port
        moved = pod.metadata.annotations.get(PORT_ANNOTATION, "")
        return Backend(pod.pod_ip, int(moved)) if moved.isdecimal() else None
    if isinstance(port.target_port, int):
        return Backend(pod.pod_ip, port.target_port)
    for container in (*pod.containers, *pod.sidecars):
        for declared in container.ports:
            if declared.name == port.target_port:
                return Backend(pod.pod_ip, declared.port)
    return None
