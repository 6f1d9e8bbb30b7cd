"""The two clusters that tests run on: the real control plane, and the development cluster as a process."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from controlplane import ControlPlane
from controlplane.children import Children
from controlplane.plane import KubectlError
from controlplane.probes import free_ports

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "config/samples"
CRD = ROOT / "config/crd"
SYSTEM = "inferno-autoscaler-system"
NAMESPACE = "llm-d-sim"
NAME = "ms-inference-scheduling-llm-d-modelservice-decode"
START_SECONDS = 30.0
KUBECTL_SECONDS = 60.0


class Cluster(Protocol):
    """What a test needs of either."""

    @property
    def kubeconfig(self) -> Path: ...

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str: ...

    def service_url(self, service: str) -> str: ...


@dataclass(frozen=True)
class DevCluster:
    """`python -m devcluster`, reached with the same kubectl as the real one."""

    kubeconfig: Path
    program: Path
    service_ports: Mapping[str, int]

    def service_url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.service_ports[service]}"

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            [str(self.program), f"--kubeconfig={self.kubeconfig}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=KUBECTL_SECONDS,
            check=False,
        )
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout


@contextmanager
def running_dev_cluster(folder: Path, real: ControlPlane) -> Iterator[DevCluster]:
    """The development cluster until the context ends."""
    kubeconfig = folder / "kubeconfig"
    ports = dict(zip(real.service_ports, free_ports(len(real.service_ports)), strict=True))
    words = ["--kubeconfig", kubeconfig, "--no-node-ports", "--startup-seconds", "0.5"]
    words += ["--hpa-sync-seconds", "1"]
    words += [word for service, port in ports.items() for word in ("--map", f"{service}={port}")]
    with Children(folder, real.children.environment) as children:
        cluster = DevCluster(kubeconfig, real.programs["kubectl"], ports)

        def has_nodes() -> bool:
            if not kubeconfig.exists():
                return False
            try:
                return "Ready" in cluster.kubectl("get", "nodes")
            except KubectlError:
                return False

        children.start("devcluster", [sys.executable, "-m", "devcluster", *words], ready=has_nodes)
        children.all["devcluster"].wait_until_ready()
        yield cluster


def until(what: Callable[[], Any], *, seconds: float = START_SECONDS, why: str = "") -> Any:  # noqa: ANN401 - whatever it finds
    """The first true result of `what`; a kubectl error counts as not yet."""
    deadline = time.monotonic() + seconds
    last: object = None
    while True:
        try:
            last = what()
        except KubectlError as error:
            last = error
        else:
            if last:
                return last
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {why or what}; last: {last}")
        time.sleep(0.1)


async def until_true(what: Callable[[], Any], *, seconds: float = START_SECONDS) -> None:
    """Wait until `what` is true, letting this event loop go on."""
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.05)


def manifest(name: str) -> str:
    """Path of one of the seed's samples."""
    return str(SAMPLES / name)


def install(cluster: Cluster, *namespaces: str) -> None:
    """The CRD and these namespaces, whether they are there already or not."""
    cluster.kubectl("apply", "-f", str(CRD))
    cluster.kubectl("wait", "--for=condition=Established", "crd/variantautoscalings.llmd.ai")
    for namespace in namespaces:
        document = f'{{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "{namespace}"}}}}'
        cluster.kubectl("apply", "-f", "-", stdin=document)
