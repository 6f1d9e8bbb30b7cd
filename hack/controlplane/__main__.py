"""`python -m controlplane`: a real control plane on this machine until Ctrl-C."""

import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from controlplane.children import ChildFailedError
from controlplane.options import DEFAULT_DEVICE, Options
from controlplane.plane import ControlPlane, KubectlError
from controlplane.start import running_control_plane
from devcluster.kubelet.options import emulator_variables
from devcluster.proxy.options import parse_mapping
from inferno_shared.errors import ConfigurationError
from tools.programs import MissingProgramError

POLL_SECONDS = 1.0
EXIT_INTERRUPTED = 130


def main(  # noqa: PLR0917 - each is an option of the command line
    kubeconfig: Annotated[Path, typer.Option(help="where to write the administrator's kubeconfig")],
    folder: Annotated[Path | None, typer.Option(help="data and logs (default: a temporary one)")] = None,
    nodes: Annotated[int, typer.Option(min=0, help="nodes of the first pool")] = 4,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs of each of them")] = 8,
    device: Annotated[str, typer.Option(help="product name of the GPUs")] = DEFAULT_DEVICE,
    pool: Annotated[list[str] | None, typer.Option(help="one more pool: NODESxGPUS:DEVICE")] = None,
    startup_seconds: Annotated[float, typer.Option(min=0, help="how long a model takes to load")] = 3.0,
    hpa_sync_seconds: Annotated[float, typer.Option(min=0.1, help="how often HPAs are looked at")] = 2.0,
    emulator_env: Annotated[
        list[str] | None, typer.Option(help="VLLME_NAME=VALUE for every emulator; a container's own wins")
    ] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", help="serve NAMESPACE/NAME[:PORT]=LOCAL_PORT (0: a free one)")
    ] = None,
    port: Annotated[int, typer.Option(min=0, help="port of the API server (0: any free one)")] = 0,
    node_ports: Annotated[bool, typer.Option(help="listen on the node port of every Service")] = False,  # noqa: FBT002 - a flag
    without_pods: Annotated[bool, typer.Option(help="no nodes, no scheduler, no kubelet")] = False,  # noqa: FBT002 - a flag
    without_monitoring: Annotated[bool, typer.Option(help="no Prometheus, no Thanos")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Start etcd, kube-apiserver, kube-controller-manager, GPU nodes, Prometheus and Thanos until Ctrl-C.

    \b
    Examples:
      python -m controlplane --kubeconfig /tmp/real.kubeconfig
      python -m controlplane --kubeconfig /tmp/real.kubeconfig --without-monitoring --node-ports
    """  # noqa: D301 - \b tells click to keep the lines
    try:
        given = emulator_variables(emulator_env or []), parse_mapping(map_ or [])
    except ConfigurationError as error:
        sys.exit(f"error: {error}")
    options = Options(
        nodes=nodes,
        gpus=gpus,
        device=device,
        pools=tuple(pool or ()),
        startup_seconds=startup_seconds,
        emulator_variables=given[0],
        mapped=given[1],
        port=port,
        node_ports=node_ports,
        hpa_sync_seconds=hpa_sync_seconds,
        pods=not without_pods,
        monitoring=not without_monitoring,
    )
    chosen = nullcontext(folder) if folder else _temporary_folder()
    try:
        with (
            _terminate_as_interrupt(),
            chosen as place,
            running_control_plane(Path(place).resolve(), options, kubeconfig=kubeconfig.resolve()) as plane,
        ):
            _describe(plane)
            while True:
                plane.children.check()
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        print("\nEverything that was started has been stopped.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except (MissingProgramError, ChildFailedError, KubectlError) as error:
        sys.exit(f"error: {error}")


def _describe(plane: ControlPlane) -> None:
    """Say how long it took, how much memory it takes, and where everything is."""
    print(plane.footprint())
    print(f"  kubeconfig  {plane.kubeconfig}")
    print(f"  logs        {plane.children.logs}")
    if plane.monitoring is not None:
        print(f"  Thanos      {plane.monitoring.thanos_url} (TLS, with a token; CA {plane.authority})")
        print(f"  Prometheus  {plane.monitoring.prometheus_url}")
    for service in plane.service_ports:
        print(f"  {service}  {plane.service_url(service)}")
    print("Ctrl-C stops everything.", flush=True)


@contextmanager
def _temporary_folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="controlplane-") as folder:
        yield folder


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that no child process is left."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


if __name__ == "__main__":
    typer.run(main)
