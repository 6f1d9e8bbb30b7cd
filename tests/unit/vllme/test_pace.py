"""Keeping pace, with a clock of our own that always wakes the sleeper too late."""

import dataclasses
import heapq
import itertools
import random
from collections.abc import Callable

import pytest

from vllm_emulator.engine import Engine, Profile, QueueFullError, Token
from vllm_emulator.pace import PacedEngine


@dataclasses.dataclass
class Call:
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class LateClock:
    """Time moves only by `run_until`; every call comes 0 to 3 ms after it was due."""

    def __init__(self, *, late_ms: float = 3.0) -> None:
        self.now = 1000.0
        self._late_ms = late_ms
        self._chance = random.Random(1)  # noqa: S311 - a simulation, not a secret
        self._numbers = itertools.count()
        self._calls: list[tuple[float, int, Call]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None], /) -> Call:
        call = Call(callback)
        fires_at = max(self.now, when) + self._chance.uniform(0, self._late_ms) / 1000
        heapq.heappush(self._calls, (fires_at, next(self._numbers), call))
        return call

    @property
    def pending(self) -> int:
        return sum(not call.cancelled for _, _, call in self._calls)

    def run_until(self, moment: float) -> None:
        while self._calls and self._calls[0][0] <= moment:
            self.now, _, call = heapq.heappop(self._calls)
            if not call.cancelled:
                call.callback()
        self.now = moment


class Record:
    def __init__(self, clock: LateClock) -> None:
        self._clock = clock
        self.tokens: list[Token] = []
        self.late_ms: list[float] = []
        self.aborts = 0

    def token(self, token: Token) -> None:
        self.tokens.append(token)
        self.late_ms.append(self._clock.now * 1000 - token.at_ms)

    def aborted(self) -> None:
        self.aborts += 1


def a_world(*, late_ms: float = 3.0, **profile: float) -> tuple[LateClock, Record, PacedEngine]:
    clock = LateClock(late_ms=late_ms)
    record = Record(clock)
    settings: dict[str, float] = {
        "alpha_ms": 10,
        "beta_ms": 1,
        "max_batch_size": 2,
        "max_waiting": 1,
    } | profile
    return clock, record, PacedEngine(Engine(Profile(**settings)), record, clock)  # type: ignore[arg-type]


async def test_after_ten_thousand_late_wake_ups_the_pace_has_not_drifted() -> None:
    clock, record, paced = a_world()
    paced.submit(input_tokens=1, output_tokens=10_000, capped=False, stream=False)
    clock.run_until(clock.now + 200)
    assert len(record.tokens) == 10_000
    assert record.tokens[-1].at_ms - record.tokens[0].job.arrived_ms == pytest.approx(110_000)
    assert max(record.late_ms) <= 3.001
    assert sum(record.late_ms[-100:]) / 100 == pytest.approx(1.5, abs=0.5)


async def test_a_clock_that_wakes_a_rounding_error_early_still_makes_progress() -> None:
    clock, record, paced = a_world(late_ms=0, alpha_ms=20.58, beta_ms=0.41)
    paced.submit(input_tokens=1, output_tokens=1000, capped=False, stream=False)
    clock.run_until(clock.now + 21)
    assert len(record.tokens) == 1000


async def test_after_a_suspended_laptop_wakes_the_tokens_due_are_delivered_at_once() -> None:
    clock, record, paced = a_world(late_ms=60_000)
    ticket = paced.submit(input_tokens=1, output_tokens=50, capped=False, stream=False)
    clock.run_until(clock.now + 60)
    assert [token.at_ms - ticket.job.arrived_ms for token in record.tokens[:2]] == [11, 22]


async def test_at_rest_no_wake_up_is_pending() -> None:
    clock, _, paced = a_world()
    assert clock.pending == 0
    paced.submit(input_tokens=1, output_tokens=2, capped=False, stream=False)
    clock.run_until(clock.now + 1)
    assert clock.pending == 0


async def test_a_streaming_ticket_yields_each_token_and_ends() -> None:
    clock, _, paced = a_world()
    ticket = paced.submit(input_tokens=1, output_tokens=3, capped=False, stream=True)
    clock.run_until(clock.now + 1)
    assert [token.number async for token in ticket.tokens()] == [1, 2, 3]
    await ticket.finished()


async def test_a_ticket_without_streaming_keeps_no_tokens() -> None:
    clock, _, paced = a_world()
    ticket = paced.submit(input_tokens=1, output_tokens=3, capped=False, stream=False)
    clock.run_until(clock.now + 1)
    await ticket.finished()
    with pytest.raises(ValueError, match="not taken for streaming"):
        await anext(ticket.tokens())


async def test_giving_up_frees_the_place_and_counts_once() -> None:
    clock, record, paced = a_world(max_batch_size=1)
    first = paced.submit(input_tokens=1, output_tokens=1000, capped=False, stream=False)
    second = paced.submit(input_tokens=1, output_tokens=1, capped=False, stream=False)
    paced.give_up(first)
    paced.give_up(first)
    clock.run_until(clock.now + 1)
    await second.finished()
    assert record.aborts == 1
    assert [token.job for token in record.tokens] == [second.job]


async def test_giving_up_a_complete_request_is_no_abort() -> None:
    clock, record, paced = a_world()
    ticket = paced.submit(input_tokens=1, output_tokens=1, capped=False, stream=False)
    clock.run_until(clock.now + 1)
    paced.give_up(ticket)
    assert record.aborts == 0


async def test_a_refused_request_leaves_the_others_on_pace() -> None:
    clock, record, paced = a_world(max_batch_size=1, max_waiting=0)
    paced.submit(input_tokens=1, output_tokens=5, capped=False, stream=False)
    clock.run_until(clock.now + 0.0111)
    with pytest.raises(QueueFullError):
        paced.submit(input_tokens=1, output_tokens=5, capped=False, stream=False)
    clock.run_until(clock.now + 1)
    assert len(record.tokens) == 5
