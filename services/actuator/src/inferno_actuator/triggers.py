"""Decides when something changed that a plan depends on, so that the loop need not wait for its interval.

Watches report every write, our own status writes included. What counts is the fingerprint: specs, labels
and the ConfigMaps' content. Several changes within the debounce are one; a change that changes nothing is
none.
"""

import asyncio
from collections.abc import Callable, Hashable
from enum import StrEnum

from inferno_actuator.clock import Clock


class Trigger(StrEnum):
    """Why a cycle ran."""

    START = "start"
    INTERVAL = "interval"
    CHANGE = "change"
    INVOKE = "invoke"
    RETRY = "retry"


class ChangeWatcher:
    """Calls `on_change` soon after the fingerprint changed.

    Args:
        fingerprint: what the plan depends on, in a comparable form.
        on_change: called once for all changes within the debounce.
        clock: waits.
        debounce_seconds: how long to gather changes that come together.
    """

    def __init__(
        self,
        *,
        fingerprint: Callable[[], Hashable],
        on_change: Callable[[], None],
        clock: Clock,
        debounce_seconds: float,
    ) -> None:
        self._fingerprint = fingerprint
        self._on_change = on_change
        self._clock = clock
        self._debounce_seconds = debounce_seconds
        self._poked = asyncio.Event()

    def poke(self) -> None:
        """Something was written; look at it when the debounce is over."""
        self._poked.set()

    async def run(self) -> None:
        """Look for changes until cancelled; the state at the start is no change."""
        seen = self._fingerprint()
        while True:
            await self._poked.wait()
            await self._clock.wait(asyncio.Event(), self._debounce_seconds)
            self._poked.clear()
            found = self._fingerprint()
            if found != seen:
                seen = found
                self._on_change()
