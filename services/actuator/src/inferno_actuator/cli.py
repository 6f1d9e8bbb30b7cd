"""Command line of the actuator."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from inferno_actuator.app import create_actuator_app
from inferno_actuator.clients import OptimizerClient
from inferno_actuator.decision_log.replay import Comparison, ReplayError, read_log, table
from inferno_actuator.decision_log.replay import replay as replay_log
from inferno_actuator.doctor import Level, examine
from inferno_actuator.reach import (
    CaFile,
    CertFile,
    CollectorUrl,
    KeyFile,
    OptimizerUrl,
    SkipVerify,
    TokenFile,
    to_collector,
    to_optimizer,
)
from inferno_actuator.settings import ActuatorSettings
from inferno_actuator.stages import StageError
from inferno_shared.errors import InfernoError
from inferno_shared.kubernetes import KubernetesClient
from inferno_shared.service import configure_logging, load_settings, serve

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

`inferno-actuator replay decisions.jsonl --optimizer-url https://localhost:9082 --client-cert-file me.crt
--client-key-file me.key --client-ca-file ca.crt` asks a secured one.
"""
_DOCTOR_EPILOG = """
**Examples**

`inferno-actuator doctor` examines the cluster of `$KUBECONFIG` from wherever it runs.

`inferno-actuator doctor --collector-url https://collector:8081 --client-ca-file ca.crt --client-token-file
token` asks a secured collector (`kubectl create token NAME --audience=inferno-autoscaler > token`).

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
    optimizer_url: OptimizerUrl = None,
    variant: Annotated[str | None, typer.Option(help="Only this one: namespace/name.")] = None,
    client_ca_file: CaFile = None,
    client_cert_file: CertFile = None,
    client_key_file: KeyFile = None,
    *,
    insecure_skip_tls_verify: SkipVerify = False,
    everything: Annotated[bool, typer.Option("--all", help="Show equal ones, too.")] = False,
) -> None:
    """Send logged snapshots to an optimizer and show where its plans differ; exits with 1 when they do."""
    settings = load_settings(
        ActuatorSettings,
        optimizer_url=optimizer_url,
        client_ca_file=client_ca_file,
        client_cert_file=client_cert_file,
        client_key_file=client_key_file,
    )
    try:
        found = asyncio.run(_replayed(file, settings, variant, skip_verify=insecure_skip_tls_verify))
    except (ReplayError, StageError, InfernoError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    different = [comparison for comparison in found if comparison.differs]
    shown = found if everything else different
    if shown:
        typer.echo(table(shown))
    typer.echo(f"{len(found)} decisions replayed, {len(different)} differ")
    raise typer.Exit(1 if different else 0)


@app.command(epilog=_DOCTOR_EPILOG)
def doctor(
    collector_url: CollectorUrl = None,
    optimizer_url: OptimizerUrl = None,
    namespace: Annotated[str | None, typer.Option(help="Namespace of the autoscaler.")] = None,
    client_ca_file: CaFile = None,
    client_cert_file: CertFile = None,
    client_key_file: KeyFile = None,
    client_token_file: TokenFile = None,
    *,
    insecure_skip_tls_verify: SkipVerify = False,
) -> None:
    """Examine an installation without changing anything: one line each, with the command that fixes it.

    Has the service's settings ($KUBECONFIG, INFERNO_COLLECTOR_URL, ...), an option wins over its variable;
    exits with 1 on a failure.
    """
    settings = load_settings(
        ActuatorSettings,
        collector_url=collector_url,
        optimizer_url=optimizer_url,
        namespace=namespace,
        client_ca_file=client_ca_file,
        client_cert_file=client_cert_file,
        client_key_file=client_key_file,
        client_token_file=client_token_file,
    )
    try:
        levels = asyncio.run(_examined(settings, skip_verify=insecure_skip_tls_verify))
    except InfernoError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    counts = ", ".join(f"{levels.count(level)} {level}" for level in Level)
    typer.echo(f"{len(levels)} checks: {counts}")
    raise typer.Exit(1 if Level.FAILURE in levels else 0)


async def _examined(settings: ActuatorSettings, *, skip_verify: bool) -> list[Level]:
    configure_logging("error")
    levels = []
    async with (
        KubernetesClient.connect() as kubernetes,
        to_collector(settings, _DOCTOR_TIMEOUT_SECONDS, skip_verify=skip_verify) as collector,
        to_optimizer(settings, _DOCTOR_TIMEOUT_SECONDS, skip_verify=skip_verify) as optimizer,
    ):
        async for finding in examine(kubernetes, collector, optimizer, settings):
            typer.echo(str(finding))
            levels.append(finding.level)
    return levels


async def _replayed(
    file: Path, settings: ActuatorSettings, variant: str | None, *, skip_verify: bool
) -> list[Comparison]:
    configure_logging("error")
    async with to_optimizer(settings, _REPLAY_TIMEOUT_SECONDS, skip_verify=skip_verify) as http:
        lines = read_log(file)
        return [it async for it in replay_log(lines, OptimizerClient(http), variant=variant)]
