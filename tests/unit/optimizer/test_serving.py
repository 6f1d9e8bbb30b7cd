import asyncio
import threading
import time

import pytest
from fastapi import Request
from ortools.util.python.solve_interrupter import SolveInterrupter
from starlette.requests import ClientDisconnect
from starlette.types import Message

from inferno_optimizer.serving import answer
from inferno_optimizer.work import Workers

BOUND_SECONDS = 10


class Client:
    """A client that sent its body and waits, until it leaves."""

    def __init__(self) -> None:
        self._left = asyncio.Event()
        self.request = Request({"type": "http", "method": "POST", "headers": []}, self._receive)

    def leave(self) -> None:
        self._left.set()

    async def _receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}


class Solve:
    """A computation that ends only when it is interrupted, or released."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.released = threading.Event()
        self.ended_by: str | None = None

    def __call__(self, interrupter: SolveInterrupter) -> str:
        self.begun.set()
        until = time.monotonic() + BOUND_SECONDS
        while time.monotonic() < until:
            if interrupter.interrupted:
                self.ended_by = "interrupt"
                raise RuntimeError("interrupted")
            if self.released.wait(0.001):
                self.ended_by = "release"
                return "answer"
        raise AssertionError("nobody ended it")


async def test_whoever_stays_gets_the_answer() -> None:
    assert await answer(Client().request, Workers(1, 0), lambda _: 42) == 42


async def test_an_error_of_the_computation_reaches_the_caller() -> None:
    def fail(_: SolveInterrupter) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await answer(Client().request, Workers(1, 0), fail)


async def test_a_client_that_goes_away_stops_its_computation_and_no_other() -> None:
    workers = Workers(2, 0)
    leaving, staying = Client(), Client()
    stopped, goes_on = Solve(), Solve()
    left = asyncio.create_task(answer(leaving.request, workers, stopped))
    stayed = asyncio.create_task(answer(staying.request, workers, goes_on))
    async with asyncio.timeout(BOUND_SECONDS):
        await asyncio.to_thread(stopped.begun.wait, BOUND_SECONDS)
        await asyncio.to_thread(goes_on.begun.wait, BOUND_SECONDS)
        leaving.leave()
        with pytest.raises(ClientDisconnect):
            await left
        assert stopped.ended_by == "interrupt"
        goes_on.released.set()
        assert await stayed == "answer"


async def test_a_client_that_goes_away_leaves_the_line() -> None:
    workers = Workers(1, 1)
    first, second = Solve(), Solve()
    impatient = Client()
    holding = asyncio.create_task(answer(Client().request, workers, first))
    async with asyncio.timeout(BOUND_SECONDS):
        await asyncio.to_thread(first.begun.wait, BOUND_SECONDS)
        waiting = asyncio.create_task(answer(impatient.request, workers, second))
        await asyncio.sleep(0)
        impatient.leave()
        with pytest.raises(ClientDisconnect):
            await waiting
        third = asyncio.create_task(answer(Client().request, workers, lambda _: "next"))
        first.released.set()
        assert (await holding, await third) == ("answer", "next")
    assert not second.begun.is_set()


async def test_a_request_that_is_cancelled_stops_its_computation() -> None:
    solve = Solve()
    task = asyncio.create_task(answer(Client().request, Workers(1, 0), solve))
    async with asyncio.timeout(BOUND_SECONDS):
        await asyncio.to_thread(solve.begun.wait, BOUND_SECONDS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert solve.ended_by == "interrupt"
