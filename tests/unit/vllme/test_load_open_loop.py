"""Sending without waiting, on a clock of our own."""

import asyncio

import pytest

from vllm_emulator.load.open_loop import run_open_loop
from vllm_emulator.load.outcome import Outcome, Tally


class Server:
    """Answers after a time of its own; sleeping moves the clock."""

    def __init__(self, *, answers: bool = True) -> None:
        self.now = 100.0
        self.sent_at: list[float] = []
        self._may_answer = asyncio.Event()
        if answers:
            self._may_answer.set()

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        for _ in range(5):  # whoever is ready goes before time moves on
            await asyncio.sleep(0)
        self.now += seconds

    async def send(self) -> Outcome:
        self.sent_at.append(self.now)
        await self._may_answer.wait()
        return Outcome(self.now, e2e_ms=1)

    def answer(self) -> None:
        self._may_answer.set()


async def run(server: Server, due: list[float], tally: Tally, *, max_concurrency: int = 10) -> list[Outcome]:
    ended: list[Outcome] = []
    await run_open_loop(
        due,
        server.send,
        ended.append,
        tally,
        lasts_seconds=60,
        max_concurrency=max_concurrency,
        clock=server.clock,
        sleep=server.sleep,
    )
    return ended


async def test_requests_are_sent_when_due_though_none_is_answered() -> None:
    server = Server(answers=False)
    tally = Tally()
    running = asyncio.ensure_future(run(server, [0, 1, 5], tally))
    await until_idle()
    assert [at - 100 for at in server.sent_at] == [0, 1, 5]
    assert (tally.sent, tally.outstanding) == (3, 3)
    server.answer()
    assert len(await running) == 3


async def test_a_request_due_beyond_the_limit_is_dropped_and_counted() -> None:
    server = Server(answers=False)
    tally = Tally()
    running = asyncio.ensure_future(run(server, [0, 1, 2, 3, 4], tally, max_concurrency=2))
    await until_idle()
    assert (tally.sent, tally.dropped) == (2, 3)
    server.answer()
    await running


async def test_the_plan_is_kept_to_its_end_even_when_nothing_is_due() -> None:
    server = Server()
    await run(server, [], Tally())
    assert server.now == 160


async def test_cancelling_ends_what_is_under_way_and_leaves_it_unfinished() -> None:
    server = Server(answers=False)
    tally = Tally()
    running = asyncio.ensure_future(run(server, [0, 1], tally))
    await until_idle()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (tally.sent, tally.outstanding, tally.outcomes) == (2, 2, [])


async def until_idle() -> None:
    """Let every task go as far as it can."""
    for _ in range(100):
        await asyncio.sleep(0)
