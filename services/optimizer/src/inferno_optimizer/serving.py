"""Who solves: a few worker processes, a bounded line of requests before them, and what happens when one dies.

The solver is mostly Python, so threads would share one processor; a worker process has its own, and what it
does wrong ends one request. Not several servers on one port (uvicorn's workers): each would have its own
metrics and line, and a probe would meet whichever is busy. A worker is started when all others are busy.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, Protocol

from fastapi import Request
from ortools.util.python.solve_interrupter import SolveInterrupter
from starlette.requests import ClientDisconnect

from inferno_optimizer.endpoint import Answer
from inferno_optimizer.endpoints import ENDPOINTS
from inferno_optimizer.process import WorkerEndedError
from inferno_shared.service import ProblemError, get_logger

RESTART_SECONDS: Final = 1.0
RETRY: Final = {"Retry-After": "1"}

log = get_logger(__name__)


class Solver(Protocol):
    """Answers requests. A call that is cancelled stops its solve, which has ended when the call returns."""

    async def solve(self, endpoint: int, body: bytes) -> Answer:
        """The answer to a body. Raises ProblemError when there will be none."""
        ...


class Worker(Solver, Protocol):
    """One process (`process.WorkerProcess`): raises WorkerEndedError when it dies of a request."""

    @property
    def pid(self) -> int:
        """Of the process."""
        ...

    @property
    def alive(self) -> bool:
        """Whether it can be given a request."""
        ...

    @property
    def ended(self) -> asyncio.Future[int]:
        """Done when the process has ended."""
        ...

    async def end(self) -> str:
        """Let it go, and say how it ended."""
        ...


class OwnProcess:
    """Solves in a thread of the server's own process, one request at a time: no worker, no memory for it."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._turn = asyncio.Semaphore()

    async def solve(self, endpoint: int, body: bytes) -> Answer:  # noqa: D102 - Solver's
        async with self._turn:
            interrupter = SolveInterrupter()
            answer = ENDPOINTS[endpoint].answer
            solving = asyncio.create_task(asyncio.to_thread(answer, body, self._limit_seconds, interrupter))
            try:
                return await asyncio.shield(solving)
            finally:
                interrupter.interrupt()
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({solving})


class WorkerProcesses:
    """At most `most` processes, started as they are needed; each solves one request at a time."""

    def __init__(self, most: int, start: Callable[[], Awaitable[Worker]], died: Callable[[], None]) -> None:
        self._most = most
        self._start = start
        self._died = died
        self._waiting: deque[asyncio.Future[Worker]] = deque()
        self._idle: list[Worker] = []
        self._alive: set[Worker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting = 0
        self._closed = False
        self.trouble = "no worker process is ready yet"

    def __len__(self) -> int:
        """Workers that are ready or solve."""
        return len(self._alive)

    @property
    def busy(self) -> int:
        """Workers that solve."""
        return len(self._alive) - len(self._idle)

    async def solve(self, endpoint: int, body: bytes) -> Answer:  # noqa: D102 - Solver's
        worker = await self._take()
        try:
            return await worker.solve(endpoint, body)
        except WorkerEndedError as error:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The solving process died",
                f"{error}; another takes its place. If this request does it again, give the container more"
                " memory, or ask for less at once",
                headers=RETRY,
            ) from error
        finally:
            self._give(worker)

    def grow(self) -> None:
        """Start one more worker, if there may be one."""
        if not self._closed and len(self._alive) + self._starting < self._most:
            self._starting += 1
            self._run(self._begin())

    async def close(self) -> None:
        """End all workers, whatever they are at."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.end() for worker in self._alive))

    async def _take(self) -> Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
        self.grow()
        promised: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append(promised)
        try:
            return await promised
        except asyncio.CancelledError:
            if promised.done() and not promised.cancelled() and promised.exception() is None:
                self._give(promised.result())
            raise

    def _give(self, worker: Worker) -> None:
        """Hand the worker to whoever has waited longest."""
        if not worker.alive:
            return  # `_watch` sees to it
        while self._waiting:
            promised = self._waiting.popleft()
            if not promised.done():
                promised.set_result(worker)
                return
        self._idle.append(worker)

    async def _begin(self) -> None:
        try:
            worker = await self._start()
        except WorkerEndedError as error:
            log.exception("a worker process could not be started", reason=str(error))
            self._not_started(str(error))
            self._run(self._try_again())
            return
        finally:
            self._starting -= 1
        self._alive.add(worker)
        self._run(self._watch(worker))
        self._give(worker)

    def _not_started(self, why: str) -> None:
        """Nobody waits for a worker that may never be; those that live go on taking requests."""
        self.trouble = f"no worker process could be started: {why}"
        while self._waiting and not self._alive:
            promised = self._waiting.popleft()
            if not promised.done():
                promised.set_exception(
                    ProblemError(
                        HTTPStatus.SERVICE_UNAVAILABLE, "Nobody to solve", self.trouble, headers=RETRY
                    )
                )

    async def _try_again(self) -> None:
        await asyncio.sleep(RESTART_SECONDS)
        if not self._alive:
            self.grow()

    async def _watch(self, worker: Worker) -> None:
        """Replace the worker when it dies."""
        await asyncio.shield(worker.ended)
        log.error("a worker process died", pid=worker.pid, how=await worker.end())
        self._alive.discard(worker)
        self._idle = [other for other in self._idle if other is not worker]
        self._died()
        self.grow()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Line:
    """Lets so many requests be present at once, solved or waiting."""

    def __init__(self, solver: Solver, most: int) -> None:
        self._solver = solver
        self._most = most
        self._present = 0

    async def answer(self, request: Request, endpoint: int) -> Answer:
        """The answer to a request.

        Raises:
            ProblemError: 503, when too many are in line already or the worker died.
            ClientDisconnect: the client went away. It has left the line, or its solve was stopped.
        """
        if self._present >= self._most:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Too many requests in line",
                f"{self._present} requests are being solved or wait; try again, or raise INFERNO_WORKERS or"
                " INFERNO_WAITING_SOLVES",
                headers=RETRY,
            )
        self._present += 1
        try:
            return await _while_connected(request, self._solver, endpoint, await request.body())
        finally:
            self._present -= 1


async def _while_connected(request: Request, solver: Solver, endpoint: int, body: bytes) -> Answer:
    solving = asyncio.create_task(solver.solve(endpoint, body))
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({solving, gone}, return_when=asyncio.FIRST_COMPLETED)
        if solving.done():
            return solving.result()
        raise ClientDisconnect
    finally:
        gone.cancel()
        if not solving.done():
            solving.cancel()
            with suppress(Exception, asyncio.CancelledError):
                await solving


async def _disconnected(request: Request) -> None:
    """Returns when the client has gone; the request's body has been read already."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
