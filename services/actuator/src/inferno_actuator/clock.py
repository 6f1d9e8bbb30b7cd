"""The only source of time: what decides takes time as an argument, and tests turn this clock by hand.

Two readings, because they answer different questions: `now` goes into objects that people read, `monotonic`
measures ages and durations and never jumps when the machine's clock is set.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the loop needs to know about time."""

    def now(self) -> datetime:
        """Wall-clock time, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes backwards."""
        ...

    async def wait(self, event: asyncio.Event, timeout_seconds: float) -> bool:
        """Wait for `event` at most so long; whether it was set."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Wall-clock time, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since the machine's start."""
        return time.monotonic()

    async def wait(self, event: asyncio.Event, timeout_seconds: float) -> bool:
        """Wait for `event` at most so long; whether it was set."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await event.wait()
        except TimeoutError:
            return False
        return True
