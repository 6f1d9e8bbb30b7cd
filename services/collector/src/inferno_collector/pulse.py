"""Notices an API server that hangs: its watches stay open and silent, so that the caches believe all is well.

A watch is only known to be dead after minutes of silence, since a quiet cluster is silent too. So the server
is asked for its version every few seconds; anything that it answers, refusals included, is a sign of life.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from inferno_shared.errors import KubernetesError, UnreachableError
from inferno_shared.kubernetes import KubernetesClient

_PATH: Final = "/version"
_EVERY_SECONDS: Final = 10.0
_MISSED: Final = 2.5


class ApiPulse:
    """The API server's last sign of life, by our own clock."""

    def __init__(
        self,
        client: KubernetesClient,
        *,
        every_seconds: float = _EVERY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._every_seconds = every_seconds
        self._clock = clock
        self._sleep = sleep
        self._heard_at = clock()
        self._reason = "no answer yet"

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self.ask()
            await self._sleep(self._every_seconds)

    async def ask(self) -> None:
        """Ask once."""
        try:
            await self._client.raw_get(_PATH)
        except UnreachableError as error:
            self._reason = str(error)
            return
        except KubernetesError:
            pass  # a refusal is an answer too
        self._heard_at = self._clock()

    def silent_seconds(self, now: float) -> float:
        """How long the server has been silent, beyond what a missed beat or two explains; else 0."""
        silent = now - self._heard_at
        return silent if silent > _MISSED * self._every_seconds else 0.0

    def problem(self, now: float) -> str | None:
        """What the silence means for a snapshot; None while the server is alive."""
        silent = self.silent_seconds(now)
        if not silent:
            return None
        return (
            f"the API server has not answered for {silent:.0f} s, so what is known of the cluster may be "
            f"old: {self._reason}"
        )
