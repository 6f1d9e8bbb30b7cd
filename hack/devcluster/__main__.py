"""`python -m devcluster`: a Kubernetes cluster with GPU nodes on this machine, in one process."""

from pathlib import Path
from typing import Annotated

import typer

from devcluster.apiserver import write_kubeconfig
from devcluster.cluster import Cluster, ClusterSettings, run_cluster
from devcluster.controllers.hpa import DEFAULT_TOLERANCE
from devcluster.controllers.hpa_controller import DEFAULT_SYNC_SECONDS
from devcluster.controllers.run import ControllerSettings
from devcluster.kubelet.kubelet import DEFAULT_DEVICE, KubeletSettings
from devcluster.kubelet.options import emulator_variables, node_pools
from devcluster.kubelet.signals import run_program
from devcluster.proxy.options import parse_mapping
from devcluster.proxy.proxy import ProxySettings
from inferno_shared.service import configure_logging


def main(  # noqa: PLR0917 - each is an option of the command line
    kubeconfig: Annotated[Path | None, typer.Option(help="file to write, for KUBECONFIG")] = None,
    port: Annotated[int, typer.Option(min=0, help="port of the API server (0: any free one)")] = 0,
    nodes: Annotated[int, typer.Option(min=0, help="nodes of the first pool")] = 4,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs of each of them")] = 8,
    device: Annotated[str, typer.Option(help="product name of the GPUs")] = DEFAULT_DEVICE,
    pool: Annotated[list[str] | None, typer.Option(help="one more pool: NODESxGPUS:DEVICE")] = None,
    startup_seconds: Annotated[float, typer.Option(min=0, help="how long a model takes to load")] = 5.0,
    hpa_sync_seconds: Annotated[
        float, typer.Option(min=0.1, help="how often the HPA looks at its metrics")
    ] = DEFAULT_SYNC_SECONDS,
    hpa_tolerance: Annotated[
        float, typer.Option(min=0, help="relative distance from the target that the HPA ignores")
    ] = DEFAULT_TOLERANCE,
    emulator_env: Annotated[
        list[str] | None, typer.Option(help="VLLME_NAME=VALUE for every emulator; a container's own wins")
    ] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", help="serve NAMESPACE/NAME[:PORT]=LOCAL_PORT")
    ] = None,
    node_ports: Annotated[bool, typer.Option(help="serve the node port of every Service")] = True,  # noqa: FBT002 - a flag
    apply: Annotated[
        list[Path] | None, typer.Option(help="manifest file or folder to apply at start")
    ] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "warning",
) -> None:
    """Run a cluster until Ctrl-C: API server, Deployment and HPA controllers, GPU nodes, Service proxy.

    Every pod that runs `vllm serve` becomes a vLLM emulator. Nothing is left behind at the end.

    \b
    Examples:
      python -m devcluster --kubeconfig kubeconfig
      KUBECONFIG=kubeconfig kubectl get nodes
      python -m devcluster --nodes 2 --pool 1x8:AMD-MI300X-192GB --startup-seconds 20
      python -m devcluster --hpa-sync-seconds 2 --apply config/crd --map llm-d-sim/vllm-service=8000
    """  # noqa: D301 - \b tells click to keep the lines
    configure_logging(log_level)

    def tell(cluster: Cluster) -> None:
        if kubeconfig is not None:
            write_kubeconfig(kubeconfig, cluster.url)
        print(cluster.url)
        print("ready", flush=True)

    async def serve() -> None:
        settings = ClusterSettings(
            controllers=ControllerSettings(hpa_sync_seconds, hpa_tolerance),
            kubelet=KubeletSettings(
                pools=node_pools(nodes, gpus, device, pool or []),
                startup_seconds=startup_seconds,
                emulator_variables=emulator_variables(emulator_env or []),
            ),
            proxy=ProxySettings(mapped=parse_mapping(map_ or []), node_ports=node_ports),
            manifests=tuple(apply or ()),
            port=port,
        )
        await run_cluster(settings, tell)

    run_program(serve())


if __name__ == "__main__":
    typer.run(main)
