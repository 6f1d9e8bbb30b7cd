"""Command line of the collector."""

from typing import Annotated

import typer

from inferno_collector.app import create_collector_app
from inferno_collector.settings import CollectorSettings
from inferno_shared.service import load_settings, serve

_EPILOG = """
**Examples**

`inferno-collector` reads the cluster of `$KUBECONFIG` and Prometheus, whose address is in the ConfigMap
inferno-autoscaler-variantautoscaling-config.

`INFERNO_LOAD_SOURCE=scrape inferno-collector --port 9081` needs no Prometheus: it asks the pods themselves.

`curl localhost:8081/snapshot` shows the snapshot.
"""

app = typer.Typer(no_args_is_help=False, add_completion=False, rich_markup_mode="markdown")


@app.callback(invoke_without_command=True, epilog=_EPILOG)
def serve_collector(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
) -> None:
    """Serve snapshots of the cluster: accelerators, prices, service classes, variants and their load.

    Settings are environment variables with the prefix INFERNO_, such as INFERNO_LOAD_SOURCE and
    INFERNO_LOAD_WINDOW_SECONDS; all errors in them are shown at once.
    """
    if context.invoked_subcommand is None:
        settings = load_settings(CollectorSettings, host=host, port=port)
        serve(create_collector_app(settings), settings)
