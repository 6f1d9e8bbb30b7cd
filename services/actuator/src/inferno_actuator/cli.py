"""Command line of the actuator."""

from typing import Annotated

import typer

from inferno_actuator.app import create_actuator_app
from inferno_actuator.settings import ActuatorSettings
from inferno_shared.service import load_settings, serve

_EPILOG = """
**Examples**

`inferno-actuator` runs the loop against the cluster of `$KUBECONFIG`, asking a collector at port 8081 and an
optimizer at port 8082 of this machine.

`INFERNO_EXTERNAL_METRICS=true inferno-actuator --port 9443` also serves external.metrics.k8s.io for HPAs.

`curl localhost:8443/plan/llm-d-sim/my-model` explains one decision; `curl -X POST localhost:8443/invoke` runs
the loop now.
"""

app = typer.Typer(no_args_is_help=False, add_completion=False, rich_markup_mode="markdown")


@app.callback(invoke_without_command=True, epilog=_EPILOG)
def serve_actuator(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
) -> None:
    """Run the autoscaler's loop: snapshot, plan, desired-replicas metric, status.

    Settings are environment variables with the prefix INFERNO_; the interval is GLOBAL_OPT_INTERVAL of the
    ConfigMap inferno-autoscaler-variantautoscaling-config, read live.
    """
    if context.invoked_subcommand is None:
        settings = load_settings(ActuatorSettings, host=host, port=port)
        serve(create_actuator_app(settings), settings)
