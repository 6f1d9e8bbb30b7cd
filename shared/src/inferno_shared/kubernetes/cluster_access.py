"""What a service needs of its cluster to decide who may call it, from before it is connected until it stops.

An app is built first and connects when it starts. Its gates ask here, and refuse everybody until then.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from inferno_shared.access import FrontProxy, Reviewer
from inferno_shared.kubernetes.client import KubernetesClient
from inferno_shared.kubernetes.front_proxy import FrontProxyWatch
from inferno_shared.kubernetes.reviews import AccessReviewer


class ClusterAccess:
    """Give `reviewer` to `create_app`, and `front_proxy` to a `FrontProxyGate`."""

    def __init__(self) -> None:
        self._reviewer: AccessReviewer | None = None
        self._front_proxy: FrontProxyWatch | None = None

    def reviewer(self) -> Reviewer | None:
        """Return who checks tokens; None while not connected."""
        return self._reviewer

    def front_proxy(self) -> FrontProxy | None:
        """Return which client is the aggregator; None while that is not known."""
        return self._front_proxy.current if self._front_proxy else None

    @property
    def problem(self) -> str | None:
        """Why the aggregator is not known, or may have changed unnoticed; None when neither."""
        return self._front_proxy.problem if self._front_proxy else None

    @asynccontextmanager
    async def through(
        self, client: KubernetesClient, *, trust_front_proxy: Callable[[str | None], None] | None = None
    ) -> AsyncIterator[None]:
        """Decide through `client` while the context lasts.

        `trust_front_proxy` is called with the aggregator's authority (PEM; None: nobody any more) whenever it
        changes; without it the aggregator is not looked for.
        """
        self._reviewer = AccessReviewer(client)
        try:
            if trust_front_proxy is None:
                yield
            else:
                async with self._following(client, trust_front_proxy):
                    yield
        finally:
            self._reviewer = None

    @asynccontextmanager
    async def _following(
        self, client: KubernetesClient, trust: Callable[[str | None], None]
    ) -> AsyncIterator[None]:
        def changed(current: FrontProxy | None) -> None:
            trust(current.authority_pem if current else None)

        self._front_proxy = FrontProxyWatch(client, changed)
        following = asyncio.create_task(self._front_proxy.run())
        try:
            yield
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            self._front_proxy = None
