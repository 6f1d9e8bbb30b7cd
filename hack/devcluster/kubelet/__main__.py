"""`python -m devcluster.kubelet`: nodes and pods for any Kubernetes API server."""

from pathlib import Path
from typing import Annotated

import typer

from devcluster.kubelet.kubelet import DEFAULT_DEVICE, KubeletSettings, run_kubelet
from devcluster.kubelet.options import emulator_variables, node_pools
from devcluster.kubelet.signals import run_program
from inferno_shared.kubernetes import KubernetesClient
from inferno_shared.service import configure_logging


def main(  # noqa: PLR0917 - each is an option of the command line
    kubeconfig: Annotated[Path | None, typer.Option(help="cluster to join (default: $KUBECONFIG)")] = None,
    nodes: Annotated[int, typer.Option(min=0, help="nodes of the first pool")] = 4,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs of each of them")] = 8,
    device: Annotated[str, typer.Option(help="product name of the GPUs")] = DEFAULT_DEVICE,
    pool: Annotated[list[str] | None, typer.Option(help="one more pool: NODESxGPUS:DEVICE")] = None,
    adopt_node: Annotated[list[str] | None, typer.Option(help="run the pods of this existing node")] = None,
    node_prefix: Annotated[str, typer.Option(help="nodes are called PREFIX0, PREFIX1, ...")] = "gpu-node-",
    startup_seconds: Annotated[float, typer.Option(min=0, help="how long a model takes to load")] = 5.0,
    emulator_env: Annotated[
        list[str] | None, typer.Option(help="VLLME_NAME=VALUE for every emulator; a container's own wins")
    ] = None,
    port: Annotated[int, typer.Option(help="HTTPS port for logs (0: any free one)")] = 0,
    scheduler: Annotated[bool, typer.Option(help="also bind pending pods to nodes")] = True,  # noqa: FBT002 - a flag
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "info",
) -> None:
    """Register GPU nodes and run a vLLM emulator for every pod that is scheduled to them.

    \b
    Examples:
      python -m devcluster.kubelet --kubeconfig ~/.kube/config --nodes 4 --gpus 8
      python -m devcluster.kubelet --nodes 2 --pool 1x8:AMD-MI300X-192GB --startup-seconds 20
      python -m devcluster.kubelet --emulator-env VLLME_ALPHA_MS=7.77 --emulator-env VLLME_BETA_MS=0.15
    """  # noqa: D301 - \b tells click to keep the lines
    configure_logging(log_level)

    async def serve() -> None:
        settings = KubeletSettings(
            pools=node_pools(nodes, gpus, device, pool or []),
            adopted_nodes=tuple(adopt_node or ()),
            node_prefix=node_prefix,
            startup_seconds=startup_seconds,
            emulator_variables=emulator_variables(emulator_env or []),
            port=port,
            scheduler=scheduler,
        )
        async with KubernetesClient.connect(kubeconfig=str(kubeconfig) if kubeconfig else None) as client:
            await run_kubelet(client, settings, ready=lambda: print("ready", flush=True))

    run_program(serve())


if __name__ == "__main__":
    typer.run(main)
