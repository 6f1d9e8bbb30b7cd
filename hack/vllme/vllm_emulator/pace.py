"""Runs the engine against a clock: wakes when a step ends, hands the tokens out, sleeps until the next.

The wake-up time is always the engine's own absolute deadline, so a sleep that overshoots makes one delivery
late and nothing else: after an hour the pace is still exact.
"""

import asyncio
import functools
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from vllm_emulator.engine import Engine, Job, Token


class Cancellable(Protocol):
    """What `call_at` returns."""

    def cancel(self) -> None:
        """Do not call any more."""


class Timer(Protocol):
    """The part of an asyncio event loop that keeping pace needs."""

    def time(self) -> float:
        """Seconds, monotonic."""

    def call_at(self, when: float, callback: Callable[[], None], /) -> Cancellable:
        """Call back at `when` or a little later."""


class Observer(Protocol):
    """Who wants to know what the engine did (the metrics)."""

    def token(self, token: Token) -> None:
        """A request got a token."""

    def aborted(self) -> None:
        """A request left before it was complete."""


class Ticket:
    """What a request holds while it is served: its tokens as they come, or only its end."""

    def __init__(self, job: Job, *, stream: bool) -> None:
        self.job = job
        self._tokens: asyncio.Queue[Token] | None = asyncio.Queue() if stream else None
        self._finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def finished(self) -> None:
        """Wait for the last token."""
        await self._finished

    async def tokens(self) -> AsyncIterator[Token]:
        """The tokens of a streaming request."""
        if self._tokens is None:
            raise ValueError("this ticket was not taken for streaming")
        while True:
            token = await self._tokens.get()
            yield token
            if token.last:
                return

    def deliver(self, token: Token) -> None:
        """Hand over a token that has just come."""
        if self._tokens is not None:
            self._tokens.put_nowait(token)
        if token.last:
            self.close()

    def close(self) -> None:
        """Nothing more will come."""
        if not self._finished.done():
            self._finished.set_result(None)


class PacedEngine:
    """An engine in real time, for one event loop."""

    def __init__(self, engine: Engine, observer: Observer, timer: Timer) -> None:
        self.engine = engine
        self._observer = observer
        self._timer = timer
        self._tickets: dict[int, Ticket] = {}
        self._job_ids = itertools.count(1)
        self._alarm: Cancellable | None = None
        self._alarm_ms: float | None = None

    def submit(self, *, input_tokens: int, output_tokens: int, capped: bool, stream: bool) -> Ticket:
        """Take a request that arrives now.

        Raises:
            QueueFullError: there is no room for it.
        """
        now_ms = self._timer.time() * 1000
        self._collect(now_ms)
        self._set_alarm()
        job = Job(next(self._job_ids), now_ms, input_tokens, output_tokens, capped)
        self.engine.submit(job)
        ticket = Ticket(job, stream=stream)
        self._tickets[job.job_id] = ticket
        self._set_alarm()
        return ticket

    def give_up(self, ticket: Ticket) -> None:
        """The client has gone: free its place. Nothing happens when the request was complete."""
        if self._tickets.pop(ticket.job.job_id, None) is None:
            return
        self.engine.cancel(ticket.job.job_id)
        self._observer.aborted()
        ticket.close()

    def _wake(self, deadline_ms: float) -> None:
        """A step is over; a clock that wakes us a rounding error too early does not change that."""
        self._alarm = None
        self._alarm_ms = None
        self._collect(max(self._timer.time() * 1000, deadline_ms))
        self._set_alarm()

    def _collect(self, now_ms: float) -> None:
        for token in self.engine.advance(now_ms):
            self._observer.token(token)
            ticket = self._tickets.pop(token.job.job_id) if token.last else self._tickets[token.job.job_id]
            ticket.deliver(token)

    def _set_alarm(self) -> None:
        """Be woken at the end of the engine's step, whatever time it is now."""
        deadline_ms = self.engine.step_ends_ms
        if deadline_ms == self._alarm_ms:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_ms = deadline_ms
        self._alarm = None
        if deadline_ms is not None:
            self._alarm = self._timer.call_at(deadline_ms / 1000, functools.partial(self._wake, deadline_ms))
