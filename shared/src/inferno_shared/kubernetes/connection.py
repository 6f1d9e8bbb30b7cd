"""Which cluster, with which credentials: an explicit kubeconfig, $KUBECONFIG, ~/.kube/config, the pod's account.

Tokens are refreshed: the pod's account token by the `kubernetes` package, those of a kubeconfig (token files,
exec plugins, OpenID) here, at most once a minute.
"""

import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from inferno_shared.errors import ConfigurationError

TOKEN_REFRESH_SECONDS = 60.0
LOOPBACK_HOSTS = ("127.", "localhost", "::1")


async def configured_api(kubeconfig: str | None = None) -> ApiClient:
    """Return an `ApiClient` for the chosen cluster. Raises ConfigurationError saying where it looked."""
    configuration = Configuration()
    chosen = kubeconfig or os.environ.get("KUBECONFIG")
    if chosen:
        missing = [
            path for path in chosen.split(os.pathsep) if path and not Path(path).expanduser().is_file()
        ]
        if missing:
            origin = "--kubeconfig" if kubeconfig else "KUBECONFIG"
            raise ConfigurationError(f"{origin} names {missing[0]}, which is not a file")
        await _load_file(chosen, configuration)
    elif (default := Path.home() / ".kube" / "config").is_file():
        await _load_file(str(default), configuration)
    else:
        _load_account(configuration)
    # Go's clients never send loopback addresses through $HTTP_PROXY; neither do we.
    configuration.client_session_kwargs = {"trust_env": not _is_loopback(configuration.host)}
    return ApiClient(configuration)


async def _load_file(path: str, configuration: Configuration) -> None:
    try:
        loader = await load_kube_config(
            config_file=path, client_configuration=configuration, persist_config=False
        )
    except (ConfigException, OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"kubeconfig {path} is not usable: {error}") from error
    configuration.refresh_api_key_hook = _refresh(loader.load_and_set, time.monotonic)


def _load_account(configuration: Configuration) -> None:
    try:
        load_incluster_config(client_configuration=configuration)
    except ConfigException as error:
        raise ConfigurationError(
            "no cluster to talk to: KUBECONFIG is not set, ~/.kube/config does not exist, and there is no "
            f"service account of a pod ({error}); set KUBECONFIG to a kubeconfig file"
        ) from error


def _refresh(
    load: Callable[[Any], Awaitable[None]], clock: Callable[[], float]
) -> Callable[[Any], Awaitable[None]]:
    due = clock() + TOKEN_REFRESH_SECONDS

    async def refresh(configuration: Any) -> None:  # noqa: ANN401 - the package's own configuration type
        nonlocal due
        if clock() >= due:
            due = clock() + TOKEN_REFRESH_SECONDS
            await load(configuration)

    return refresh


def _is_loopback(url: str) -> bool:
    return (urlsplit(url).hostname or "").startswith(LOOPBACK_HOSTS)
