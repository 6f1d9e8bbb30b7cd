"""Follows collections that a cluster may have or not: nothing is asked for until its API is discovered.

A cluster without the API, or one that does not let us read it, is not waited for; it is looked at again
later, as clusters are upgraded and rights are granted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from inferno_shared.errors import ForbiddenError, KubernetesError, NotFoundError, UnavailableError
from inferno_shared.kubernetes import Backoff, FollowedCollection, KubernetesClient, Resource
from inferno_shared.service import get_logger

_AGAIN_SECONDS: Final = 60.0
_TRIES_TO_WAIT_FOR: Final = 3
"""A first answer waits for so many failures of the API server, and no more."""
_MATCHES_NOTHING: Final = "llmd.ai/matches-nothing"

log = get_logger(__name__)


class OptionalCollections:
    """Caches that run once all of their resources may be listed; until then they are empty."""

    def __init__(
        self,
        client: KubernetesClient,
        caches: Sequence[tuple[Resource, FollowedCollection[Any]]],
        namespaces: Sequence[str] = (),
        *,
        what: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        backoff: Backoff | None = None,
    ) -> None:
        self._client = client
        self._backoff = backoff or Backoff()
        self._caches = caches
        self._namespaces = namespaces
        self._what = what
        self._sleep = sleep
        self._found = False
        self._reason: str | None = "not looked for yet"
        self._looked = False
        self._failures = 0

    @property
    def followed(self) -> Sequence[tuple[Resource, FollowedCollection[Any]]]:
        """The caches, once there is anything to follow."""
        return self._caches if self._found else ()

    @property
    def reason(self) -> str | None:
        """Why nothing is followed; None when something is."""
        return self._reason

    def not_synced(self) -> list[str]:
        """What a first answer waits for: a look that tells, and what that has found."""
        if not self._looked:
            return [f"{self._what}: {self._reason}"]
        return [f"{resource.plural}: not read yet" for resource, cache in self.followed if not cache.synced]

    async def run(self) -> None:
        """Look for the API, then follow its collections, until cancelled."""
        while not self._found:
            wait_seconds = await self._look()
            if wait_seconds:
                await self._sleep(wait_seconds)
        async with asyncio.TaskGroup() as group:
            for _, cache in self._caches:
                group.create_task(cache.run())

    async def _look(self) -> float:
        """0 when found, else the time after which to look again."""
        try:
            for resource, _ in self._caches:
                for namespace in (self._namespaces if resource.namespaced else ()) or (None,):
                    await self._client.list(resource, namespace, label_selector=_MATCHES_NOTHING)
        except NotFoundError:
            self._reason, self._looked = "the cluster does not serve this API", True
            return _AGAIN_SECONDS
        except ForbiddenError as error:
            self._say(str(error))
            self._looked = True
            return _AGAIN_SECONDS
        except KubernetesError as error:
            self._say(str(error))
            self._failures += 1
            self._looked |= self._failures >= _TRIES_TO_WAIT_FOR
            advised = error.retry_after_seconds if isinstance(error, UnavailableError) else None
            return max(self._backoff.next_seconds(), advised or 0.0)
        self._found, self._looked, self._reason = True, True, None
        log.info("following", resources=[resource.plural for resource, _ in self._caches])
        return 0.0

    def _say(self, reason: str) -> None:
        if reason != self._reason:
            log.warning("cannot be read", what=self._what, reason=reason)
        self._reason = reason
