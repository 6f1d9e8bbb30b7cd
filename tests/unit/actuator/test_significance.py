"""A status is written when it tells something: a decision, a measurement beyond noise, or a heartbeat."""

from datetime import timedelta

import pytest

from builders import a_load, a_snapshot, a_variant
from inferno_actuator.apply import Pace
from inferno_actuator.decisions import Decision
from inferno_actuator.significance import Urgency, urgency
from inferno_actuator.status import Prices, render
from inferno_actuator.triggers import Trigger
from inferno_shared.contracts import ObservedLatency, Variant
from unit.actuator.world import NOON, JsonObject, World, a_held_allocation, a_plan, decided, silent


def rendered(
    variant: Variant | None = None,
    before: JsonObject | None = None,
    *,
    minutes: float = 0,
    held: bool = False,
) -> JsonObject:
    snapshot = a_snapshot(variants=[variant or a_variant()])
    decision: Decision = decided(snapshot, a_plan(snapshot, [a_held_allocation()] if held else None))
    now = NOON + timedelta(minutes=minutes)
    return render(decision, before or {}, prices=Prices.of(snapshot), generation=7, now=now)


def urgent(before: JsonObject, after: JsonObject, *, minutes: float = 0, noise: float = 0.1) -> Urgency:
    now = NOON + timedelta(minutes=minutes)
    return urgency(before, after, now=now, heartbeat_seconds=300, noise=noise)


def at_rate(rate_rpm: float, before: JsonObject | None = None) -> JsonObject:
    return rendered(a_variant(load=a_load(rate_rpm)), before)


@pytest.mark.parametrize(
    ("minutes", "expected"), [(1, Urgency.NONE), (4, Urgency.NONE), (5, Urgency.HEARTBEAT)]
)
def test_nothing_new_is_not_worth_a_write_before_the_heartbeat(minutes: float, expected: Urgency) -> None:
    before = rendered()
    assert urgent(before, rendered(before=before, minutes=minutes), minutes=minutes) is expected


@pytest.mark.parametrize(
    ("rate_rpm", "expected"),
    [
        (37.5, Urgency.NONE),
        (40.1, Urgency.NONE),  # 6.9 % more
        (41.2, Urgency.NONE),  # 9.9 % more
        (41.3, Urgency.CHANGE),  # 10.1 % more
        (33.0, Urgency.CHANGE),  # 12 % less
    ],
)
def test_a_measured_number_is_news_beyond_the_threshold(rate_rpm: float, expected: Urgency) -> None:
    before = at_rate(37.5)
    assert urgent(before, at_rate(rate_rpm, before)) is expected


def test_without_a_threshold_every_rounded_number_is_news() -> None:
    before = at_rate(37.5)
    assert urgent(before, at_rate(37.5001, before), noise=0) is Urgency.NONE
    assert urgent(before, at_rate(37.51, before), noise=0) is Urgency.CHANGE


def test_a_slow_drift_is_written_once_it_has_summed_up() -> None:
    written, writes = at_rate(37.5), 0
    for step in range(1, 31):
        following = at_rate(37.5 * 1.01**step, written)
        if urgent(written, following) is Urgency.CHANGE:
            written, writes = following, writes + 1
    assert writes == 3  # at + 10.5 %, + 22 %, + 34.8 %: every tenth per cent


def test_tiny_numbers_may_double_without_being_news() -> None:
    def waiting(wait_ms: float) -> Variant:
        return a_variant().model_copy(update={"observed": ObservedLatency(wait_ms=wait_ms)})

    before = rendered(waiting(0.03))
    assert urgent(before, rendered(waiting(0.06), before)) is Urgency.NONE
    assert urgent(before, rendered(waiting(0.6), before)) is Urgency.CHANGE


def test_what_was_decided_and_every_condition_always_counts() -> None:
    before = rendered(a_variant(replicas=100))
    assert urgent(before, rendered(a_variant(replicas=101), before)) is Urgency.CHANGE
    assert urgent(before, rendered(a_variant(replicas=100), before, held=True)) is Urgency.CHANGE
    desired = {**before, "desiredOptimizedAlloc": {**before["desiredOptimizedAlloc"], "numReplicas": 4}}
    assert urgent(before, desired) is Urgency.CHANGE


def test_a_number_that_appears_or_goes_is_news() -> None:
    before = rendered()
    assert urgent(before, rendered(a_variant(rate_rpm=None), before)) is Urgency.CHANGE


def test_a_number_inside_a_name_is_a_name() -> None:
    def named(name: str) -> JsonObject:
        return {"conditions": [{"message": f"Deployment {name} has 3 replicas"}]}

    assert urgent(named("model-v100"), named("model-v101")) is Urgency.CHANGE


async def test_heartbeats_are_a_few_per_cycle_the_oldest_first() -> None:
    variants = [a_variant(f"v{index:02}") for index in range(25)]
    world = World(a_snapshot(variants=variants), pace=Pace(heartbeats_per_cycle=10))
    assert (await world.loop.run_once(Trigger.START)).writes.written == 25
    written = []
    for _ in range(4):
        world.clock.advance(300)
        world.statuses.writes.clear()
        await world.loop.run_once(Trigger.INTERVAL)
        written.append([int(name[1:]) for _, name in world.statuses.writes])
    assert [sorted(one) for one in written] == [
        list(range(10)),
        list(range(10, 20)),
        [0, 1, 2, 3, 4, 20, 21, 22, 23, 24],
        [5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
    ]


async def test_ties_that_are_made_take_the_place_of_heartbeats() -> None:
    world = World(a_snapshot(variants=[a_variant(f"v{index:02}") for index in range(12)]))
    await world.loop.run_once(Trigger.START)
    world.clock.advance(300)
    world.statuses.untied = 4
    assert (await world.loop.run_once(Trigger.INTERVAL)).writes.written == 6


async def test_a_thousand_variants_of_which_none_changed_cost_at_most_ten_writes() -> None:
    variants = [a_variant(f"v{index}") for index in range(1_000)]
    world = World(a_snapshot(variants=variants))
    with silent():
        await world.loop.run_once(Trigger.START)
        for seconds in (60, 240):
            world.statuses.writes.clear()
            world.statuses.reads.clear()
            world.clock.advance(seconds)
            cycle = await world.loop.run_once(Trigger.INTERVAL)
            assert cycle.variants == 1_000
            assert len(world.statuses.writes) <= 10
            assert len(world.statuses.reads) <= 10
            assert cycle.writes.unchanged >= 990
