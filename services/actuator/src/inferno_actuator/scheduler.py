"""Decides when the loop turns: at the interval, at once on a change or a request, soon after a failure.

One turn at a time. Whatever asks for a turn while one is under way gets the next one, together with everybody
else who asked.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from inferno_actuator.clock import Clock
from inferno_actuator.journal import Cycle
from inferno_actuator.leader import Leadership
from inferno_actuator.triggers import Trigger

_FIRST_RETRY_SECONDS: Final = 5.0
_STANDBY_SECONDS: Final = 1.0
_TARGET_SECONDS: Final = 60.0
"""A scale target that is made again is taken up within this time, however long the interval is."""

log = structlog.stdlib.get_logger(__name__)


class NotLeadingError(Exception):
    """This process does not run the loop now; the message says who does."""


class Scheduler:
    """Turns the loop while this process leads.

    Args:
        turn: runs one cycle; answers with it whatever happened in it.
        stand_down: called when leadership is lost.
        interval_seconds: read anew before each wait.
        leadership: whether this process may turn.
        clock: waits.
    """

    def __init__(
        self,
        *,
        turn: Callable[[Trigger], Awaitable[Cycle]],
        stand_down: Callable[[], None],
        interval_seconds: Callable[[], float],
        leadership: Leadership,
        clock: Clock,
    ) -> None:
        self._turn = turn
        self._stand_down = stand_down
        self._interval_seconds = interval_seconds
        self._leadership = leadership
        self._clock = clock
        self._wake = asyncio.Event()
        self._reason = Trigger.CHANGE
        self._waiting: list[asyncio.Future[Cycle]] = []
        self._failures = 0
        self._waits_for_target = False

    def wake(self) -> None:
        """Turn as soon as possible: something changed."""
        self._reason = Trigger.CHANGE
        self._wake.set()

    async def turn_now(self) -> Cycle:
        """Turn as soon as possible and answer with that turn.

        Raises:
            NotLeadingError: this process does not lead, or lost its leadership meanwhile.
        """
        if leader := self.stands_by:
            raise NotLeadingError(leader)
        answer: asyncio.Future[Cycle] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._reason = Trigger.INVOKE
        self._wake.set()
        return await answer

    @property
    def stands_by(self) -> str | None:
        """Who runs the loop when this process does not; None when it does."""
        if self._leadership.is_leader:
            return None
        return f"this process does not run the loop, {self._leadership.holder or 'nobody yet'} does"

    async def run(self) -> None:
        """Turn until cancelled; whoever still waits for a turn then is told so."""
        try:
            await self._turn_on_and_on()
        finally:
            self._disappoint("the actuator is stopping")

    async def _turn_on_and_on(self) -> None:
        trigger = Trigger.START
        led = False
        while True:
            if leader := self.stands_by:
                if led:
                    self._stand_down()
                led, trigger = False, Trigger.START
                self._disappoint(leader)
                self._wake.clear()
                await self._clock.wait(self._wake, _STANDBY_SECONDS)
                continue
            led = True
            started = self._clock.monotonic()
            await self._turn_once(trigger)
            trigger = await self._next(started)

    async def _turn_once(self, trigger: Trigger) -> None:
        self._wake.clear()
        waiting, self._waiting = self._waiting, []
        try:
            cycle = await self._turn(trigger)
        except Exception as error:  # the last line of defence: a bug must not stop the loop
            log.exception("bug in the loop, it goes on")
            self._failures += 1
            for answer in waiting:
                if not answer.done():
                    answer.set_exception(error)
            return
        self._waits_for_target = cycle.without_target > 0
        self._failures = self._failures + 1 if cycle.is_worth_repeating else 0
        for answer in waiting:
            if not answer.done():
                answer.set_result(cycle)

    async def _next(self, started: float) -> Trigger:
        """Wait for the interval's end, a change or a request; a failed turn is repeated sooner."""
        interval = self._interval_seconds()
        delay = min(interval, _TARGET_SECONDS) if self._waits_for_target else interval
        if self._failures:
            delay = min(delay, _FIRST_RETRY_SECONDS * 2.0 ** min(self._failures - 1, 16))
        left = max(0.0, delay - (self._clock.monotonic() - started))
        if await self._clock.wait(self._wake, left):
            return self._reason
        return Trigger.RETRY if delay < interval else Trigger.INTERVAL

    def _disappoint(self, why: str) -> None:
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            if not answer.done():
                answer.set_exception(NotLeadingError(why))
