"""A release of the chart without pods, and the services as processes with the accounts that it made."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from chart.helm import RELEASE, helm
from chart.paths import CHART
from controlplane import ControlPlane
from controlplane.monitoring import PLATFORM
from controlplane.probes import HOST, answers, free_ports
from e2e.clusters import NAMESPACE, SYSTEM, install, manifest

BIN = Path(sys.executable).parent
SERVICES = ("collector", "optimizer", "actuator")
COMMON = (f"watchNamespaces={{{NAMESPACE}}}", "collector.loadSource=scrape", "actuator.replicas=0")


@contextmanager
def released(real: ControlPlane, *values: str) -> Iterator[None]:
    """The chart installed with these values (`name=value`), prices and classes; removed at the end."""
    settings = [word for value in (*COMMON, *values) for word in ("--set", value)]
    place = ("--namespace", SYSTEM, "--kubeconfig", real.kubeconfig)
    install(real, SYSTEM, NAMESPACE)
    real.kubectl("apply", "-f", str(PLATFORM))
    real.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    helm("install", RELEASE, CHART, *place, *settings)
    real.kubectl("apply", "-f", manifest("acc-servclass-configmap.yaml"))
    try:
        yield
    finally:
        helm("uninstall", RELEASE, *place)
        real.kubectl("delete", "namespace", SYSTEM, NAMESPACE, "--wait=true")


def service_urls(scheme: str) -> dict[str, str]:
    """Where each service is to listen."""
    ports = free_ports(len(SERVICES))
    return {name: f"{scheme}://{HOST}:{port}" for name, port in zip(SERVICES, ports, strict=True)}


@contextmanager
def running(
    real: ControlPlane, urls: Mapping[str, str], variables: Mapping[str, Mapping[str, str]]
) -> Iterator[None]:
    """The services at these addresses with these variables, ready."""
    children = [
        real.children.start(
            f"released-{name}",
            [BIN / f"inferno-{name}", "--host", HOST, "--port", url.rpartition(":")[2]],
            ready=answers(f"{url}/healthz", authority=real.authority if url.startswith("https") else None),
            variables=variables[name],
        )
        for name, url in urls.items()
    ]
    try:
        for child in children:
            child.wait_until_ready()
        yield
    finally:
        for name in urls:
            real.children.stop(f"released-{name}")
