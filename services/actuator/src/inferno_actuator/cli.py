"""Command line of the actuator."""

import asyncio
from pathlib import Path
from typing import Annotated

import httpx
import typer

from inferno_actuator.app import create_actuator_app
from inferno_actuator.clients import OptimizerClient
from inferno_actuator.decision_log.replay import Comparison, ReplayError, read_log, table
from inferno_actuator.decision_log.replay import replay as replay_log
from inferno_actuator.doctor import Level, examine
from inferno_actuator.settings import ActuatorSettings
from inferno_actuator.stages import StageError
from inferno_shared.errors import InfernoError
from inferno_shared.kubernetes import KubernetesClient
from inferno_shared.service import http_client, load_settings, serve

_EPILOG = """
**Examples**

`inferno-actuator` runs the loop against the cluster of `$KUBECONFIG`, asking a collector at port 8081 and an
optimizer at port 8082 of this machine.

`INFERNO_EXTERNAL_METRICS=true inferno-actuator --port 9443` also serves external.metrics.k8s.io for HPAs.

`curl localhost:8443/plan/llm-d-sim/my-model` explains one decision; `curl -X POST localhost:8443/invoke` runs
the loop now.
"""

_REPLAY_EPILOG = """
**Examples**

`inferno-actuator replay decisions.jsonl` compares every decision with the optimizer at port 8082.

`inferno-actuator replay decisions.jsonl --variant llm-d-sim/my-model --all` shows the history of one variant.
"""
_DOCTOR_EPILOG = """
**Examples**

`inferno-actuator doctor` examines the cluster of `$KUBECONFIG` from wherever it runs.

`kubectl exec deploy/inferno-autoscaler-controller-manager -n inferno-autoscaler-system --
inferno-actuator doctor` examines it with the rights of the actuator's own account.
"""
_DOCTOR_TIMEOUT_SECONDS = 10.0
_REPLAY_TIMEOUT_SECONDS = 120.0

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


@app.command(epilog=_REPLAY_EPILOG)
def replay(
    file: Annotated[Path, typer.Argument(help="A decision log: INFERNO_DECISION_LOG_FILE.")],
    optimizer: Annotated[str, typer.Option(help="Address of the optimizer.")] = "http://127.0.0.1:8082",
    variant: Annotated[str | None, typer.Option(help="Only this one: namespace/name.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Show equal ones, too.")] = False,
) -> None:
    """Send logged snapshots to an optimizer and show where its plans differ; exits with 1 when they do."""
    try:
        found = asyncio.run(_replayed(file, optimizer, variant))
    except (ReplayError, StageError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    different = [comparison for comparison in found if comparison.differs]
    shown = found if everything else different
    if shown:
        typer.echo(table(shown))
    typer.echo(f"{len(found)} decisions replayed, {len(different)} differ")
    raise typer.Exit(1 if different else 0)


@app.command(epilog=_DOCTOR_EPILOG)
def doctor() -> None:
    """Examine an installation without changing anything: one line each, with the command that fixes it.

    Has the service's settings ($KUBECONFIG, INFERNO_COLLECTOR_URL, ...); exits with 1 on a failure.
    """
    try:
        levels = asyncio.run(_examined(load_settings(ActuatorSettings)))
    except InfernoError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    counts = ", ".join(f"{levels.count(level)} {level}" for level in Level)
    typer.echo(f"{len(levels)} checks: {counts}")
    raise typer.Exit(1 if Level.FAILURE in levels else 0)


async def _examined(settings: ActuatorSettings) -> list[Level]:
    levels = []
    async with (
        KubernetesClient.connect() as kubernetes,
        _quick_client(settings, settings.collector_url) as collector,
        _quick_client(settings, settings.optimizer_url) as optimizer,
    ):
        async for finding in examine(kubernetes, collector, optimizer, settings):
            typer.echo(str(finding))
            levels.append(finding.level)
    return levels


def _quick_client(settings: ActuatorSettings, url: str) -> httpx.AsyncClient:
    return http_client(base_url=url, timeout_seconds=_DOCTOR_TIMEOUT_SECONDS, ca_file=settings.client_ca_file)


async def _replayed(file: Path, optimizer_url: str, variant: str | None) -> list[Comparison]:
    async with http_client(base_url=optimizer_url, timeout_seconds=_REPLAY_TIMEOUT_SECONDS) as http:
        lines = read_log(file)
        return [it async for it in replay_log(lines, OptimizerClient(http), variant=variant)]
