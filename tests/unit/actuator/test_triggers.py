"""Changes that matter wake the loop once, soon; others do not."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from inferno_actuator.triggers import ChangeWatcher
from unit.actuator.world import FakeClock


class Watched:
    def __init__(self) -> None:
        self.fingerprint = 0
        self.wakes = 0
        self.clock = FakeClock()
        self.watcher = ChangeWatcher(
            fingerprint=lambda: self.fingerprint,
            on_change=self._woken,
            clock=self.clock,
            debounce_seconds=0.5,
        )

    def _woken(self) -> None:
        self.wakes += 1

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def write(self, *, changes: bool) -> None:
        self.fingerprint += changes
        self.watcher.poke()
        await self.settle()

    async def debounce(self) -> None:
        self.clock.advance(0.5)
        await self.settle()


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    watched = Watched()
    task = asyncio.create_task(watched.watcher.run())
    await watched.settle()
    yield watched
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_change_wakes_after_the_debounce(watched: Watched) -> None:
    await watched.write(changes=True)
    assert watched.wakes == 0
    await watched.debounce()
    assert watched.wakes == 1


async def test_two_quick_changes_wake_once(watched: Watched) -> None:
    await watched.write(changes=True)
    await watched.write(changes=True)
    await watched.debounce()
    assert watched.wakes == 1


async def test_a_later_change_wakes_again(watched: Watched) -> None:
    for expected in (1, 2):
        await watched.write(changes=True)
        await watched.debounce()
        assert watched.wakes == expected


async def test_our_own_status_writes_wake_nobody(watched: Watched) -> None:
    await watched.write(changes=False)
    await watched.debounce()
    assert watched.wakes == 0
