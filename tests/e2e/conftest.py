"""Fixtures of the tests on a real control plane (`make tools`, then `make e2e`)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from controlplane import ControlPlane, Options, running_control_plane
from e2e.clusters import NAMESPACE, Cluster, DevCluster, running_dev_cluster
from inferno_shared.kubernetes import KubernetesClient

MEASURED = pytest.StashKey[list[str]]()
SERVICE = f"{NAMESPACE}/vllm-service"


@pytest.fixture(scope="session")
def measured(request: pytest.FixtureRequest) -> list[str]:
    """Lines to be shown at the end of the run."""
    return request.config.stash.setdefault(MEASURED, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was measured."""
    lines = terminalreporter.config.stash.get(MEASURED, [])
    if lines:
        terminalreporter.section("measured")
        terminalreporter.write_line("\n".join(lines))


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory, measured: list[str]) -> Iterator[ControlPlane]:
    """The control plane without monitoring; a test that breaks a part of it mends it again."""
    options = Options(startup_seconds=0.5, monitoring=False, services=(SERVICE,), hpa_sync_seconds=1)
    with running_control_plane(tmp_path_factory.mktemp("controlplane"), options) as plane:
        measured.append(f"control plane without monitoring: {plane.footprint()}")
        yield plane


@pytest.fixture(scope="session")
def development(tmp_path_factory: pytest.TempPathFactory, real: ControlPlane) -> Iterator[DevCluster]:
    """The development cluster, to be held against the real one."""
    with running_dev_cluster(tmp_path_factory.mktemp("devcluster"), real) as cluster:
        yield cluster


@pytest.fixture(params=["real", "devcluster"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """Each of the two in turn: what a test shows holds on both."""
    return cast("Cluster", request.getfixturevalue("real" if request.param == "real" else "development"))


@pytest.fixture
async def client(real: ControlPlane) -> AsyncIterator[KubernetesClient]:
    """Our own client, connected to the real API server as administrator."""
    async with _connected(real) as connected:
        yield connected


@pytest.fixture
async def any_client(cluster: Cluster) -> AsyncIterator[KubernetesClient]:
    """Our own client, connected to each of the two clusters in turn."""
    async with _connected(cluster) as connected:
        yield connected


@asynccontextmanager
async def _connected(cluster: Cluster) -> AsyncIterator[KubernetesClient]:
    async with KubernetesClient.connect(kubeconfig=str(cluster.kubeconfig)) as connected:
        yield connected
    await asyncio.sleep(
        0
    )  # the loop closes the sockets at its next turn, which a test's end does not wait for
