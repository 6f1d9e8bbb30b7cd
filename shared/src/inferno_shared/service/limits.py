"""What a service takes on at once and for how long: beyond that it says so at once instead of falling over.

A request that has no time left is answered; its place is free only when its work has really ended, so that
abandoned computations cannot pile up.
"""

import asyncio
from http import HTTPStatus
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inferno_shared.service.problems import ProblemError, problem_response

RETRY_AFTER_SECONDS: Final = 1
UNLIMITED_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})


class RequestLimits:
    """Lets `max_concurrent` requests through at once, each for `seconds`; probes and metrics always.

    The work of a request ends with its task: an endpoint that computes in a thread must wait for the thread
    when cancelled (Starlette's `run_in_threadpool` and plain `def` endpoints do).
    """

    def __init__(
        self, app: ASGIApp, *, max_concurrent: int, seconds: float, registry: CollectorRegistry
    ) -> None:
        self._app = app
        self._max_concurrent = max_concurrent
        self._seconds = seconds
        self._under_way: set[asyncio.Task[None]] = set()
        gauge = Gauge("inferno_requests_under_way", "Requests being worked on", registry=registry)
        gauge.set_function(lambda: len(self._under_way))
        self._turned_away = Counter(
            "inferno_requests_turned_away_total",
            "Requests answered with 503 because of a limit",
            ["limit"],
            registry=registry,
        )
        for limit in ("concurrency", "time"):
            self._turned_away.labels(limit=limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] != "http" or scope["path"] in UNLIMITED_PATHS:
            await self._app(scope, receive, send)
            return
        if len(self._under_way) >= self._max_concurrent:
            self._turned_away.labels(limit="concurrency").inc()
            await problem_response(self._busy())(scope, receive, send)
            return
        answer = _Answer(send)
        task = asyncio.create_task(self._work(scope, receive, answer))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        try:
            await asyncio.wait({task}, timeout=self._seconds)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done():
            task.result()
            return
        self._turned_away.labels(limit="time").inc()
        begun = answer.begun
        answer.closed = True
        task.cancel()
        if not begun:
            await problem_response(self._too_slow())(scope, receive, send)

    async def _work(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        await self._app(scope, receive, answer.send)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # seen: it was raised to the server, or its request was answered already

    def _busy(self) -> ProblemError:
        return ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Busy",
            f"{self._max_concurrent} requests are under way, which is the limit; try again, or raise "
            "INFERNO_MAX_CONCURRENT_REQUESTS",
            headers={"retry-after": str(RETRY_AFTER_SECONDS)},
        )

    def _too_slow(self) -> ProblemError:
        return ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Out of time",
            f"the request was not done within {self._seconds:g} s and was given up; ask for less, or raise "
            "INFERNO_REQUEST_TIMEOUT_SECONDS",
            headers={"retry-after": str(RETRY_AFTER_SECONDS)},
        )


class _Answer:
    """The way back to the client, until the request has no time left."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False
        self.closed = False

    async def send(self, message: Message) -> None:
        if self.closed:
            return
        self.begun = True
        await self._send(message)
