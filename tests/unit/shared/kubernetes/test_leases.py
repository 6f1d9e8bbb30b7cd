import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from inferno_shared.kubernetes import LeaseElector
from unit.shared.kubernetes.memory_api import MemoryApi
from unit.shared.waiting import until

PATH = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/actuator"
START = datetime(2025, 9, 4, 18, 37, 23, 500_000, tzinfo=UTC)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.now - 1000)


def elector(memory: MemoryApi, clock: Clock, identity: str, said: list[bool] | None = None) -> LeaseElector:
    return LeaseElector(
        memory.client(),
        "ns",
        "actuator",
        identity,
        on_change=said.append if said is not None else None,
        clock=clock,
        wall_clock=clock.wall,
    )


def spec(memory: MemoryApi) -> dict[str, object]:
    found: dict[str, object] = memory.objects[PATH]["spec"]
    return found


async def test_the_first_one_creates_the_lease_and_leads(memory: MemoryApi) -> None:
    said: list[bool] = []
    a = elector(memory, Clock(), "a", said)
    assert not a.is_leader
    await a.step()
    assert (a.is_leader, a.holder, a.transitions, said) == (True, "a", 0, [True])
    assert spec(memory) == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "leaseTransitions": 0,
        "acquireTime": "2025-09-04T18:37:23.500000Z",
        "renewTime": "2025-09-04T18:37:23.500000Z",
    }


async def test_what_the_holder_publishes_can_be_read_by_all_and_outlives_its_term(memory: MemoryApi) -> None:
    said: dict[str, str] = {}
    a = LeaseElector(memory.client(), "ns", "actuator", "a", clock=Clock(), publish=lambda: said)
    clock = Clock()
    b = elector(memory, clock, "b")
    await a.step()
    memory.objects[PATH]["metadata"]["annotations"] = {"theirs": "stays"}
    said["plan"] = "1"
    await a.step()
    await b.step()
    assert (b.is_leader, b.annotations) == (False, {"theirs": "stays", "plan": "1"})
    clock.now += 15
    await b.step()
    assert (b.is_leader, b.annotations) == (True, {"theirs": "stays", "plan": "1"})


async def test_a_renewal_moves_only_the_renew_time(memory: MemoryApi) -> None:
    clock = Clock()
    a = elector(memory, clock, "a")
    await a.step()
    before = spec(memory)
    clock.now += 5
    await a.step()
    assert spec(memory) == {**before, "renewTime": "2025-09-04T18:37:28.500000Z"}


async def test_a_standby_waits_a_whole_lease_in_which_nothing_changed(memory: MemoryApi) -> None:
    clock = Clock()
    a, b = elector(memory, clock, "a"), elector(memory, clock, "b")
    await a.step()
    await b.step()
    clock.now += 10
    await a.step()
    await b.step()  # sees the renewal: its wait starts here
    clock.now += 14.9
    await b.step()
    assert not b.is_leader
    clock.now += 0.1
    await b.step()
    assert (b.is_leader, b.transitions, spec(memory)["leaseTransitions"]) == (True, 1, 1)
    await a.step()
    assert (a.is_leader, a.holder) == (False, "b")


async def test_a_leader_that_cannot_renew_stops_before_another_may_take_over(memory: MemoryApi) -> None:
    clock = Clock()
    said: list[bool] = []
    a, b = elector(memory, clock, "a", said), elector(memory, clock, "b")
    await a.step()
    await b.step()
    memory.down = True
    clock.now += 12.9
    await a.step()
    assert a.is_leader
    assert a.problem == "get leases actuator in namespace ns: connection refused"
    clock.now += 0.1
    assert not a.is_leader  # at once, without another step
    memory.down = False
    await b.step()
    assert not b.is_leader
    clock.now += 2
    await b.step()
    assert b.is_leader


async def test_the_loser_of_a_race_does_not_lead(memory: MemoryApi) -> None:
    clock = Clock()
    b = elector(memory, clock, "b")
    rival = {"metadata": {"name": "actuator"}, "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15}}

    def interfere() -> None:
        memory.put(PATH, rival)

    memory.before_write = interfere
    await b.step()  # the creation is lost
    assert not b.is_leader
    await b.step()
    clock.now += 15
    memory.before_write = interfere
    await b.step()  # the take-over is lost
    assert not b.is_leader


async def test_stopping_releases_the_lease_so_that_a_standby_leads_at_once(memory: MemoryApi) -> None:
    clock = Clock()
    said: list[bool] = []
    a, b = elector(memory, clock, "a", said), elector(memory, clock, "b")
    task = asyncio.create_task(a.run())
    await until(lambda: a.is_leader)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert (a.is_leader, said, spec(memory)["holderIdentity"]) == (False, [True, False], "")
    await b.step()
    assert (b.is_leader, b.transitions) == (True, 1)


async def test_stopping_without_an_api_server_only_costs_the_wait(memory: MemoryApi) -> None:
    a = elector(memory, Clock(), "a")
    task = asyncio.create_task(a.run())
    await until(lambda: a.is_leader)
    memory.down = True
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not a.is_leader
    assert spec(memory)["holderIdentity"] == "a"


async def test_only_a_renewal_that_worked_earns_the_longer_pause(memory: MemoryApi) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        memory.down = len(pauses) == 1
        if len(pauses) == 3:
            raise asyncio.CancelledError

    a = LeaseElector(memory.client(), "ns", "actuator", "a", sleep=sleep, clock=Clock())
    with pytest.raises(asyncio.CancelledError):
        await a.run()
    assert pauses == [5, 2, 5]


def test_times_that_cannot_work_are_refused(memory: MemoryApi) -> None:
    with pytest.raises(ValueError, match="below duration_seconds"):
        LeaseElector(memory.client(), "ns", "n", "a", duration_seconds=5, renew_seconds=4, retry_seconds=1)
