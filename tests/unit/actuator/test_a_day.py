"""Twenty-four hours of cycles, one a minute, on a clock turned by hand: nothing that is kept may grow."""

import asyncio
import gc
import math
from pathlib import Path

from builders import a_load, a_snapshot, a_variant
from inferno_actuator.decision_log import DecisionLog
from inferno_actuator.metric_names import DESIRED
from inferno_actuator.rails import RailLimits, Step
from inferno_actuator.triggers import Trigger
from inferno_shared.contracts import Outcome, PlanReason, Variant
from unit.actuator.world import World, an_allocation, silent

MINUTES_PER_DAY = 24 * 60
STAR_RPM = 14.308867
LIMITS = RailLimits(step_up=Step(replicas=4), step_down=Step(percent=50), stabilization_seconds=300)


def exported(world: World) -> dict[str, int]:
    return {s.labels["variant_name"]: int(s.value) for s in world.gauges.samples(DESIRED)}


def rate_rpm(minute: int, phase: float) -> float:
    """A day's wave between 10 and 130 requests/min."""
    return 70 - 60 * math.cos(2 * math.pi * (minute / MINUTES_PER_DAY + phase))


def seen(world: World, minute: int) -> list[Variant]:
    """The steady variants, and one of a kind that lives for ten minutes and never comes back."""
    names, now = ["a", "b", f"passing-{minute // 10}"], exported(world)
    return [
        a_variant(
            name,
            replicas=now.get(name, 1),
            load=a_load(rate_rpm(minute, index / 3)),
        )
        for index, name in enumerate(names)
    ]


def planned(variant: Variant, minute: int) -> object:
    if minute % 98 == 0:
        return an_allocation(variant, replicas=1, outcome=Outcome.HELD, reason=PlanReason.UNKNOWN_LOAD)
    needed = max(1, math.ceil((variant.load.arrival_rate_rpm or 0) / STAR_RPM))
    return an_allocation(variant, replicas=needed, message=f"{needed} replicas carry it")


async def live_through(world: World, minutes: range) -> None:
    for minute in minutes:
        variants = seen(world, minute)
        for variant in variants:
            if variant.key not in world.statuses.objects:
                world.statuses.add(variant.key, uid=f"uid-{variant.name}")
        for key in set(world.statuses.objects) - {variant.key for variant in variants}:
            del world.statuses.objects[key]
        world.see(*variants)
        world.allocations = [planned(variant, minute) for variant in variants]  # type: ignore[misc]
        cycle = await world.loop.run_once(Trigger.INTERVAL)
        assert cycle.failure is None
        assert set(exported(world)) == {variant.name for variant in variants}
        world.clock.advance(60)
        world.statuses.events.clear()
        world.statuses.writes.clear()
        world.statuses.reads.clear()


def objects_held() -> int:
    gc.collect()
    return len(gc.get_objects())


def test_a_day_of_cycles_leaves_no_memory_series_or_caches_behind(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions", max_bytes=200_000, files=2)

    async def day() -> tuple[World, int, int]:
        world = World(a_snapshot(variants=[]), decision_log=log)
        world.statuses.rails = LIMITS
        await live_through(world, range(120))
        after_two_hours = objects_held()
        await live_through(world, range(120, MINUTES_PER_DAY))
        return world, after_two_hours, objects_held()

    with silent():
        world, after_two_hours, after_a_day = asyncio.run(day())
    assert after_a_day - after_two_hours < 500, f"{after_two_hours} -> {after_a_day} objects"
    series = [sample for family in world.registry.collect() for sample in family.samples]
    per_variant = [s for s in series if "variant_name" in s.labels]
    assert {s.labels["variant_name"] for s in per_variant} == {"a", "b", "passing-143"}
    assert len(series) < 250
    assert len(world.journal.cycles) <= 20
    last = world.journal.last
    assert last is not None
    assert last.number == MINUTES_PER_DAY
    assert set(world.loop._memory.by_key) == set(world.statuses.objects)
    assert all(len(runs) <= 10 for runs in world.loop._memory.by_key.values())
    assert set(world.loop._in_force) == set(world.statuses.objects)
    assert set(world.loop._publisher._stamped) <= set(world.statuses.objects)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 400_000
