"""The loop's turn, and what it does when collector, optimizer or API server fail in every way they can."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from builders import a_snapshot, a_variant
from inferno_actuator.known import Desired
from inferno_actuator.seams import Limits
from inferno_actuator.stages import FailureReason, Stage
from inferno_actuator.triggers import Trigger
from inferno_shared.contracts import Certificate, Plan, PlanReason, Problem, Snapshot
from inferno_shared.errors import ForbiddenError
from unit.actuator.world import (
    SEED_KEY,
    World,
    a_held_allocation,
    a_known,
    a_plan,
    a_problem,
    an_allocation,
    answer,
    persisted,
)

Respond = Callable[[httpx.Request], httpx.Response]


async def turn(world: World) -> None:
    await world.loop.run_once(Trigger.INTERVAL)


def refuses(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def stalls(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("")


def responds(status: int, content: bytes) -> Respond:
    return lambda _: httpx.Response(status, content=content)


def with_plan(change: Callable[[Plan], Plan]) -> Respond:
    return lambda request: answer(change(a_plan(Snapshot.model_validate_json(request.content))))


async def test_a_turn_exports_writes_tells_and_records() -> None:
    world = World()
    cycle = await world.loop.run_once(Trigger.START)
    assert cycle.failure is None
    assert cycle.changed == ("/".join(SEED_KEY),)
    assert world.desired() == {SEED_KEY[1]: 3}
    assert world.statuses.status()["desiredOptimizedAlloc"]["numReplicas"] == 3
    assert world.statuses.condition("OptimizationReady")["status"] == "True"
    assert [event[:2] for event in world.statuses.events] == [("Normal", "ScaleUp")]
    assert world.journal.in_force is not None
    assert set(cycle.stage_seconds) == set(Stage) - {Stage.ACT}


async def test_an_unchanged_world_is_not_written_again() -> None:
    world = World()
    await turn(world)
    world.clock.advance(60)
    await turn(world)
    assert world.statuses.writes == [SEED_KEY]
    assert world.statuses.reads == [SEED_KEY]
    world.clock.advance(240)
    await turn(world)
    assert world.statuses.writes == [SEED_KEY, SEED_KEY]
    assert len(world.statuses.events) == 1


@pytest.mark.parametrize(
    ("stage", "respond", "reason"),
    [
        (Stage.COLLECT, refuses, FailureReason.UNREACHABLE),
        (Stage.COLLECT, stalls, FailureReason.TIMEOUT),
        (Stage.COLLECT, responds(500, b"boom"), FailureReason.REFUSED),
        (Stage.COLLECT, responds(200, b"<html>"), FailureReason.INVALID_ANSWER),
        (Stage.COLLECT, responds(200, b"{}"), FailureReason.INVALID_ANSWER),
        (
            Stage.COLLECT,
            responds(200, a_snapshot().model_dump_json(exclude={"id"}).encode()),
            FailureReason.INVALID_ANSWER,
        ),
        (
            Stage.COLLECT,
            responds(200, a_snapshot().model_dump_json(exclude={"taken_at"}).encode()),
            FailureReason.INVALID_ANSWER,
        ),
        (Stage.OPTIMIZE, refuses, FailureReason.UNREACHABLE),
        (Stage.OPTIMIZE, stalls, FailureReason.TIMEOUT),
        (Stage.OPTIMIZE, responds(500, b'{"detail": "solver crashed"}'), FailureReason.REFUSED),
        (Stage.OPTIMIZE, responds(200, b'{"snapshot_id": "x", "alloc'), FailureReason.INVALID_ANSWER),
        (Stage.OPTIMIZE, responds(200, b"[]"), FailureReason.INVALID_ANSWER),
        (
            Stage.OPTIMIZE,
            with_plan(lambda plan: plan.model_copy(update={"snapshot_id": "another"})),
            FailureReason.WRONG_SNAPSHOT,
        ),
        (
            Stage.OPTIMIZE,
            with_plan(
                lambda plan: plan.model_copy(
                    update={"certificate": Certificate(status="optimal", verified=False)}
                )
            ),
            FailureReason.UNVERIFIED_PLAN,
        ),
    ],
)
async def test_a_failed_stage_leaves_the_last_plan_in_force_says_so_and_recovers(
    stage: Stage, respond: Respond, reason: FailureReason
) -> None:
    world = World()
    await turn(world)
    before = dict(world.statuses.status())
    good = getattr(world, "collector" if stage is Stage.COLLECT else "optimizer")

    setattr(world, "collector" if stage is Stage.COLLECT else "optimizer", respond)
    world.clock.advance(60)
    cycle = await world.loop.run_once(Trigger.INTERVAL)
    assert cycle.failure is not None
    assert (cycle.failure.stage, cycle.failure.reason) == (stage, reason)
    assert world.desired() == {SEED_KEY[1]: 3}
    after = world.statuses.status()
    assert {**after, "conditions": []} == {**before, "conditions": []}
    ready = world.statuses.condition("OptimizationReady")
    assert (ready["status"], ready["reason"]) == ("False", "OptimizationFailed")
    assert ready["message"].startswith(f"Stage {stage} failed ({reason}): ")
    assert world.value("inferno_stage_errors_total", stage=stage, reason=reason) == 1

    setattr(world, "collector" if stage is Stage.COLLECT else "optimizer", good)
    world.clock.advance(60)
    await turn(world)
    assert world.statuses.condition("OptimizationReady")["status"] == "True"
    assert [event[:2] for event in world.statuses.events] == [
        ("Normal", "ScaleUp"),
        ("Warning", "OptimizationFailed"),
        ("Normal", "OptimizationSucceeded"),
    ]


async def test_a_hanging_optimizer_is_given_up() -> None:
    world = World(limits=Limits(optimize_seconds=0.05))

    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        return httpx.Response(200)

    world.optimizer = hang
    cycle = await world.loop.run_once(Trigger.INTERVAL)
    assert cycle.failure is not None
    assert cycle.failure.reason is FailureReason.TIMEOUT
    assert world.statuses.condition("OptimizationReady")["reason"] == "OptimizationFailed"


async def test_a_snapshot_from_long_ago_is_a_frozen_value_in_disguise() -> None:
    world = World()
    world.collector = lambda _: answer(world.snapshot.model_copy(update={"taken_at": world.clock.now()}))
    await turn(world)
    old = answer(world.snapshot.model_copy(update={"taken_at": world.clock.now()})).content
    world.collector = responds(200, old)
    world.clock.advance(301)
    cycle = await world.loop.run_once(Trigger.INTERVAL)
    assert cycle.failure is not None
    assert cycle.failure.reason is FailureReason.STALE_SNAPSHOT
    assert "301 s old" in cycle.failure.message


async def test_a_bug_in_a_stage_ends_the_turn_not_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("inferno_actuator.loop.decide", broken)
    cycle = await world.loop.run_once(Trigger.INTERVAL)
    assert cycle.failure is not None
    assert (cycle.failure.stage, cycle.failure.reason) == (Stage.DECIDE, FailureReason.UNEXPECTED)
    assert "ZeroDivisionError" in world.statuses.condition("OptimizationReady")["message"]


async def test_desired_values_disappear_when_their_plan_is_older_than_the_bound() -> None:
    world = World()
    await turn(world)
    world.collector = refuses
    for _ in range(5):
        world.clock.advance(60)
        await turn(world)
    assert world.desired() == {SEED_KEY[1]: 3}
    world.clock.advance(1)
    for name in ("inferno_desired_replicas", "inferno_desired_ratio", "inferno_plan_cost_cents_per_hour"):
        assert world.series(name) == []
    assert world.value("inferno_plan_age_seconds") == 301
    assert world.statuses.status()["desiredOptimizedAlloc"]["numReplicas"] == 3


async def test_a_variant_that_no_plan_covers_any_more_loses_its_series_at_the_bound_too() -> None:
    world = World(a_snapshot(variants=[a_variant("a"), a_variant("b")]))
    await turn(world)
    world.see(a_variant("a"), problems=[a_problem("InvalidConfiguration", key=("llm-d-sim", "b"))])
    for _ in range(6):
        world.clock.advance(60)
        await turn(world)
    assert world.desired() == {"a": 3}
    assert world.statuses.status(("llm-d-sim", "b"))["desiredOptimizedAlloc"]["numReplicas"] == 3


async def test_after_a_restart_the_status_is_the_memory() -> None:
    world = World(a_snapshot(variants=[a_variant(replicas=2, rate_rpm=None)]))
    world.statuses.add(status=persisted(4))
    world.allocations = [a_held_allocation()]
    cycle = await world.loop.run_once(Trigger.START)
    assert world.desired() == {SEED_KEY[1]: 4}
    assert cycle.changed == ()
    assert cycle.held == 1
    assert world.value("inferno_held_variants") == 1


async def test_after_a_restart_without_any_plan_nothing_is_exported() -> None:
    world = World()
    world.statuses.add(status=persisted(4))
    world.collector = refuses
    await turn(world)
    assert world.series("inferno_desired_replicas") == []
    assert world.statuses.status()["desiredOptimizedAlloc"]["numReplicas"] == 4


async def test_a_change_of_accelerator_moves_the_series() -> None:
    world = World()
    await turn(world)
    profiles = a_variant().profiles
    world.see(a_variant(profiles=[*profiles, profiles[0].model_copy(update={"accelerator": "A100"})]))
    world.allocations = [an_allocation(accelerator="A100")]
    await turn(world)
    assert [labels["accelerator_type"] for labels, _ in world.series("inferno_desired_replicas")] == ["A100"]
    assert ("Normal", "AcceleratorChanged") in [event[:2] for event in world.statuses.events]


async def test_a_deleted_variant_loses_its_series_even_while_the_collector_is_down() -> None:
    world = World(a_snapshot(variants=[a_variant("a"), a_variant("b")]))
    await turn(world)
    assert set(world.desired()) == {"a", "b"}
    del world.statuses.objects["llm-d-sim", "b"]
    world.collector = refuses
    await turn(world)
    assert set(world.desired()) == {"a"}
    scaled = {labels["variant_name"] for labels, _ in world.series("inferno_replica_scaling_total")}
    assert scaled == {"a"}


async def test_a_variant_deleted_in_mid_cycle_is_no_error() -> None:
    world = World()

    def delete(request: httpx.Request) -> httpx.Response:
        world.statuses.objects.clear()
        return world._plan(request)

    world.optimizer = delete
    cycle = await world.loop.run_once(Trigger.INTERVAL)
    assert (cycle.failure, cycle.writes.error) == (None, None)
    assert world.desired() == {}


async def test_a_variant_deleted_while_its_status_is_written_is_no_error() -> None:
    world = World()
    world.statuses.before_read = lambda _: world.statuses.objects.clear()
    cycle = await world.loop.run_once(Trigger.INTERVAL)
    assert (cycle.failure, cycle.writes.error, cycle.writes.unchanged) == (None, None, 1)
    assert world.statuses.events == []


async def test_a_variant_made_anew_in_mid_cycle_is_left_to_the_next_cycle() -> None:
    world = World()
    world.statuses.before_read = lambda key: world.statuses.add(key, uid="u2")
    cycle = await world.loop.run_once(Trigger.INTERVAL)
    assert cycle.writes.written == 0
    world.statuses.before_read = None
    cycle = await world.loop.run_once(Trigger.CHANGE)
    assert cycle.writes.written == 1


async def test_a_conflict_on_a_status_is_resolved_without_a_second_event() -> None:
    world = World()
    world.statuses.conflicts = 2
    cycle = await world.loop.run_once(Trigger.INTERVAL)
    assert cycle.writes.written == 1
    assert len(world.statuses.events) == 1


async def test_one_status_that_cannot_be_written_stops_no_other() -> None:
    world = World(a_snapshot(variants=[a_variant("a"), a_variant("b")]))
    world.statuses.failures["llm-d-sim", "a"] = ForbiddenError("may not patch", status=403)
    cycle = await world.loop.run_once(Trigger.INTERVAL)
    assert world.statuses.writes == [("llm-d-sim", "b")]
    assert (cycle.writes.failed, cycle.writes.error) == (1, "may not patch")
    assert cycle.failure is None
    assert set(world.desired()) == {"a", "b"}
    assert world.value("inferno_stage_errors_total", stage="apply", reason="KubernetesError") == 1
    assert world.value("inferno_status_writes_total", result="failed") == 1


async def test_an_api_server_that_hangs_does_not_keep_the_desired_value_from_being_exported() -> None:
    world = World(limits=Limits(apply_seconds=0.05))
    world.statuses.hang = True
    cycle = await world.loop.run_once(Trigger.INTERVAL)
    assert cycle.failure is None
    assert cycle.writes.error is not None
    assert "not done within 0.05 s" in cycle.writes.error
    assert world.desired() == {SEED_KEY[1]: 3}


async def test_a_variant_of_the_plan_that_the_snapshot_has_not_is_reported_and_ignored() -> None:
    world = World()
    world.allocations = [an_allocation(), an_allocation(key=("other", "ghost"))]
    cycle = await world.loop.run_once(Trigger.INTERVAL)
    assert cycle.failure is None
    assert cycle.unknown == (("other", "ghost"),)
    assert world.value("inferno_stage_errors_total", stage="decide", reason="UnknownVariant") == 1
    assert world.desired() == {SEED_KEY[1]: 3}


async def test_a_process_that_lost_the_lead_writes_and_exports_nothing() -> None:
    world = World()
    await turn(world)

    def depose(request: httpx.Request) -> httpx.Response:
        world.leads = False
        return world._plan(request)

    world.optimizer = depose
    world.allocations = [an_allocation(replicas=9)]
    await turn(world)
    assert world.statuses.status()["desiredOptimizedAlloc"]["numReplicas"] == 3
    assert world.series("inferno_desired_replicas") == []
    assert world.value("inferno_leader") == 0


async def test_a_process_that_stood_down_starts_again_from_the_statuses() -> None:
    world = World()
    await turn(world)
    world.loop.stand_down()
    assert world.series("inferno_desired_replicas") == []
    world.statuses.add(status=persisted(7))
    world.see(a_variant(rate_rpm=None))
    world.allocations = [a_held_allocation()]
    await turn(world)
    assert world.desired() == {SEED_KEY[1]: 7}


async def test_the_counter_counts_changes_by_direction_and_reason() -> None:
    world = World()
    for replicas in (3, 3, 5, 2):
        world.allocations = [an_allocation(replicas=replicas)]
        await turn(world)
    labels = {"variant_name": SEED_KEY[1], "namespace": SEED_KEY[0], "reason": "SloBinds"}
    assert world.value("inferno_replica_scaling_total", direction="up", **labels) == 2
    assert world.value("inferno_replica_scaling_total", direction="down", **labels) == 1


async def test_an_infeasible_variant_is_counted_and_held() -> None:
    world = World()
    world.allocations = [a_held_allocation(reason=PlanReason.INFEASIBLE_SLO)]
    await turn(world)
    assert world.value("inferno_infeasible_variants") == 1
    assert world.statuses.condition("OptimizationReady")["reason"] == "InfeasibleSLO"


async def test_a_malformed_object_gets_a_condition_and_stops_no_other() -> None:
    world = World(a_snapshot(variants=[a_variant("a")]))
    world.statuses.add(("llm-d-sim", "broken"))
    problem = a_problem("InvalidObject", "spec.modelID: must be a text", ("llm-d-sim", "broken"))
    world.see(a_variant("a"), problems=[problem])
    await turn(world)
    assert world.desired() == {"a": 3}
    ready = world.statuses.condition("OptimizationReady", ("llm-d-sim", "broken"))
    assert (ready["reason"], ready["observedGeneration"]) == ("InvalidConfiguration", 7)
    assert "spec.modelID" in ready["message"]


async def test_a_vanished_scale_target_takes_its_series_along_and_comes_back() -> None:
    world = World()
    await turn(world)
    world.see(problems=[a_problem("TargetNotFound", "no Deployment of that name")])
    await turn(world)
    assert world.series("inferno_desired_replicas") == []
    assert world.statuses.condition("TargetResolved")["reason"] == "TargetNotFound"
    world.see(a_variant())
    await turn(world)
    assert world.desired() == {SEED_KEY[1]: 3}
    assert ("Normal", "TargetFound") in [event[:2] for event in world.statuses.events]


async def test_a_variant_that_the_collector_does_not_know_yet_is_worth_another_try_soon() -> None:
    world = World()
    world.see()
    cycle = await world.loop.run_once(Trigger.CHANGE)
    assert cycle.failure is None
    assert cycle.is_worth_repeating
    world.see(a_variant())
    assert not (await world.loop.run_once(Trigger.RETRY)).is_worth_repeating


async def test_problems_of_others_are_counted_by_reason() -> None:
    world = World()
    world.see(a_variant(), problems=[Problem(subject="Node n1", reason="DeviceUnknown", message="no label")])
    await turn(world)
    assert world.value("inferno_problems", reason="DeviceUnknown") == 1
    world.see(a_variant())
    await turn(world)
    assert world.value("inferno_problems", reason="DeviceUnknown") is None


def test_the_seed_of_a_hold_value_is_read_from_the_status() -> None:
    assert a_known(status=persisted(4)).persisted() == Desired("H100", 4)
