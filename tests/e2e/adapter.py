"""A Prometheus adapter with the guide's values file, as a process on this machine.

The chart prometheus-community/prometheus-adapter turns the values into a command line and a configuration
(templates deployment.yaml, configmap.yaml); so does this, with the addresses and files of this machine.
The chart's default rules, which are about container metrics, are left out.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from controlplane import ControlPlane
from controlplane.plane import Monitoring
from controlplane.probes import HOST, answers, free_ports
from e2e.clusters import SAMPLES
from e2e.product import API_SERVICE

VALUES = SAMPLES / "prometheus-adapter-values.yaml"
MANIFEST = Path(__file__).parent / "manifests/prometheus-adapter.yaml"
STAND_IN = Path(__file__).parent / "stand_in_adapter.py"
NAMESPACE, ACCOUNT = "openshift-user-workload-monitoring", "prometheus-adapter"

# How often it looks which metrics there are; the chart's default of one minute would only be waited for.
RELIST = "5s"
NAME = "prometheus-adapter"


@dataclass(frozen=True)
class Place:
    """What takes the place of a cluster's addresses and mounted files."""

    prometheus_url: str
    ca_file: Path
    token_file: Path
    kubeconfig: Path
    certificate: Path
    key: Path
    port: int


def check_adapter(path: str | None) -> Path | None:
    """The program at `path`, None for none. Raises ValueError with what to do."""
    if not path:
        return None
    program = Path(path).expanduser().resolve()
    if not (program.is_file() and os.access(program, os.X_OK)):
        raise ValueError(
            f"ADAPTER={path} is not a program: give the path of a Prometheus adapter's binary (/adapter in "
            "the image registry.k8s.io/prometheus-adapter/prometheus-adapter), or leave ADAPTER out"
        )
    return program


def stand_in(folder: Path) -> Path:
    """A program that takes an adapter's place, where there is none."""
    script = folder / "adapter"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
    script.chmod(0o700)
    return script


def adapter_configuration(values: dict[str, Any]) -> dict[str, Any]:
    """The file of `--config` that the chart writes from the values."""
    return {"externalRules": values["rules"]["external"]}


def adapter_arguments(values: dict[str, Any], configuration: Path, place: Place) -> list[str]:
    """The command line that the chart writes from the values, for this machine.

    Raises ValueError for an argument with a file of which this machine knows nothing.
    """
    files = {"--prometheus-ca-file": place.ca_file, "--prometheus-token-file": place.token_file}
    extra = []
    for argument in values.get("extraArguments", ()):
        flag = argument.partition("=")[0]
        if flag not in files:
            raise ValueError(f"extraArguments: no file on this machine for {argument}")
        extra.append(f"{flag}={files[flag]}")
    return [
        f"--secure-port={place.port}",
        f"--bind-address={HOST}",
        f"--tls-cert-file={place.certificate}",
        f"--tls-private-key-file={place.key}",
        f"--prometheus-url={place.prometheus_url}",
        f"--metrics-relist-interval={RELIST}",
        f"--v={values['logLevel']}",
        f"--config={configuration}",
        *extra,
        f"--lister-kubeconfig={place.kubeconfig}",
        f"--authentication-kubeconfig={place.kubeconfig}",
        f"--authorization-kubeconfig={place.kubeconfig}",
    ]


@contextmanager
def running_adapter(
    plane: ControlPlane, monitoring: Monitoring, program: Path, values_file: Path = VALUES
) -> Iterator[None]:
    """The cluster's external metrics API until the context ends. Raises ChildFailedError with its last words.

    Whoever owned that API before is registered no longer.
    """
    (port,) = free_ports(1)
    plane.kubectl("apply", "-f", "-", stdin=MANIFEST.read_text().replace("port: 6443", f"port: {port}"))
    pair = plane.issue(NAME)
    kubeconfig = plane.account_kubeconfig(NAMESPACE, ACCOUNT)
    place = Place(
        prometheus_url=monitoring.thanos_url,
        ca_file=plane.authority,
        token_file=kubeconfig.with_suffix(".token"),
        kubeconfig=kubeconfig,
        certificate=pair.certificate,
        key=pair.key,
        port=port,
    )
    values = yaml.safe_load(values_file.read_text())
    configuration = plane.folder / "adapter.yaml"
    configuration.write_text(yaml.safe_dump(adapter_configuration(values)))
    child = plane.children.start(
        NAME,
        [program, *adapter_arguments(values, configuration, place)],
        ready=answers(f"https://{HOST}:{port}/healthz", authority=plane.authority),
    )
    try:
        child.wait_until_ready()
        plane.kubectl("wait", "--for=condition=Available", API_SERVICE, "--timeout=30s")
        yield
    finally:
        plane.children.stop(NAME)
