"""The cluster that a test runs on: the development cluster in this process, or a real control plane."""

import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx

from controlplane import ControlPlane, Options, running_control_plane
from devcluster.cluster import running_cluster
from inferno_shared.kubernetes import KubernetesClient
from inferno_shared.service.tls import client_context


class Cluster(Protocol):
    """What tests need of either."""

    @property
    def url(self) -> str: ...

    @property
    def kubeconfig(self) -> Path: ...

    @property
    def client(self) -> KubernetesClient: ...

    def service_url(self, namespace: str, name: str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class RealCluster:
    """A control plane with our client."""

    plane: ControlPlane
    client: KubernetesClient

    @property
    def url(self) -> str:
        return self.plane.core.api_url

    @property
    def kubeconfig(self) -> Path:
        return self.plane.kubeconfig

    def service_url(self, namespace: str, name: str) -> str | None:
        return self.plane.service_url(f"{namespace}/{name}")


@asynccontextmanager
async def a_cluster(
    *,
    real: bool,
    nodes: int = 4,
    gpus: int = 8,
    hpa_sync_seconds: float = 1,
    emulator_variables: Mapping[str, str] | None = None,
    services: Sequence[str] = (),
) -> AsyncIterator[Cluster]:
    """Either cluster, with the same nodes and the same pace."""
    if not real:
        async with running_cluster(
            nodes=nodes,
            gpus=gpus,
            hpa_sync_seconds=hpa_sync_seconds,
            emulator_variables=emulator_variables,
            services=services,
        ) as cluster:
            yield cluster
        return
    options = Options(
        nodes=nodes,
        gpus=gpus,
        startup_seconds=0,
        hpa_sync_seconds=hpa_sync_seconds,
        emulator_variables=emulator_variables or {},
        services=tuple(services),
        monitoring=False,
    )
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="integration-")))
        plane = stack.enter_context(running_control_plane(folder, options))
        connection = KubernetesClient.connect(kubeconfig=str(plane.kubeconfig))
        yield RealCluster(plane, await stack.enter_async_context(connection))


def api_client(cluster: Cluster) -> httpx.AsyncClient:
    """Plain HTTP to the API server, as administrator."""
    if not isinstance(cluster, RealCluster):
        return httpx.AsyncClient(base_url=cluster.url)
    admin = cluster.plane.identities.admin
    context = client_context(ca_file=cluster.plane.authority, cert_file=admin.certificate, key_file=admin.key)
    return httpx.AsyncClient(base_url=cluster.url, verify=context, trust_env=False)
