"""Which client is the API server's aggregator: read from the cluster, and again whenever it changes.

The cluster publishes it in ConfigMap kube-system/extension-apiserver-authentication; reading it needs a
RoleBinding in kube-system to the Role `extension-apiserver-authentication-reader`.
"""

import json
import ssl
from collections.abc import Callable
from typing import Final

from inferno_shared.access import FrontProxy
from inferno_shared.errors import MalformedObjectError
from inferno_shared.kubernetes.cache import ResourceCache
from inferno_shared.kubernetes.client import JsonObject, KubernetesClient
from inferno_shared.kubernetes.resources import CONFIG_MAPS

NAMESPACE: Final = "kube-system"
NAME: Final = "extension-apiserver-authentication"
CA: Final = "requestheader-client-ca-file"
ALLOWED_NAMES: Final = "requestheader-allowed-names"
USERNAME_HEADERS: Final = "requestheader-username-headers"
GROUP_HEADERS: Final = "requestheader-group-headers"


class FrontProxyWatch:
    """Follows the ConfigMap while `run` runs. `on_change` gets each new state.

    What was read stays in force while the API server cannot be asked, and when the ConfigMap becomes
    unreadable: then `problem` says why. A ConfigMap that is gone, or that names no authority, trusts nobody.
    """

    def __init__(self, client: KubernetesClient, on_change: Callable[[FrontProxy | None], None]) -> None:
        self._on_change = on_change
        self._current: FrontProxy | None = None
        self._cache = ResourceCache(
            client,
            CONFIG_MAPS,
            parse_front_proxy,
            namespace=NAMESPACE,
            field_selector=f"metadata.name={NAME}",
            on_change=self._changed,
        )

    @property
    def current(self) -> FrontProxy | None:
        """Which client is the aggregator; None as long as that is not known."""
        return self._current

    @property
    def problem(self) -> str | None:
        """Why the ConfigMap is not known or not current."""
        problem = self._cache.problem or self._cache.malformed.get((NAMESPACE, NAME))
        if problem is None and self._current is None:
            problem = f"there is no {CA} in it"
        return f"ConfigMap {NAMESPACE}/{NAME}: {problem}" if problem else None

    async def run(self) -> None:
        """Follow until cancelled."""
        await self._cache.run()

    def _changed(self) -> None:
        if (NAMESPACE, NAME) in self._cache.malformed:
            return
        fresh = self._cache.objects.get((NAMESPACE, NAME))
        if fresh != self._current:
            self._current = fresh
            self._on_change(fresh)


def parse_front_proxy(raw: JsonObject) -> FrontProxy | None:
    """Return what the ConfigMap says; None when it names no authority. Raises MalformedObjectError."""
    data = raw.get("data") or {}
    pem = data.get(CA)
    if not pem:
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=pem)
    except (OSError, ValueError, TypeError) as error:
        raise MalformedObjectError(f"data.{CA}", f"not certificates: {error}") from error
    return FrontProxy(
        authority_pem=pem,
        allowed_names=frozenset(_names(data, ALLOWED_NAMES)),
        username_headers=_names(data, USERNAME_HEADERS),
        group_headers=_names(data, GROUP_HEADERS),
    )


def _names(data: JsonObject, key: str) -> tuple[str, ...]:
    """Return a JSON list of texts; a key that is left out is an empty one."""
    try:
        names = json.loads(data.get(key) or "[]")
    except (ValueError, TypeError) as error:
        raise MalformedObjectError(f"data.{key}", f"not a JSON list: {error}") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise MalformedObjectError(f"data.{key}", "not a JSON list of texts")
    return tuple(names)
