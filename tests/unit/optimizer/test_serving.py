"""Who solves, in which order, and what a death or a departure changes: worker processes as fakes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Message

from inferno_optimizer.endpoint import Answer
from inferno_optimizer.process import WorkerEndedError
from inferno_optimizer.serving import Line, WorkerProcesses
from inferno_shared.service import ProblemError

BOUND_SECONDS = 10


class Client:
    """A client that sent its body and waits, until it leaves."""

    def __init__(self, body: bytes = b"") -> None:
        self._left = asyncio.Event()
        self._messages: list[Message] = [{"type": "http.request", "body": body}]
        self.request = Request({"type": "http", "method": "POST", "headers": []}, self._receive)

    def leave(self) -> None:
        self._left.set()

    async def _receive(self) -> Message:
        if self._messages:
            return self._messages.pop()
        await self._left.wait()
        return {"type": "http.disconnect"}


class FakeWorker:
    """Answers with the body itself, once released."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.begun: list[bytes] = []
        self.interrupted: list[bytes] = []
        self.release = asyncio.Event()

    @property
    def alive(self) -> bool:
        return not self.ended.done()

    async def solve(self, _: int, body: bytes) -> Answer:
        self.begun.append(body)
        released = asyncio.create_task(self.release.wait())
        waiting: set[asyncio.Future[Any]] = {released, self.ended}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.interrupted.append(body)
            raise
        finally:
            released.cancel()
        if self.ended.done():
            raise WorkerEndedError("it was ended by SIGKILL")
        return Answer(200, "text/plain", body)

    def die(self) -> None:
        self.ended.set_result(-9)

    async def end(self) -> str:
        if self.alive:
            self.die()
        return "it was ended by SIGKILL"


class World:
    """Workers as they are started, and a line of requests before them."""

    def __init__(self, most: int, waiting: int = 100) -> None:
        self.started: list[FakeWorker] = []
        self.deaths = 0
        self.failure: WorkerEndedError | None = None
        self.workers = WorkerProcesses(most, self._start, self._died)
        self.line = Line(self.workers, most + waiting)

    async def _start(self) -> FakeWorker:
        if self.failure is not None:
            raise self.failure
        self.started.append(FakeWorker(pid=len(self.started)))
        return self.started[-1]

    def _died(self) -> None:
        self.deaths += 1

    def ask(self, body: bytes) -> tuple[Client, asyncio.Task[Answer]]:
        client = Client(body)
        return client, asyncio.create_task(self.line.answer(client.request, 0))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(BOUND_SECONDS):
        while not condition():  # noqa: ASYNC110 - other tasks of this loop
            await asyncio.sleep(0)


async def bounded(answer: Awaitable[Answer]) -> bytes:
    return (await asyncio.wait_for(answer, BOUND_SECONDS)).content


async def test_whoever_stays_gets_the_answer() -> None:
    world = World(1)
    _, asked = world.ask(b"a")
    await until(lambda: bool(world.started))
    world.started[0].release.set()
    assert await bounded(asked) == b"a"


async def test_workers_are_started_as_they_are_needed_and_no_more_than_allowed() -> None:
    world = World(2)
    asked = [world.ask(b"%d" % n)[1] for n in range(5)]
    await until(lambda: len(world.started) == 2 and all(w.begun for w in world.started))
    assert len(world.workers) == world.workers.busy == 2
    for worker in world.started:
        worker.release.set()
    assert [await bounded(a) for a in asked] == [b"0", b"1", b"2", b"3", b"4"]
    assert (len(world.started), world.workers.busy) == (2, 0)


async def test_one_request_after_the_other_needs_one_worker() -> None:
    world = World(4)
    for n in range(3):
        _, asked = world.ask(b"%d" % n)
        await until(lambda: bool(world.started))
        world.started[0].release.set()
        await bounded(asked)
    assert len(world.started) == 1


async def test_a_client_that_goes_away_stops_its_solve_and_no_other() -> None:
    world = World(2)
    leaving, left = world.ask(b"leaving")
    _, stayed = world.ask(b"staying")
    await until(lambda: sum(len(w.begun) for w in world.started) == 2)
    leaving.leave()
    with pytest.raises(ClientDisconnect):
        await left
    assert [w.interrupted for w in world.started] == [[b"leaving"], []]
    world.started[1].release.set()
    assert await bounded(stayed) == b"staying"


async def test_a_client_that_goes_away_leaves_the_line() -> None:
    world = World(1, waiting=1)
    _, first = world.ask(b"first")
    await until(lambda: bool(world.started and world.started[0].begun))
    impatient, second = world.ask(b"second")
    await asyncio.sleep(0)
    impatient.leave()
    with pytest.raises(ClientDisconnect):
        await second
    _, third = world.ask(b"third")
    world.started[0].release.set()
    assert (await bounded(first), await bounded(third)) == (b"first", b"third")
    assert world.started[0].begun == [b"first", b"third"]


async def test_a_request_that_is_cancelled_stops_its_solve() -> None:
    world = World(1)
    _, asked = world.ask(b"a")
    await until(lambda: bool(world.started and world.started[0].begun))
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert world.started[0].interrupted == [b"a"]
    assert world.workers.busy == 0


async def test_beyond_the_line_the_answer_is_503() -> None:
    world = World(1, waiting=1)
    for name in (b"solved", b"waits"):
        world.ask(name)
    await asyncio.sleep(0)
    with pytest.raises(ProblemError, match="raise INFERNO_WORKERS") as caught:
        await world.ask(b"too many")[1]
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "1"})


async def test_a_worker_that_dies_takes_one_request_with_it_and_is_replaced() -> None:
    world = World(1)
    _, lost = world.ask(b"lost")
    _, waits = world.ask(b"waits")
    await until(lambda: bool(world.started and world.started[0].begun))
    world.started[0].die()
    with pytest.raises(ProblemError, match=r"ended by SIGKILL; another takes its place") as caught:
        await lost
    assert caught.value.status == 503
    await until(lambda: len(world.started) == 2)
    world.started[1].release.set()
    assert await bounded(waits) == b"waits"
    assert (world.deaths, len(world.workers)) == (1, 1)


async def test_an_idle_worker_that_dies_is_replaced() -> None:
    world = World(1)
    world.workers.grow()
    await until(lambda: len(world.workers) == 1)
    world.started[0].die()
    await until(lambda: len(world.started) == 2)
    _, asked = world.ask(b"a")
    world.started[1].release.set()
    assert await bounded(asked) == b"a"


async def test_nobody_waits_for_a_worker_that_cannot_be_started() -> None:
    world = World(1)
    world.failure = WorkerEndedError("it did not start: no memory")
    asked = [world.ask(b"a")[1], world.ask(b"b")[1]]
    for answer in asked:
        with pytest.raises(ProblemError, match="no memory"):
            await asyncio.wait_for(answer, BOUND_SECONDS)
    assert "no memory" in world.workers.trouble
    await world.workers.close()


async def test_closing_ends_the_workers() -> None:
    world = World(2)
    world.workers.grow()
    await until(lambda: len(world.workers) == 1)
    await world.workers.close()
    assert not world.started[0].alive
    assert world.deaths == 0
