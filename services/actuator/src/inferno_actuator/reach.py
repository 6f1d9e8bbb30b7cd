"""How the commands `doctor` and `replay` reach the services: options named like the service's settings.

Each option stands for the environment variable of its name (`--client-ca-file`: INFERNO_CLIENT_CA_FILE) and
wins over it, so that a command does from a desk what the service does in its pod.
"""

from pathlib import Path
from typing import Annotated

import httpx
import typer

from inferno_actuator.settings import ActuatorSettings
from inferno_shared.service import http_client

CollectorUrl = Annotated[str | None, typer.Option("--collector-url", help="Where the collector answers.")]
OptimizerUrl = Annotated[
    str | None, typer.Option("--optimizer-url", "--optimizer", help="Where the optimizer answers.")
]
CaFile = Annotated[
    Path | None,
    typer.Option("--client-ca-file", help="Authority (PEM) of the services' certificates."),
]
CertFile = Annotated[
    Path | None, typer.Option("--client-cert-file", help="Client certificate (PEM) to show them.")
]
KeyFile = Annotated[Path | None, typer.Option("--client-key-file", help="Its private key (PEM).")]
TokenFile = Annotated[
    Path | None, typer.Option("--client-token-file", help="Token to show to the collector, only over https.")
]
SkipVerify = Annotated[
    bool,
    typer.Option(
        "--insecure-skip-tls-verify",
        help="Believe any certificate, as behind a port-forward; then no token is sent.",
    ),
]


def to_collector(
    settings: ActuatorSettings, timeout_seconds: float, *, skip_verify: bool = False
) -> httpx.AsyncClient:
    """A client of the collector: the only one that is shown the token."""
    token_file = None if skip_verify else settings.client_token_file
    return _client(settings, settings.collector_url, timeout_seconds, token_file, skip_verify=skip_verify)


def to_optimizer(
    settings: ActuatorSettings, timeout_seconds: float, *, skip_verify: bool = False
) -> httpx.AsyncClient:
    """A client of the optimizer, which knows its callers by their certificates."""
    return _client(settings, settings.optimizer_url, timeout_seconds, None, skip_verify=skip_verify)


def _client(
    settings: ActuatorSettings,
    url: str,
    timeout_seconds: float,
    token_file: Path | None,
    *,
    skip_verify: bool,
) -> httpx.AsyncClient:
    if skip_verify:
        return http_client(base_url=url, timeout_seconds=timeout_seconds, verify=False)
    return http_client(
        base_url=url,
        timeout_seconds=timeout_seconds,
        ca_file=settings.client_ca_file,
        cert_file=settings.client_cert_file,
        key_file=settings.client_key_file,
        token_file=token_file,
    )
