"""The shell around the pure parts: caches and a load source on one side, snapshots on the other.

It keeps nothing that matters: the last good catalogue and configuration, pods deleted a moment ago, and
what the last readings of demand leave to the next. A restart loses no more than one window.
"""

import asyncio
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Protocol

from inferno_collector.catalogue import ACCELERATOR_COSTS, SERVICE_CLASSES, Catalogue, read_catalogue
from inferno_collector.configuration import (
    CONFIGURATION,
    Configuration,
    PrometheusAddress,
    read_configuration,
)
from inferno_collector.demand import Memory
from inferno_collector.gauges import CollectorGauges
from inferno_collector.journal import Journal
from inferno_collector.loads import MeasuredLoads, VariantKey, measure_loads
from inferno_collector.roster import Roster, ServingPod, update_roster
from inferno_collector.samples import PodKey
from inferno_collector.settings import CollectorSettings
from inferno_collector.snapshot import World, assemble, servers, serving_pods
from inferno_collector.sources import LoadReading, LoadSource
from inferno_collector.variants import resolve_variants
from inferno_collector.view import ClusterView
from inferno_shared.contracts import Problem, Snapshot
from inferno_shared.service import get_logger

_NEVER = object()

log = get_logger(__name__)


class FollowedCluster(Protocol):
    """What the collector needs of the caches."""

    version: int

    def not_synced(self) -> list[str]:
        """Collections that were never read."""

    def view(self) -> ClusterView:
        """Copies of everything."""

    def problems(self) -> list[Problem]:
        """Collections that are not followed."""


class WorldKeeper:
    """Keeps what the cluster says, worked out again only when the cluster changed."""

    def __init__(
        self, cluster: FollowedCluster, settings: CollectorSettings, clock: Callable[[], float]
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._default_port = settings.scrape_default_port
        policy = settings.demand_policy()
        self._keep_seconds = policy.window_seconds + policy.stale_after_seconds
        self._catalogue = Catalogue()
        self._catalogue_texts: object = _NEVER
        self._configuration = Configuration()
        self._configuration_text: object = _NEVER
        self._world: World | None = None
        self._version = -1
        self._serving: list[ServingPod] = []
        self._roster: Roster = {}

    @property
    def version(self) -> int:
        """Version of the cluster; a world of an older one is out of date."""
        return self._cluster.version

    def world(self) -> World:
        """The world as of now."""
        version = self._cluster.version
        if self._world is None or version != self._version:
            view = self._cluster.view()
            catalogue, configuration = self._read_catalogue(view), self._read_configuration(view)
            resolution = resolve_variants(view, catalogue)
            self._world = World(view, catalogue, configuration, resolution)
            self._serving = list(serving_pods(self._world, self._default_port))
            self._version = version
        return self._world

    def roster(self) -> Roster:
        """The pods of all variants, those that vanished within the window included."""
        self.world()
        now = self._clock()
        self._roster = update_roster(self._roster, self._serving, now=now, keep_seconds=self._keep_seconds)
        return self._roster

    def scrape_targets(self) -> Mapping[PodKey, str]:
        """Address of each pod that runs; none before the cluster was read."""
        if self._cluster.not_synced():
            return {}
        return {pod.key: pod.address for pod in self.roster().values() if pod.exists and pod.address}

    def prometheus_address(self) -> PrometheusAddress:
        """Where Prometheus is, as the ConfigMap says now."""
        return self.world().configuration.prometheus

    def namespaces(self) -> set[str]:
        """Namespaces that have variants."""
        return {namespace for namespace, _ in self.world().view.variants}

    def _read_catalogue(self, view: ClusterView) -> Catalogue:
        texts = (view.config(ACCELERATOR_COSTS), view.config(SERVICE_CLASSES))
        if texts != self._catalogue_texts:
            self._catalogue = read_catalogue(*texts, self._catalogue)
            self._catalogue_texts = texts
        return self._catalogue

    def _read_configuration(self, view: ClusterView) -> Configuration:
        text = view.config(CONFIGURATION)
        if text != self._configuration_text:
            self._configuration = read_configuration(text, self._configuration)
            self._configuration_text = text
            log.info(
                "configuration in force",
                prometheus=self._configuration.prometheus.base_url,
                policy=self._configuration.policy.model_dump(mode="json"),
            )
        return self._configuration


class Collector:
    """Builds snapshots; requests that come while one is being built for the same cluster share it."""

    def __init__(
        self,
        keeper: WorldKeeper,
        cluster: FollowedCluster,
        source: LoadSource,
        settings: CollectorSettings,
        gauges: CollectorGauges,
        clock: Callable[[], float],
    ) -> None:
        self._keeper = keeper
        self._cluster = cluster
        self._source = source
        self._policy = settings.demand_policy()
        self._gauges = gauges
        self._clock = clock
        self._journal = Journal()
        self._memory: Mapping[VariantKey, Memory] = {}
        self._build: asyncio.Task[Snapshot] | None = None
        self._build_version = -1

    async def snapshot(self) -> Snapshot:
        """A snapshot of now, or of a build under way that no change of the cluster has overtaken."""
        build = self._build
        if build is None or build.done() or self._build_version != self._keeper.version:
            self._build_version = self._keeper.version
            build = self._build = asyncio.create_task(self._take())
        return await asyncio.shield(build)

    async def _take(self) -> Snapshot:
        began = perf_counter()
        now = self._clock()
        world, roster = self._keeper.world(), self._keeper.roster()
        reading = await self._source.read(roster, now)
        ways_in = [*self._cluster.problems(), *reading.problems]
        snapshot, loads = await asyncio.to_thread(self._work_out, world, roster, reading, ways_in, now)
        self._memory = loads.memory
        self._gauges.show_reading(reading)
        self._gauges.build_seconds.observe(perf_counter() - began)
        self._journal.record(snapshot)
        return snapshot

    def _work_out(
        self, world: World, roster: Roster, reading: LoadReading, ways_in: list[Problem], now: float
    ) -> tuple[Snapshot, MeasuredLoads]:
        loads = measure_loads(
            servers(world.resolution, roster),
            reading,
            now=now,
            policy=self._policy,
            remembered=self._memory,
        )
        return assemble(world, loads, ways_in, now=now), loads
