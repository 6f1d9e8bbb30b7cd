"""When the loop turns."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from inferno_actuator.apply import WriteCounts
from inferno_actuator.journal import Cycle
from inferno_actuator.scheduler import NotLeadingError, Scheduler
from inferno_actuator.stages import FailureReason, Stage, StageError
from inferno_actuator.triggers import Trigger
from unit.actuator.world import FakeClock


class Seat:
    """A leadership that the test gives and takes."""

    is_leader = True
    transitions = 0
    holder: str | None = "somebody-else"

    @property
    def annotations(self) -> dict[str, str]:
        return {}

    async def run(self) -> None:
        return


class CountedLoop:
    """A scheduler with a loop that only counts its turns."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.seat = Seat()
        self.interval = 60.0
        self.triggers: list[Trigger] = []
        self.stood_down = 0
        self.fails = False
        self.without_target = 0
        self.bug: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.scheduler = Scheduler(
            turn=self._turn,
            stand_down=self._stand_down,
            interval_seconds=lambda: self.interval,
            leadership=self.seat,
            clock=self.clock,
        )

    async def _turn(self, trigger: Trigger) -> Cycle:
        self.triggers.append(trigger)
        if self.gate is not None:
            await self.gate.wait()
        if self.bug is not None:
            raise self.bug
        failure = StageError(Stage.COLLECT, FailureReason.TIMEOUT, "slow") if self.fails else None
        return Cycle(
            number=len(self.triggers),
            trigger=trigger,
            started_at=self.clock.now(),
            duration_seconds=0,
            failure=failure,
            without_target=self.without_target,
            writes=WriteCounts(),
        )

    def _stand_down(self) -> None:
        self.stood_down += 1

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.settle()


@pytest.fixture
async def stage() -> AsyncIterator[CountedLoop]:
    stage = CountedLoop()
    task = asyncio.create_task(stage.scheduler.run())
    await stage.settle()
    yield stage
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_turns_at_the_start_and_at_each_interval(stage: CountedLoop) -> None:
    assert stage.triggers == [Trigger.START]
    await stage.advance(59)
    assert stage.triggers == [Trigger.START]
    await stage.advance(1)
    assert stage.triggers == [Trigger.START, Trigger.INTERVAL]


async def test_the_interval_counts_from_start_to_start(stage: CountedLoop) -> None:
    stage.gate = asyncio.Event()
    await stage.advance(60)
    await stage.advance(20)
    stage.gate.set()
    stage.gate = None
    await stage.settle()
    await stage.advance(40)
    assert stage.triggers == [Trigger.START, Trigger.INTERVAL, Trigger.INTERVAL]


async def test_a_missing_scale_target_is_looked_for_every_minute_however_long_the_interval(
    stage: CountedLoop,
) -> None:
    """A Deployment that is deleted and made again is taken up within two minutes."""
    stage.interval = 3_600
    stage.without_target = 1
    stage.scheduler.wake()
    await stage.settle()
    await stage.advance(60)
    assert len(stage.triggers) == 3
    stage.without_target = 0
    await stage.advance(60)
    await stage.advance(3_599)
    assert len(stage.triggers) == 4


async def test_a_change_turns_at_once(stage: CountedLoop) -> None:
    stage.scheduler.wake()
    await stage.settle()
    assert stage.triggers == [Trigger.START, Trigger.CHANGE]


async def test_a_shorter_interval_holds_from_the_next_wait_on(stage: CountedLoop) -> None:
    stage.interval = 10
    stage.scheduler.wake()
    await stage.settle()
    await stage.advance(10)
    assert stage.triggers == [Trigger.START, Trigger.CHANGE, Trigger.INTERVAL]


async def test_changes_during_a_turn_cause_one_more_turn(stage: CountedLoop) -> None:
    stage.gate = asyncio.Event()
    stage.scheduler.wake()
    await stage.settle()
    stage.scheduler.wake()
    stage.scheduler.wake()
    stage.gate.set()
    await stage.settle()
    assert stage.triggers == [Trigger.START, Trigger.CHANGE, Trigger.CHANGE]


async def test_a_failed_turn_is_repeated_soon_then_less_often(stage: CountedLoop) -> None:
    stage.fails = True
    stage.scheduler.wake()
    await stage.settle()
    for seconds in (5, 10, 20, 40, 60):
        await stage.advance(seconds - 1)
        before = len(stage.triggers)
        await stage.advance(1)
        assert len(stage.triggers) == before + 1
    assert stage.triggers[2:] == [Trigger.RETRY] * 4 + [Trigger.INTERVAL]


async def test_whoever_asks_gets_the_next_turn_together_with_the_others(stage: CountedLoop) -> None:
    stage.gate = asyncio.Event()
    stage.scheduler.wake()
    await stage.settle()
    asked = [asyncio.create_task(stage.scheduler.turn_now()) for _ in range(3)]
    await stage.settle()
    stage.gate.set()
    cycles = await asyncio.gather(*asked)
    assert {cycle.number for cycle in cycles} == {3}
    assert stage.triggers[-1] is Trigger.INVOKE


async def test_a_bug_in_the_loop_does_not_stop_it(stage: CountedLoop) -> None:
    stage.bug = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        await stage.scheduler.turn_now()
    stage.bug = None
    assert (await stage.scheduler.turn_now()).failure is None


async def test_without_the_lead_it_stands_down_and_refuses(stage: CountedLoop) -> None:
    stage.seat.is_leader = False
    stage.scheduler.wake()
    await stage.settle()
    await stage.advance(60)
    assert stage.stood_down == 1
    turns = len(stage.triggers)
    await stage.advance(120)
    assert len(stage.triggers) == turns
    with pytest.raises(NotLeadingError, match="somebody-else"):
        await stage.scheduler.turn_now()
    stage.seat.is_leader = True
    await stage.advance(1)
    assert stage.triggers[-1] is Trigger.START


async def test_whoever_waits_when_it_stops_is_told() -> None:
    stage = CountedLoop()
    stage.gate = asyncio.Event()
    task = asyncio.create_task(stage.scheduler.run())
    await stage.settle()
    asked = asyncio.create_task(stage.scheduler.turn_now())
    await stage.settle()
    task.cancel()
    with pytest.raises(NotLeadingError, match="stopping"):
        await asked
