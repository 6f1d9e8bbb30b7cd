"""Every fault at the actuator's end: no wrong-way scale, no lost variant, recovery by itself, a name for it.

Two variants want three replicas each. A fault comes, lasts three cycles, and goes. While it lasts nothing may
be exported or written that is less than before; both variants keep their status; a condition names what is
wrong. After it everything is as it was, without anybody's help.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx
import pytest

from builders import a_load, a_snapshot, a_variant
from inferno_actuator.actuation.verdict import Actuation
from inferno_actuator.decisions import Decision
from inferno_actuator.known import Key
from inferno_actuator.modes import Mode
from inferno_actuator.triggers import Trigger
from inferno_shared.contracts import Allocation, Certificate, Outcome, Plan, PlanReason, Snapshot, Variant
from inferno_shared.errors import (
    ConflictError,
    ForbiddenError,
    KubernetesError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
)
from unit.actuator.world import (
    Handler,
    World,
    a_plan,
    a_problem,
    an_allocation,
    answer,
)

A, B = ("llm-d-sim", "a"), ("llm-d-sim", "b")
BOTH = {"a": 3, "b": 3}
VARIANTS = [a_variant("a", replicas=3), a_variant("b", replicas=3)]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Args:
        inject: makes it go wrong; what it returns puts it right.
        says: pattern that a condition's `type reason message` of the affected variants must match.
        affects: the variants that must say so.
        written: whether statuses can be written while it lasts; else the conditions are read afterwards.
    """

    name: str
    inject: Callable[[World], Callable[[], None]]
    says: str
    affects: tuple[tuple[str, str], ...] = (A, B)
    written: bool = True


def collector(handler: Handler) -> Callable[[World], Callable[[], None]]:
    return _replaced("collector", handler)


def optimizer(handler: Handler) -> Callable[[World], Callable[[], None]]:
    return _replaced("optimizer", handler)


def _replaced(service: str, handler: Handler) -> Callable[[World], Callable[[], None]]:
    def inject(world: World) -> Callable[[], None]:
        good = getattr(world, service)
        setattr(world, service, handler)
        return lambda: setattr(world, service, good)

    return inject


def raising(error: Exception) -> Handler:
    def handle(_: httpx.Request) -> httpx.Response:
        raise error

    return handle


def responding(status: int, content: bytes) -> Handler:
    return lambda _: httpx.Response(status, content=content)


def hanging(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("")


def planning(change: Callable[[Plan], Plan]) -> Callable[[World], Callable[[], None]]:
    return optimizer(lambda request: answer(change(a_plan(Snapshot.model_validate_json(request.content)))))


def allocating(change: Callable[[Allocation], Sequence[Allocation]]) -> Callable[[World], Callable[[], None]]:
    """A plan in which variant a's allocation is something else; b's is right."""

    def changed(plan: Plan) -> Plan:
        first, *rest = plan.allocations
        return plan.model_copy(update={"allocations": [*change(first), *rest]})

    return planning(changed)


def absurd(**fields: object) -> Callable[[World], Callable[[], None]]:
    return allocating(lambda allocation: [allocation.model_copy(update=fields)])


def seeing(*variants: Variant, reason: str = "", message: str = "") -> Callable[[World], Callable[[], None]]:
    """A snapshot with other variants; with a reason, a problem about variant a."""

    def inject(world: World) -> Callable[[], None]:
        problems = [a_problem(reason, message, A)] if reason else []
        world.see(*variants, problems=problems)
        return lambda: world.see(*VARIANTS)

    return inject


def stale(world: World) -> Callable[[], None]:
    """The collector answers with the snapshot of ten minutes ago."""
    good = world.collector
    world.clock.advance(0)
    old = world.snapshot.model_copy(update={"taken_at": world.clock.now()})
    world.clock.advance(600)
    world.collector = lambda _: answer(old)

    def heal() -> None:
        world.collector = good

    return heal


def writes_fail(error: KubernetesError) -> Callable[[World], Callable[[], None]]:
    def inject(world: World) -> Callable[[], None]:
        world.see(*(v.model_copy(update={"load": a_load(60)}) for v in VARIANTS))
        world.statuses.failures = {A: error, B: error}
        return world.statuses.failures.clear

    return inject


def vandalised(status: object) -> Callable[[World], Callable[[], None]]:
    """Somebody wrote nonsense into the statuses by hand."""

    def inject(world: World) -> Callable[[], None]:
        for it in world.statuses.objects.values():
            it["status"] = status
        return lambda: None

    return inject


def unknown_load(names: str) -> list[Variant]:
    return [a_variant(name, replicas=3, rate_rpm=None if name in names else 37.5) for name in ("a", "b")]


def held(allocation: Allocation) -> list[Allocation]:
    return [
        allocation.model_copy(
            update={
                "outcome": Outcome.HELD,
                "replicas": 1,
                "reason": PlanReason.INFEASIBLE_SLO,
                "message": "ITL 20.99 ms is above 12 ms at any load",
            }
        )
    ]


FAILED = "OptimizationReady OptimizationFailed Stage {stage} failed \\({reason}\\): "
INVALID = "OptimizationReady OptimizationFailed Held at 3 replicas .*"


def failed(stage: str, reason: str) -> str:
    return FAILED.format(stage=stage, reason=reason)


FAULTS = [
    Fault(
        "collector refuses", collector(raising(httpx.ConnectError("no"))), failed("collect", "Unreachable")
    ),
    Fault("collector hangs", collector(hanging), failed("collect", "Timeout")),
    Fault("collector fails", collector(responding(500, b"boom")), failed("collect", "Refused")),
    Fault("collector is not ready", collector(responding(503, b"")), failed("collect", "Refused")),
    Fault("collector cut off", collector(raising(httpx.ReadError(""))), failed("collect", "Unreachable")),
    Fault("snapshot is HTML", collector(responding(200, b"<html>")), failed("collect", "InvalidAnswer")),
    Fault(
        "snapshot is truncated",
        collector(responding(200, a_snapshot().model_dump_json().encode()[:200])),
        failed("collect", "InvalidAnswer"),
    ),
    Fault(
        "snapshot has a variant twice",
        collector(
            responding(
                200,
                a_snapshot()
                .model_copy(update={"variants": [VARIANTS[0], VARIANTS[0]]})
                .model_dump_json()
                .encode(),
            )
        ),
        failed("collect", "InvalidAnswer"),
    ),
    Fault("snapshot is old", stale, failed("collect", "StaleSnapshot")),
    Fault(
        "a variant is left out",
        seeing(VARIANTS[1], reason="InvalidConfiguration", message="no class holds the model"),
        "OptimizationReady InvalidConfiguration no class holds the model",
        (A,),
    ),
    Fault("all variants are left out", seeing(), "OptimizationReady MetricsUnavailable The collector's"),
    Fault(
        "the scale target is gone",
        seeing(VARIANTS[1], reason="TargetNotFound", message="no Deployment a"),
        "TargetResolved TargetNotFound no Deployment a",
        (A,),
    ),
    Fault(
        "Prometheus is down",
        seeing(*unknown_load("ab"), reason="PrometheusError", message="connection refused"),
        "MetricsAvailable PrometheusError connection refused",
        (A,),
    ),
    Fault(
        "series are missing",
        seeing(*unknown_load("a"), reason="MetricsMissing", message="no series of model x"),
        "MetricsAvailable MetricsMissing no series of model x",
        (A,),
    ),
    Fault(
        "samples are old",
        seeing(*unknown_load("a"), reason="MetricsStale", message="newest sample is 400 s old"),
        "MetricsAvailable MetricsStale newest sample",
        (A,),
    ),
    Fault(
        "the optimizer plans one replica although the load is unknown",
        lambda world: _both(
            seeing(*unknown_load("ab"))(world),
            planning(
                lambda plan: plan.model_copy(
                    update={"allocations": [a.model_copy(update={"replicas": 1}) for a in plan.allocations]}
                )
            )(world),
        ),
        "Guarded DemandUnknown Plan 1, desired 3",
    ),
    Fault(
        "optimizer refuses", optimizer(raising(httpx.ConnectError("no"))), failed("optimize", "Unreachable")
    ),
    Fault("optimizer hangs", optimizer(hanging), failed("optimize", "Timeout")),
    Fault("optimizer dies", optimizer(responding(500, b"")), failed("optimize", "Refused")),
    Fault("optimizer is busy", optimizer(responding(503, b"")), failed("optimize", "Refused")),
    Fault("plan is truncated", optimizer(responding(200, b'{"snap')), failed("optimize", "InvalidAnswer")),
    Fault("plan is a list", optimizer(responding(200, b"[]")), failed("optimize", "InvalidAnswer")),
    Fault("plan is empty", optimizer(responding(200, b"")), failed("optimize", "InvalidAnswer")),
    Fault(
        "plan is for another snapshot",
        planning(lambda plan: plan.model_copy(update={"snapshot_id": "another"})),
        failed("optimize", "WrongSnapshot"),
    ),
    Fault(
        "plan is not verified",
        planning(
            lambda plan: plan.model_copy(
                update={"certificate": Certificate(status="fallback", verified=False)}
            )
        ),
        failed("optimize", "UnverifiedPlan"),
    ),
    Fault(
        "plan forgets a variant",
        allocating(lambda _: []),
        INVALID + "no allocation for this variant",
        (A,),
    ),
    Fault(
        "plan has nothing at all",
        planning(lambda plan: plan.model_copy(update={"allocations": []})),
        INVALID + "no allocation",
    ),
    Fault("plan has negative replicas", absurd(replicas=-7), INVALID + "asks for -7 replicas", (A,)),
    Fault("plan has zero replicas", absurd(replicas=0), INVALID + "minReplicas is 1", (A,)),
    Fault(
        "plan has a billion replicas", absurd(replicas=10**9), INVALID + "believed are at most 10000", (A,)
    ),
    Fault("plan has an unknown accelerator", absurd(accelerator="TPU"), INVALID + "accelerator TPU", (A,)),
    Fault("plan has no accelerator", absurd(accelerator=None), INVALID + "accelerator None", (A,)),
    Fault("the SLO cannot be met", allocating(held), "OptimizationReady InfeasibleSLO Held at 3", (A,)),
    Fault(
        "plan has a variant that nobody knows",
        allocating(lambda allocation: [allocation, an_allocation(key=("other", "ghost"))]),
        "OptimizationReady OptimizationSucceeded",
    ),
    Fault("API server conflicts", writes_fail(ConflictError("409")), "OptimizationReady", written=False),
    Fault("API server forbids", writes_fail(ForbiddenError("403")), "OptimizationReady", written=False),
    Fault("API server throttles", writes_fail(UnavailableError("429")), "OptimizationReady", written=False),
    Fault("API server fails", writes_fail(UnavailableError("500")), "OptimizationReady", written=False),
    Fault("API server is gone", writes_fail(UnreachableError("cut")), "OptimizationReady", written=False),
    Fault("token has expired", writes_fail(UnauthorizedError("401")), "OptimizationReady", written=False),
    Fault("status wiped by hand", vandalised({}), "OptimizationReady OptimizationSucceeded"),
    Fault(
        "status full of nonsense",
        vandalised({"conditions": "x", "desiredOptimizedAlloc": [], "actuation": 7, "currentAlloc": None}),
        "OptimizationReady OptimizationSucceeded",
    ),
    Fault(
        "replicas scaled down by hand",
        seeing(a_variant("a", replicas=1), VARIANTS[1]),
        "TargetResolved TargetFound Deployment llm-d-sim/a has 1 replica",
        (A,),
    ),
    Fault(
        "replicas scaled up by hand",
        seeing(a_variant("a", replicas=9), VARIANTS[1]),
        "TargetResolved TargetFound Deployment llm-d-sim/a has 9 replicas",
        (A,),
    ),
]


def _both(*heals: Callable[[], None]) -> Callable[[], None]:
    def heal() -> None:
        for one in heals:
            one()

    return heal


def said(world: World, key: tuple[str, str]) -> list[str]:
    return [f"{c['type']} {c['reason']} {c['message']}" for c in world.statuses.status(key)["conditions"]]


async def a_steady_world() -> World:
    world = World(a_snapshot(variants=VARIANTS))
    await world.loop.run_once(Trigger.START)
    assert world.desired() == BOTH
    return world


def nothing_went_the_wrong_way(world: World) -> None:
    assert set(world.statuses.objects) == {A, B}
    for name, replicas in world.desired().items():
        assert replicas >= BOTH[name], f"{name} was scaled down to {replicas}"
    for key in (A, B):
        allocation = world.statuses.status(key).get("desiredOptimizedAlloc")
        if isinstance(allocation, dict):
            assert allocation["numReplicas"] >= 3


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_fault_scales_nothing_down_loses_nothing_is_named_and_passes(fault: Fault) -> None:
    world = await a_steady_world()
    world.clock.advance(60)
    heal = fault.inject(world)
    for _ in range(3):
        await world.loop.run_once(Trigger.INTERVAL)
        nothing_went_the_wrong_way(world)
        if fault.written:
            for key in fault.affects:
                assert any(re.match(fault.says, line) for line in said(world, key)), said(world, key)
        else:
            assert world.value("inferno_stage_errors_total", stage="apply", reason="KubernetesError")
        world.clock.advance(60)
    heal()
    cycle = await world.loop.run_once(Trigger.INTERVAL)
    assert cycle.failure is None
    assert world.desired() == BOTH
    for key in (A, B):
        ready = world.statuses.condition("OptimizationReady", key)
        assert (ready["status"], ready["reason"]) == ("True", "OptimizationSucceeded")
        assert world.statuses.status(key)["desiredOptimizedAlloc"]["numReplicas"] == 3


def test_there_are_as_many_faults_as_were_promised() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 40


@pytest.mark.parametrize("stage", ["collect", "optimize", "act", "apply"])
async def test_a_process_killed_at_any_stage_is_followed_by_one_that_goes_on(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first dies in mid-cycle; the next one knows from the status what was desired."""
    world = await a_steady_world()
    stuck = asyncio.Event()

    async def hang(_: httpx.Request) -> httpx.Response:
        stuck.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def hang_scaling(_: Sequence[Decision]) -> Mapping[Key, Actuation]:
        stuck.set()
        await asyncio.Event().wait()
        raise AssertionError

    if stage == "act":
        world.statuses.modes = {A: Mode.DIRECT, B: Mode.DIRECT}
        world.statuses.hpas = []
        monkeypatch.setattr(world.statuses, "act", hang_scaling)
    elif stage == "apply":
        world.statuses.hang = True
        world.see(*(v.model_copy(update={"load": a_load(60)}) for v in VARIANTS))
    else:
        setattr(world, "collector" if stage == "collect" else "optimizer", hang)
    running = asyncio.create_task(world.loop.run_once(Trigger.INTERVAL))
    if stage == "apply":
        for _ in range(20):
            await asyncio.sleep(0)
    else:
        await asyncio.wait_for(stuck.wait(), 5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    nothing_went_the_wrong_way(world)

    following = World(a_snapshot(variants=[a_variant(v.name, replicas=3, rate_rpm=None) for v in VARIANTS]))
    following.statuses.objects = world.statuses.objects
    following.allocations = [
        an_allocation(v, replicas=1, outcome=Outcome.HELD, reason=PlanReason.UNKNOWN_LOAD) for v in VARIANTS
    ]
    await following.loop.run_once(Trigger.START)
    assert following.desired() == BOTH, "what was desired survives in the status"
    nothing_went_the_wrong_way(following)


async def test_a_leader_deposed_in_mid_cycle_exports_and_writes_nothing_more() -> None:
    world = await a_steady_world()
    world.statuses.writes.clear()
    world.see(*(v.model_copy(update={"load": a_load(200)}) for v in VARIANTS))

    def depose(request: httpx.Request) -> httpx.Response:
        world.leads = False
        return answer(a_plan(Snapshot.model_validate_json(request.content)))

    world.optimizer = depose
    await world.loop.run_once(Trigger.INTERVAL)
    assert world.statuses.writes == []
    assert world.desired() == {}


async def test_a_wall_clock_that_jumps_neither_freezes_nor_ages_the_plan() -> None:
    world = await a_steady_world()
    world.clock.jump(3_600)
    await world.loop.run_once(Trigger.INTERVAL)
    assert world.desired() == BOTH
    world.clock.jump(-7_200)
    cycle = await world.loop.run_once(Trigger.INTERVAL)
    assert cycle.failure is None
    assert world.desired() == BOTH
