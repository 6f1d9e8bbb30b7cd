"""How every controller runs: one pass over everything after a change, never a pass per change.

A pass is level-based: it compares what is with what should be, so a lost notification or a failed write is
made good by the next pass. Changes that arrive together cost one pass.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from inferno_shared.errors import ConflictError, InfernoError, NotFoundError

RESYNC_SECONDS = 60.0
RETRY_SECONDS = 1.0
SETTLE_SECONDS = 0.02

log = structlog.stdlib.get_logger(__name__)


class Wakeup:
    """Remembers that something changed until the next pass begins."""

    def __init__(self, settle_seconds: float = SETTLE_SECONDS) -> None:
        self._event = asyncio.Event()
        self._settle_seconds = settle_seconds

    def set(self) -> None:
        """Ask for a pass."""
        self._event.set()

    async def wait(self, timeout_seconds: float) -> None:
        """Return when a pass was asked for, or after the timeout."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._event.wait()
                await asyncio.sleep(self._settle_seconds)  # let changes that come together become one pass
        self._event.clear()


async def run_passes(name: str, wakeup: Wakeup, one_pass: Callable[[], Awaitable[float | None]]) -> None:
    """Run passes until cancelled; a pass returns after how many seconds the next is due at the latest."""
    while True:
        try:
            due_seconds = await one_pass()
        except InfernoError as error:
            log.warning("pass failed, trying again", controller=name, reason=str(error))
            due_seconds = RETRY_SECONDS
        await wakeup.wait(RESYNC_SECONDS if due_seconds is None else min(due_seconds, RESYNC_SECONDS))


async def attempt(what: str, subject: str, action: Awaitable[object]) -> bool:
    """Await one write; report a failure of it and go on. Whether it succeeded.

    A conflict or a vanished object is normal: the cache is behind, and its next change starts a new pass.
    """
    try:
        await action
    except (ConflictError, NotFoundError):
        return False
    except InfernoError as error:
        log.warning("write failed", action=what, subject=subject, reason=str(error))
        return False
    return True
