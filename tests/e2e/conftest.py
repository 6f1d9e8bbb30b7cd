"""Fixtures of the tests on a real control plane (`make tools`, then `make e2e`)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from controlplane import ControlPlane, Options, running_control_plane
from e2e.adapter import check_adapter, stand_in
from e2e.clusters import NAMESPACE, Cluster, DevCluster, running_dev_cluster
from inferno_shared.kubernetes import KubernetesClient

MEASURED = pytest.StashKey[list[str]]()
SERVICE = f"{NAMESPACE}/vllm-service"
# Those that take minutes, longest first: then both workers end at about the same time.
LONG = ("test_faults.py", "test_guide.py", "test_sharing.py", "test_reaction.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make e2e ADAPTER=path`."""
    parser.addoption(
        "--adapter",
        metavar="PATH",
        help="a Prometheus adapter's binary for the guide's own way of the metric",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Say at once if the adapter is not there."""
    try:
        check_adapter(config.getoption("--adapter"))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture(scope="session")
def measured(request: pytest.FixtureRequest) -> list[str]:
    """Lines to be shown at the end of the run."""
    return request.config.stash.setdefault(MEASURED, [])


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands its lines to the program that started it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["measured"] = session.config.stash.get(MEASURED, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - pytest-xdist has no type for it
    """Take a worker's lines."""
    lines = getattr(node, "workeroutput", {}).get("measured", [])
    node.config.stash.setdefault(MEASURED, []).extend(lines)


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


@pytest.fixture(scope="session")
def given_adapter(request: pytest.FixtureRequest) -> Path | None:
    """The Prometheus adapter's binary of `make e2e ADAPTER=path`."""
    return check_adapter(request.config.getoption("--adapter"))


@pytest.fixture(scope="session")
def adapter(given_adapter: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That binary, or a stand-in that takes the same arguments."""
    return given_adapter or stand_in(tmp_path_factory.mktemp("adapter"))


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
