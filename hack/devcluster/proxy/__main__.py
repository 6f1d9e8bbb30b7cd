"""`python -m devcluster.proxy`: one URL for the pods of a Service, for any Kubernetes API server."""

from pathlib import Path
from typing import Annotated

import typer

from devcluster.kubelet.signals import run_program
from devcluster.proxy.options import parse_mapping
from devcluster.proxy.proxy import ProxySettings, ServiceProxy, run_proxy
from inferno_shared.kubernetes import KubernetesClient
from inferno_shared.service import configure_logging


def main(
    kubeconfig: Annotated[
        Path | None, typer.Option(help="cluster whose Services to serve (default: $KUBECONFIG)")
    ] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", help="NAMESPACE/NAME[:PORT]=LOCAL_PORT (0: any free one)")
    ] = None,
    node_ports: Annotated[bool, typer.Option(help="listen on the node port of every Service")] = True,  # noqa: FBT002 - a flag
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "info",
) -> None:
    """Make Services reachable on 127.0.0.1, each request going to the ready pod with the fewest under way.

    \b
    Examples:
      python -m devcluster.proxy --kubeconfig ~/.kube/config
      python -m devcluster.proxy --no-node-ports --map llm-d-sim/vllm-service=8000
    """  # noqa: D301 - \b tells click to keep the lines
    configure_logging(log_level)

    async def serve() -> None:
        proxy = ServiceProxy(ProxySettings(mapped=parse_mapping(map_ or []), node_ports=node_ports))
        async with KubernetesClient.connect(kubeconfig=str(kubeconfig) if kubeconfig else None) as client:
            await run_proxy(client, proxy, ready=lambda: print("ready", flush=True))

    run_program(serve())


if __name__ == "__main__":
    typer.run(main)
