"""What ServiceMonitors select, as Prometheus targets with the labels that the Prometheus operator gives.

Pure. A Service with a selector stands for its pods; one of type ExternalName for a process on this machine,
which has no pod.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inferno_shared.kubernetes import JsonObject, Metadata, Pod, Service

LOCALHOST = "localhost"
SCRAPE_SECONDS = "30s"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of a ServiceMonitor."""

    port: str
    path: str
    scheme: str
    interval: str


@dataclass(frozen=True, slots=True)
class ServiceMonitor:
    """Which Services to scrape (`namespaces` None: all), and how."""

    metadata: Metadata
    namespaces: frozenset[str] | None
    match_labels: Mapping[str, str]
    endpoints: tuple[Endpoint, ...]

    def selects(self, service: Metadata) -> bool:
        """Whether it selects this Service."""
        inside = self.namespaces is None or service.namespace in self.namespaces
        return inside and self.match_labels.items() <= service.labels.items()


@dataclass(frozen=True, slots=True)
class MonitoredService:
    """A Service and whether it only names this machine."""

    service: Service
    local: bool


@dataclass(frozen=True, slots=True)
class Target:
    """One address to scrape."""

    address: str
    labels: Mapping[str, str]
    scheme: str

    def as_file_sd(self) -> JsonObject:
        """As Prometheus' file_sd wants it."""
        return {"targets": [self.address], "labels": dict(self.labels)}


def parse_service_monitor(raw: JsonObject, metadata: Metadata) -> ServiceMonitor:
    """Read a ServiceMonitor, as far as the seed's need it: match labels, namespaces, endpoints."""
    spec = raw.get("spec") or {}
    selector = spec.get("namespaceSelector") or {}
    named = frozenset(selector.get("matchNames") or (metadata.namespace,))
    return ServiceMonitor(
        metadata=metadata,
        namespaces=None if selector.get("any") else named,
        match_labels=(spec.get("selector") or {}).get("matchLabels") or {},
        endpoints=tuple(_endpoint(endpoint) for endpoint in spec.get("endpoints") or ()),
    )


def find_targets(
    monitors: Iterable[ServiceMonitor], services: Iterable[MonitoredService], pods: Iterable[Pod]
) -> list[Target]:
    """Every target, in a stable order."""
    known_services, known_pods = list(services), list(pods)
    found = [
        target
        for monitor in monitors
        for monitored in known_services
        if monitor.selects(monitored.service.metadata)
        for endpoint in monitor.endpoints
        for target in _targets(monitored, endpoint, known_pods)
    ]
    return sorted(found, key=lambda target: (target.address, sorted(target.labels.items())))


def _endpoint(raw: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        port=str(raw.get("port", "")),
        path=str(raw.get("path") or "/metrics"),
        scheme=str(raw.get("scheme") or "http").lower(),
        interval=str(raw.get("interval") or SCRAPE_SECONDS),
    )


def _targets(monitored: MonitoredService, endpoint: Endpoint, pods: Iterable[Pod]) -> Iterator[Target]:
    service = monitored.service
    for port in service.ports:
        if port.name != endpoint.port:
            continue
        labels = {
            "namespace": service.metadata.namespace,
            "service": service.metadata.name,
            "job": service.metadata.name,
            "endpoint": endpoint.port,
            "__metrics_path__": endpoint.path,
            "__scheme__": endpoint.scheme,
            "__scrape_interval__": endpoint.interval,
            "__scrape_timeout__": endpoint.interval,
        }
        if monitored.local:
            yield Target(f"{LOCALHOST}:{port.port}", labels, endpoint.scheme)
            continue
        for pod in pods:
            if pod.metadata.namespace == service.metadata.namespace and service.selects(pod.metadata.labels):
                yield from _pod_target(pod, port.target_port, labels, endpoint.scheme)


def _pod_target(pod: Pod, wanted: int | str, labels: Mapping[str, str], scheme: str) -> Iterator[Target]:
    """The target of a running pod; its container is known only if it declares the port."""
    declared = [
        (container.name, port.port)
        for container in (*pod.containers, *pod.sidecars)
        for port in container.ports
        if wanted in {port.port, port.name}
    ]
    number = declared[0][1] if declared else wanted
    if not pod.pod_ip or not isinstance(number, int) or pod.metadata.deleting:
        return
    container = {"container": declared[0][0]} if declared else {}
    yield Target(f"{pod.pod_ip}:{number}", {**labels, "pod": pod.metadata.name, **container}, scheme)
