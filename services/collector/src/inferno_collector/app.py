"""The collector as a service: `GET /snapshot` beside health, readiness and metrics."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus

import httpx
from fastapi import APIRouter, FastAPI, Response

from inferno_collector.cluster import Cluster
from inferno_collector.collector import Collector, WorldKeeper
from inferno_collector.gauges import CollectorGauges
from inferno_collector.settings import CollectorSettings
from inferno_collector.sources import LoadSource
from inferno_collector.sources.admission import Limits
from inferno_collector.sources.prometheus import PrometheusSource
from inferno_collector.sources.prometheus_api import PrometheusApi
from inferno_collector.sources.queries import EARLIER_SECONDS, QueryOptions
from inferno_collector.sources.scrape import ScrapeSource
from inferno_shared.contracts import Snapshot
from inferno_shared.kubernetes import ClusterAccess, KubernetesClient
from inferno_shared.service import FieldError, ProblemError, create_app

Connect = Callable[[], AbstractAsyncContextManager[KubernetesClient]]


class _Running:
    """What exists only while the service runs."""

    def __init__(self) -> None:
        self.cluster: Cluster | None = None
        self.collector: Collector | None = None
        self.gauges: CollectorGauges | None = None

    def not_ready(self) -> list[str]:
        return ["starting"] if self.cluster is None else self.cluster.not_synced()


def create_collector_app(
    settings: CollectorSettings,
    *,
    connect: Connect = KubernetesClient.connect,
    load_transport: httpx.AsyncBaseTransport | None = None,
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """The service. `connect` leads to the cluster; `load_transport` stands in for Prometheus or the pods."""
    running = _Running()
    access = ClusterAccess()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        gauges = CollectorGauges(app.state.registry, settings.load_source)
        async with connect() as client, access.through(client), asyncio.TaskGroup() as group:
            cluster = Cluster(
                client, namespace=settings.namespace, watch_namespaces=settings.watch_namespaces
            )
            keeper = WorldKeeper(cluster, settings, clock)
            source = _source(settings, keeper, load_transport, clock)
            running.collector = Collector(keeper, cluster, source, settings, gauges, clock)
            running.cluster, running.gauges = cluster, gauges
            tasks = [group.create_task(cluster.run()), group.create_task(source.run())]
            yield
            for task in tasks:
                task.cancel()

    return create_app(
        title="inferno-collector",
        settings=settings,
        lifespan=lifespan,
        ready=running.not_ready,
        routers=[_router(running)],
        reviewer=access.reviewer,
    )


def _source(
    settings: CollectorSettings,
    keeper: WorldKeeper,
    transport: httpx.AsyncBaseTransport | None,
    clock: Callable[[], float],
) -> LoadSource:
    policy = settings.demand_policy()
    if settings.load_source == "scrape":
        return ScrapeSource(
            keeper.scrape_targets,
            interval_seconds=settings.scrape_interval_seconds,
            timeout_seconds=settings.scrape_timeout_seconds,
            keep_seconds=policy.window_seconds + policy.stale_after_seconds,
            max_response_bytes=settings.scrape_max_bytes,
            clock=clock,
            transport=transport,
        )
    limits = Limits(
        timeout_seconds=settings.prometheus_timeout_seconds,
        max_response_bytes=settings.prometheus_max_response_bytes,
        allow_http=settings.prometheus_allow_http,
    )
    return PrometheusSource(
        PrometheusApi(limits, transport),
        keeper.prometheus_address,
        keeper.namespaces,
        QueryOptions(
            range_seconds=policy.window_seconds + EARLIER_SECONDS,
            filter_namespaces=settings.prometheus_namespace_filter,
            tenancy=settings.prometheus_tenancy,
        ),
        min_interval_seconds=settings.prometheus_min_interval_seconds,
    )


def _router(running: _Running) -> APIRouter:
    router = APIRouter(tags=["collector"])

    @router.get(
        "/snapshot",
        response_model=Snapshot,
        summary="The world as it is now: inventory, prices, classes, variants with load, problems",
        responses={
            503: {"description": "A collection of the cluster was not read yet; the problem names it"}
        },
    )
    async def snapshot() -> Response:
        reasons = running.not_ready()
        if reasons or running.collector is None:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Not ready",
                f"the cluster was not read yet: {'; '.join(reasons)}",
                [FieldError("cluster", reason) for reason in reasons],
            )
        taken = await running.collector.snapshot()
        if running.gauges is not None and running.cluster is not None:
            running.gauges.show_snapshot(taken, running.cluster.seconds_behind())
        return Response(taken.model_dump_json(), media_type="application/json")

    return router
