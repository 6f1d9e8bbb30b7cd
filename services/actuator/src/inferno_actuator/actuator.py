"""Puts the actuator together from its parts and keeps its background tasks alive while the service runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import httpx
import structlog
from prometheus_client import CollectorRegistry

from inferno_actuator.actuation.direct import DirectScaler
from inferno_actuator.apply import Publisher
from inferno_actuator.clients import CollectorClient, OptimizerClient
from inferno_actuator.clock import Clock
from inferno_actuator.cluster import Cluster
from inferno_actuator.fencing import Fence, LeaseFence, NoFence
from inferno_actuator.gauges import Gauges
from inferno_actuator.journal import Journal
from inferno_actuator.leader import Leadership, SoleLeader, elected
from inferno_actuator.loop import Loop
from inferno_actuator.metric_names import MetricName
from inferno_actuator.ownership import Ownership
from inferno_actuator.scheduler import Scheduler
from inferno_actuator.settings import ActuatorSettings
from inferno_actuator.standby import LeadersPlan, PlanStamp
from inferno_actuator.timings import Timings
from inferno_actuator.triggers import ChangeWatcher
from inferno_actuator.variant_series import Sample
from inferno_shared.errors import UnreachableError
from inferno_shared.kubernetes import EventRecorder, KubernetesClient

COMPONENT: Final = "inferno-autoscaler"
_SYNC_REPORT_SECONDS: Final = 30.0
_RESTART_SECONDS: Final = 1.0
_SETTLE_SECONDS: Final = 2.0

log = structlog.stdlib.get_logger(__name__)


class Actuator:
    """All parts of one running actuator.

    Args:
        settings: of the process.
        kubernetes: reads and writes the API server.
        collector: HTTP client of the collector.
        optimizer: HTTP client of the optimizer.
        registry: where the metrics are registered.
        clock: the only source of time.
    """

    def __init__(
        self,
        settings: ActuatorSettings,
        *,
        kubernetes: KubernetesClient,
        collector: httpx.AsyncClient,
        optimizer: httpx.AsyncClient,
        registry: CollectorRegistry,
        clock: Clock,
    ) -> None:
        self.clock = clock
        self.journal = Journal()
        self.leadership = _leadership(settings, kubernetes, self._on_leadership, self._stamp)
        self.fence = _fence(settings, kubernetes, self.leadership)
        self.gauges = Gauges(clock, lambda: self.leadership.is_leader)
        registry.register(self.gauges)
        self.cluster = Cluster(
            kubernetes,
            namespace=settings.namespace,
            watch_namespaces=settings.watch_namespaces,
            default_interval_seconds=settings.default_interval_seconds,
            on_write=self._on_write,
        )
        self._leaders_plan = LeadersPlan(lambda: self.leadership.annotations, self.cluster.known, clock)
        self._loop = Loop(
            collector=CollectorClient(collector),
            optimizer=OptimizerClient(optimizer),
            cluster=self.cluster,
            publisher=Publisher(
                kubernetes,
                EventRecorder(kubernetes, COMPONENT, instance=settings.identity, wall_clock=clock.now),
                fence=self.fence,
                pace=settings.pace(),
            ),
            actor=DirectScaler(kubernetes, self.fence, concurrency=settings.apply_concurrency),
            owners=Ownership(kubernetes, self.fence),
            gauges=self.gauges,
            timings=Timings(registry),
            journal=self.journal,
            limits=settings.limits(),
            clock=clock,
            decision_log=settings.decision_log(),
        )
        self.scheduler = Scheduler(
            turn=self._loop.run_once,
            stand_down=self._loop.stand_down,
            interval_seconds=self.cluster.interval_seconds,
            leadership=self.leadership,
            clock=clock,
        )
        self._changes = ChangeWatcher(
            fingerprint=self.cluster.fingerprint,
            on_change=self.scheduler.wake,
            clock=clock,
            debounce_seconds=settings.debounce_seconds,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the cluster, compete for the lead and turn the loop, until the context ends."""
        tasks = [
            asyncio.create_task(_keep_alive("cluster", self.cluster.run)),
            asyncio.create_task(_keep_alive("leadership", self._lead)),
            asyncio.create_task(_keep_alive("loop", self._turn_when_synced)),
        ]
        try:
            yield
        finally:
            # The loop ends before leadership is given up: nothing is written by two processes.
            for task in (tasks[2], tasks[1], tasks[0]):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def unready_reasons(self) -> list[str]:
        """Why this process cannot do its work now; a standby with current caches is ready."""
        if not self.cluster.synced:
            problems = [problem.message for problem in self.cluster.problems()]
            return problems or ["the cluster was not read yet"]
        if not self.leadership.is_leader:
            return []
        in_force, last = self.journal.in_force, self.journal.last
        failure = f": {last.failure}" if last and last.failure else ""
        if in_force is None:
            return [f"no plan since the start{failure}"]
        if not self.gauges.shown.is_fresh(in_force.planned_at, self.clock.monotonic()):
            return [f"the last plan is too old to be exported{failure}"]
        return []

    def exported(self, metric: MetricName) -> tuple[list[Sample], datetime]:
        """The samples of a per-variant metric for HPAs, and their time; the leader's from any process."""
        if self.leadership.is_leader and self.journal.in_force is not None:
            return self.gauges.samples(metric), self.clock.now()
        return self._leaders_plan.read(metric)

    def _stamp(self) -> Mapping[str, str]:
        in_force = self.journal.in_force
        if in_force is None:
            return {}
        return PlanStamp(in_force.decided_at, self.gauges.shown.max_age_seconds).annotations()

    async def _turn_when_synced(self) -> None:
        while not self.cluster.synced:
            try:
                await self.cluster.wait_until_synced(_SYNC_REPORT_SECONDS)
            except UnreachableError as error:
                log.warning("waiting for the cluster", reason=str(error))
        await self.cluster.settle(_SETTLE_SECONDS)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._changes.run())
            group.create_task(self.scheduler.run())

    async def _lead(self) -> None:
        await self.leadership.run()
        await asyncio.Event().wait()

    def _on_write(self) -> None:
        self._changes.poke()

    def _on_leadership(self, _leading: bool) -> None:  # noqa: FBT001 - the elector's own signature
        self.scheduler.wake()


def _leadership(
    settings: ActuatorSettings,
    kubernetes: KubernetesClient,
    on_change: Callable[[bool], None],
    publish: Callable[[], Mapping[str, str]],
) -> Leadership:
    if not settings.leader_election:
        return SoleLeader(settings.identity)
    return elected(
        kubernetes,
        namespace=settings.namespace,
        identity=settings.identity,
        on_change=on_change,
        publish=publish,
    )


def _fence(settings: ActuatorSettings, kubernetes: KubernetesClient, leadership: Leadership) -> Fence:
    if not settings.leader_election:
        return NoFence()
    return LeaseFence(kubernetes, leadership, namespace=settings.namespace, identity=settings.identity)


async def _keep_alive(what: str, run: Callable[[], Awaitable[None]]) -> None:
    """Start a background task again when a bug ended it: a dead one would be inert with all lights green."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("bug ended a background task, starting it again", task=what)
            await asyncio.sleep(_RESTART_SECONDS)
        else:
            return
