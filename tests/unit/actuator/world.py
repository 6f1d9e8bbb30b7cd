"""A small world for the loop: a clock turned by hand, statuses in memory, services at the test's command."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import httpx
import structlog
from prometheus_client import CollectorRegistry

from builders import H100_DEVICE, SEED_NAME, SEED_NAMESPACE, a_snapshot
from inferno_actuator.actuation.verdict import Actuation
from inferno_actuator.apply import Pace, Publisher
from inferno_actuator.clients import CollectorClient, OptimizerClient
from inferno_actuator.conditions import ConditionReason
from inferno_actuator.decision_log import DecisionLog
from inferno_actuator.decisions import Decision, decide
from inferno_actuator.fencing import Fence
from inferno_actuator.gauges import Gauges
from inferno_actuator.journal import Journal
from inferno_actuator.known import Key, KnownVariant
from inferno_actuator.loop import Loop
from inferno_actuator.modes import Mode
from inferno_actuator.rails import RailLimits
from inferno_actuator.seams import Limits
from inferno_actuator.timings import Timings
from inferno_shared.contracts import (
    Allocation,
    Certificate,
    DeviceCapacity,
    Outcome,
    Plan,
    PlanReason,
    Prediction,
    Problem,
    Snapshot,
    Totals,
    Variant,
)
from inferno_shared.errors import KubernetesError
from inferno_shared.kubernetes import EventType, ObjectReference, Resource, ScaleTargetRef
from inferno_shared.kubernetes.autoscalers import HorizontalPodAutoscaler

SEED_KEY = (SEED_NAMESPACE, SEED_NAME)
NOON = datetime(2025, 9, 4, 12, 0, tzinfo=UTC)
JsonObject = dict[str, Any]


@contextmanager
def silent() -> Iterator[None]:
    """No log lines: thousands of them take longer than what they are about."""

    def dropped(*_: object) -> NoReturn:
        raise structlog.DropEvent

    processors = structlog.get_config()["processors"]
    kept = [*processors]
    try:
        processors[:] = [dropped]
        yield
    finally:
        processors[:] = kept


class FakeClock:
    """Time stands still until `advance`; `wait` ends when its event is set or its time has come."""

    def __init__(self, now: datetime = NOON) -> None:
        self._start = now
        self._seconds = 0.0
        self._turned = asyncio.Event()
        self.waits: list[float] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return 1_000.0 + self._seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock; the monotonic one does not notice."""
        self._start += timedelta(seconds=seconds)

    def advance(self, seconds: float) -> None:
        self._seconds += seconds
        self._turned.set()
        self._turned = asyncio.Event()

    async def wait(self, event: asyncio.Event, timeout_seconds: float) -> bool:
        self.waits.append(timeout_seconds)
        until = self._seconds + timeout_seconds
        while not event.is_set():
            if self._seconds >= until:
                return False
            either = {asyncio.ensure_future(event.wait()), asyncio.ensure_future(self._turned.wait())}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for waiter in either:
                    waiter.cancel()
        return True


def an_allocation(
    variant: Variant | None = None,
    *,
    key: Key | None = None,
    replicas: int = 3,
    outcome: Outcome = Outcome.SERVED,
    reason: PlanReason = PlanReason.SLO_BINDS,
    message: str = "37.5 requests/min need 3 replicas of 14.31",
    accelerator: str | None = "H100",
) -> Allocation:
    namespace, name = key or (variant.key if variant else SEED_KEY)
    return Allocation(
        namespace=namespace,
        name=name,
        outcome=outcome,
        accelerator=accelerator,
        replicas=replicas,
        gpus=replicas,
        cost_per_hour=50.0 * replicas,
        reason=reason,
        message=message,
        predicted=Prediction(
            itl_ms=21.48383,
            wait_ms=101.3704,
            ttft_ms=101.3704,
            utilization=0.71034,
            max_rate_rpm_per_replica=14.308867,
            blocking=0.0,
        ),
    )


def a_held_allocation(
    variant: Variant | None = None, reason: PlanReason = PlanReason.UNKNOWN_LOAD
) -> Allocation:
    return an_allocation(
        variant, replicas=1, outcome=Outcome.HELD, reason=reason, message="load is unknown: no series"
    )


def a_plan(
    snapshot: Snapshot,
    allocations: Sequence[Allocation] | None = None,
    *,
    problems: Sequence[Problem] = (),
    limit: int = 32,
) -> Plan:
    chosen = list(allocations) if allocations is not None else [an_allocation(v) for v in snapshot.variants]
    return Plan(
        snapshot_id=snapshot.id or "",
        allocations=chosen,
        demands=[],
        capacity=[DeviceCapacity(device=H100_DEVICE, limit=limit, used=sum(a.gpus for a in chosen))],
        totals=Totals(cost_per_hour=sum(a.cost_per_hour for a in chosen), gpus=sum(a.gpus for a in chosen)),
        certificate=Certificate(status="optimal", verified=True),
        problems=list(problems),
    )


def a_known(key: Key = SEED_KEY, *, status: JsonObject | None = None, uid: str = "u1") -> KnownVariant:
    return KnownVariant(namespace=key[0], name=key[1], uid=uid, generation=7, status=status or {})


def persisted(
    replicas: int, accelerator: str = "H100", *, last_run: str = "2025-09-04T11:59:00Z"
) -> JsonObject:
    desired = {"lastRunTime": last_run, "accelerator": accelerator, "numReplicas": replicas}
    return {"desiredOptimizedAlloc": desired}


def a_problem(reason: str, message: str = "what is wrong", key: Key = SEED_KEY) -> Problem:
    return Problem(subject=f"VariantAutoscaling {key[0]}/{key[1]}", reason=reason, message=message)


def decided(
    snapshot: Snapshot | None = None,
    plan: Plan | None = None,
    *,
    known: KnownVariant | None = None,
    before: Decision | None = None,
    planned_at: float = 1_000.0,
) -> Decision:
    """The decision about one variant, the seed's by default."""
    snapshot = snapshot or a_snapshot()
    known = known or a_known()
    in_force = {before.key: before} if before else {}
    plan = plan or a_plan(snapshot)
    return decide(plan, snapshot, {known.key: known}, in_force, planned_at=planned_at).by_key[known.key]


@dataclass
class Statuses:
    """VariantAutoscalings in memory, and the Events about them: both seams of the publisher."""

    objects: dict[Key, JsonObject] = field(default_factory=dict)
    events: list[tuple[str, str, str]] = field(default_factory=list)
    writes: list[Key] = field(default_factory=list)
    reads: list[Key] = field(default_factory=list)
    failures: dict[Key, KubernetesError] = field(default_factory=dict)
    conflicts: int = 0
    hang: bool = False
    before_read: Callable[[Key], None] | None = None
    rails: RailLimits = field(default_factory=RailLimits)
    hpas: Sequence[HorizontalPodAutoscaler] | None = None
    modes: dict[Key, Mode] = field(default_factory=dict)
    scaled: list[tuple[Key, int]] = field(default_factory=list)
    untied: int = 0

    def add(self, key: Key = SEED_KEY, *, uid: str = "u1", status: JsonObject | None = None) -> None:
        metadata = {"namespace": key[0], "name": key[1], "uid": uid, "generation": 7}
        self.objects[key] = {"metadata": metadata, "status": status or {}}

    async def update_status(
        self,
        resource: Resource,
        name: str,
        namespace: str,
        change: Callable[[JsonObject], JsonObject | None],
    ) -> bool:
        assert resource.kind == "VariantAutoscaling"
        key = (namespace, name)
        if self.hang:
            await asyncio.Event().wait()
        if self.before_read is not None:
            self.before_read(key)
        self.reads.append(key)
        if key in self.failures:
            raise self.failures[key]
        if key not in self.objects:
            return False
        while self.conflicts:
            self.conflicts -= 1
            change(self.objects[key])
        status = change(self.objects[key])
        if status is None:
            return False
        self.objects[key] = {**self.objects[key], "status": status}
        self.writes.append(key)
        return True

    async def record(self, involved: ObjectReference, type: EventType, reason: str, message: str) -> None:  # noqa: A002 - Kubernetes' own word
        assert involved.uid
        self.events.append((type, reason, message))

    def known(self) -> Mapping[Key, KnownVariant]:
        return {
            key: KnownVariant(
                namespace=key[0],
                name=key[1],
                uid=it["metadata"]["uid"],
                generation=it["metadata"]["generation"],
                status=it["status"],
                target=ScaleTargetRef("apps/v1", "Deployment", key[1]),
                mode=self.modes.get(key, Mode.HPA),
            )
            for key, it in self.objects.items()
        }

    def interval_seconds(self) -> float:
        return 60.0

    def autoscalers(self) -> Sequence[HorizontalPodAutoscaler] | None:
        return self.hpas

    async def act(self, decisions: Sequence[Decision]) -> Mapping[Key, Actuation]:
        return {decision.key: self._scale(decision) for decision in decisions}

    def due(self, decisions: Sequence[Decision]) -> int:
        return min(self.untied, len(decisions))

    async def settle(self, decisions: Sequence[Decision]) -> None:
        """Own nothing."""

    def _scale(self, decision: Decision) -> Actuation:
        assert decision.desired is not None
        self.scaled.append((decision.key, decision.desired.replicas))
        return Actuation(works=True, reason=ConditionReason.SCALED, message="scaled")

    def rail_limits(self) -> RailLimits:
        return self.rails

    def status(self, key: Key = SEED_KEY) -> JsonObject:
        status: JsonObject = self.objects[key]["status"]
        return status

    def condition(self, type_: str, key: Key = SEED_KEY) -> JsonObject:
        return next(c for c in self.status(key)["conditions"] if c["type"] == type_)


Handler = Callable[[httpx.Request], httpx.Response | Coroutine[None, None, httpx.Response]]


@dataclass
class FakeFence:
    """A fence at the test's command; without a token nothing is fenced."""

    world: "World"
    token: int | None = None

    @property
    def may_write(self) -> bool:
        return self.world.leads

    async def outrun(self, seen: int) -> bool:
        raise AssertionError(seen)


class World:
    """The loop with everything around it under the test's command."""

    def __init__(
        self,
        snapshot: Snapshot | None = None,
        *,
        limits: Limits | None = None,
        pace: Pace | None = None,
        decision_log: DecisionLog | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.snapshot = snapshot or a_snapshot()
        self.collector: Handler = lambda _: answer(self._taken_now())
        self.optimizer: Handler = self._plan
        self.allocations: Sequence[Allocation] | None = None
        self.devices = 32
        self.statuses = Statuses()
        for variant in self.snapshot.variants:
            self.statuses.add(variant.key)
        self.registry = CollectorRegistry()
        self.gauges = Gauges(self.clock, lambda: self.leads)
        self.registry.register(self.gauges)
        self.journal = Journal()
        self.leads = True
        self.fence: Fence = FakeFence(self)
        self.pace = pace or Pace(concurrency=4)
        self.decision_log = decision_log
        self.loop = self._loop(limits or Limits())

    def _loop(self, limits: Limits) -> Loop:
        return Loop(
            collector=CollectorClient(_client(lambda: self.collector)),
            optimizer=OptimizerClient(_client(lambda: self.optimizer)),
            cluster=self.statuses,
            actor=self.statuses,
            owners=self.statuses,
            publisher=Publisher(
                self.statuses,
                self.statuses,
                fence=self.fence,
                pace=self.pace,
            ),
            gauges=self.gauges,
            timings=Timings(self.registry),
            journal=self.journal,
            limits=limits,
            clock=self.clock,
            decision_log=self.decision_log,
        )

    def see(self, *variants: Variant, problems: Sequence[Problem] = ()) -> None:
        """From now on the collector's snapshot holds these variants."""
        snapshot = a_snapshot(variants=variants).model_copy(update={"problems": list(problems)})
        self.snapshot = snapshot.model_copy(update={"id": snapshot.content_id()})

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def series(self, name: str) -> list[tuple[Mapping[str, str], float]]:
        return [
            (sample.labels, sample.value)
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name
        ]

    def desired(self) -> dict[str, float]:
        return {labels["variant_name"]: value for labels, value in self.series("inferno_desired_replicas")}

    def _taken_now(self) -> Snapshot:
        return self.snapshot.model_copy(update={"taken_at": self.clock.now()})

    def _plan(self, request: httpx.Request) -> httpx.Response:
        snapshot = Snapshot.model_validate_json(request.content)
        return answer(a_plan(snapshot, self.allocations, limit=self.devices))


def _client(handler: Callable[[], Handler]) -> httpx.AsyncClient:
    """A client whose answers come from whatever handler the test has put there by then."""

    async def handle(request: httpx.Request) -> httpx.Response:
        response = handler()(request)
        return response if isinstance(response, httpx.Response) else await response

    return httpx.AsyncClient(base_url="http://service.test", transport=httpx.MockTransport(handle))


def answer(model: Snapshot | Plan) -> httpx.Response:
    return httpx.Response(200, content=model.model_dump_json(), headers={"content-type": "application/json"})
