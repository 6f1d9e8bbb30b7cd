"""Which cluster, and as whom: an explicit kubeconfig, $KUBECONFIG, ~/.kube/config, or the pod's account.

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


async def configured_api(
    kubeconfig: str | None = None, *, token_refresh_seconds: float = TOKEN_REFRESH_SECONDS
) -> ApiClient:
    """Return an `ApiClient` for the chosen cluster. Raises ConfigurationError saying where it looked."""
    configuration = Configuration()
    chosen = _chosen_file(kubeconfig)
    if chosen:
        await _load_file(chosen, configuration, token_refresh_seconds)
    else:
        _load_account(configuration)
    # Go's clients never send loopback addresses through $HTTP_PROXY; neither do we.
    configuration.client_session_kwargs = {"trust_env": not _is_loopback(configuration.host)}
    return ApiClient(configuration)


def _chosen_file(kubeconfig: str | None) -> str | None:
    """Return the kubeconfig (or several, as in $KUBECONFIG) to use; None for the pod's account."""
    chosen = kubeconfig or os.environ.get("KUBECONFIG")
    if not chosen:
        default = Path.home() / ".kube" / "config"
        return str(default) if default.is_file() else None
    for path in filter(None, chosen.split(os.pathsep)):
        if not Path(path).expanduser().is_file():
            origin = "the kubeconfig given" if kubeconfig else "KUBECONFIG"
            raise ConfigurationError(f"{origin} names {path}, which is not a file")
    return chosen


async def _load_file(path: str, configuration: Configuration, token_refresh_seconds: float) -> None:
    try:
        loader = await load_kube_config(  # type: ignore[no-untyped-call] # partly typed package
            config_file=path, client_configuration=configuration, persist_config=False
        )
    except (ConfigException, OSError, ValueError, KeyError, TypeError) as error:
        why = "it is no such document" if isinstance(error, TypeError) else error
        raise ConfigurationError(
            f"kubeconfig {path} is not usable: {why}; compare what `kubectl config view` says of it"
        ) from error
    hook: Any = refreshing(loader.load_and_set, time.monotonic, token_refresh_seconds)
    configuration.refresh_api_key_hook = hook


def _load_account(configuration: Configuration) -> None:
    try:
        load_incluster_config(  # type: ignore[no-untyped-call] # partly typed package
            client_configuration=configuration
        )
    except ConfigException as error:
        raise ConfigurationError(
            "no cluster to talk to: KUBECONFIG is not set, ~/.kube/config does not exist, and there is no "
            f"service account of a pod ({error}); set KUBECONFIG to a kubeconfig file"
        ) from error


def refreshing(
    load: Callable[[Any], Awaitable[None]], clock: Callable[[], float], interval_seconds: float
) -> Callable[[Any], Awaitable[None]]:
    """Return a hook that has the credentials read again when they are `interval_seconds` old."""
    due = clock() + interval_seconds

    async def refresh(configuration: Any) -> None:  # noqa: ANN401 - the package's own configuration type
        nonlocal due
        if clock() >= due:
            due = clock() + interval_seconds
            await load(configuration)

    return refresh


def _is_loopback(url: str) -> bool:
    return (urlsplit(url).hostname or "").startswith(LOOPBACK_HOSTS)
