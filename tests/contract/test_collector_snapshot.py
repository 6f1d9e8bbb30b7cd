"""GET /snapshot as its readers see it, with a cluster and a load source behind transports."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from builders import SEED_MODEL, SEED_NAME, SEED_NAMESPACE
from inferno_collector.app import create_collector_app
from inferno_collector.settings import CollectorSettings
from inferno_shared.contracts import Load, LoadState, Snapshot, unknown_fields
from inferno_shared.kubernetes import CONFIG_MAPS, NODES, VARIANT_AUTOSCALINGS
from unit.collector.cluster_api import ClusterApi
from unit.collector.scrapes import exposition
from unit.collector.waiting import eventually
from unit.collector.worlds import CLASSES, COSTS, a_config_map_json, a_node_json, a_variant_json
from unit.shared.waiting import until

NOW = 1_000_000.0
PROMETHEUS = "https://thanos:9091"


class Prometheus:
    """Answers with one steady pod: 30 requests/min, 100 tokens in, 200 out."""

    def __init__(self) -> None:
        self.queries = 0
        self.model = SEED_MODEL
        self.status = 200
        self.gate: asyncio.Event | None = None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.queries += 1
        if self.gate is not None:
            await self.gate.wait()
        body = {"data": {"resultType": "matrix", "result": [*self._series(request.content.decode())]}}
        return httpx.Response(self.status, json=body)

    def _series(self, query: str) -> list[dict[str, Any]]:
        per_second = {
            "request_success_total": 0.5,
            "num_requests_running": 0,
            "num_requests_waiting": 0,
            "request_prompt_tokens_sum": 50,
            "request_prompt_tokens_count": 0.5,
            "request_generation_tokens_sum": 100,
            "request_generation_tokens_count": 0.5,
        }
        wanted = "success_total" in query, "generation" in query
        names = [*per_second][:3] if wanted[0] else [*per_second][3:] if wanted[1] else []
        labels = {"model_name": self.model, "namespace": SEED_NAMESPACE, "pod": "p-0"}
        return [
            {
                "metric": labels | {"__name__": f"vllm:{name}"},
                "values": [[NOW - 75 + 15 * n, str(per_second[name] * 15 * n)] for n in range(6)],
            }
            for name in names
        ]


class Service:
    """A running collector and its two outsides."""

    def __init__(self, client: httpx.AsyncClient, cluster: ClusterApi, prometheus: Prometheus) -> None:
        self.client = client
        self.cluster = cluster
        self.prometheus = prometheus

    async def snapshot(self) -> Snapshot:
        response = await self.client.get("/snapshot")
        assert response.status_code == 200, response.text
        return Snapshot.model_validate_json(response.content)

    async def until(self, fulfilled: Callable[[Snapshot], bool]) -> Snapshot:
        found: list[Snapshot] = []

        async def is_fulfilled() -> bool:
            found[:] = [await self.snapshot()]
            return fulfilled(found[0])

        await eventually(is_fulfilled)
        return found[0]


@asynccontextmanager
async def running(cluster: ClusterApi | None = None, *, synced: bool = True) -> AsyncIterator[Service]:
    cluster = cluster or ClusterApi()
    cluster.configure(PROMETHEUS_BASE_URL=PROMETHEUS)
    prometheus = Prometheus()
    app = create_collector_app(
        CollectorSettings(),
        connect=cluster.connect,
        load_transport=httpx.MockTransport(prometheus),
        clock=lambda: NOW,
    )
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://collector") as client,
    ):

        async def ready() -> bool:
            return not synced or (await client.get("/readyz")).status_code == 200

        await eventually(ready)
        yield Service(client, cluster, prometheus)


async def test_the_seeds_cluster_is_a_snapshot_of_the_contract() -> None:
    async with running() as service:
        snapshot = await service.snapshot()
    assert list(unknown_fields(snapshot)) == []
    assert snapshot.id == snapshot.content_id()
    [variant] = snapshot.variants
    assert (variant.name, variant.service_class) == (SEED_NAME, "Premium")
    assert variant.load.state is LoadState.OBSERVED
    assert (variant.load.arrival_rate_rpm, variant.load.output_tokens) == (30, 200)
    assert variant.load.source == "prometheus"
    assert snapshot.inventory[0].allocatable == 8
    assert snapshot.problems == []


async def test_queries_do_not_grow_with_variants_and_are_shown_in_metrics() -> None:
    cluster = ClusterApi()
    cluster.objects["variantautoscalings"] += [a_variant_json(f"v{n}") for n in range(20)]
    async with running(cluster) as service:
        await service.snapshot()
        metrics = (await service.client.get("/metrics")).text
    assert service.prometheus.queries == 3
    assert 'inferno_collector_source_queries{source="prometheus"} 3.0' in metrics
    assert 'inferno_collector_variants{load="observed"} 1.0' in metrics
    assert "inferno_collector_snapshot_build_seconds_count 1.0" in metrics


async def test_concurrent_requests_share_one_build() -> None:
    async with running() as service:
        service.prometheus.gate = asyncio.Event()
        requests = [asyncio.create_task(service.snapshot()) for _ in range(5)]
        await until(lambda: service.prometheus.queries > 0)
        service.prometheus.gate.set()
        assert len({snapshot.id for snapshot in await asyncio.gather(*requests)}) == 1
    assert service.prometheus.queries == 3


async def test_a_client_that_goes_away_does_not_end_the_build_of_the_others() -> None:
    async with running() as service:
        service.prometheus.gate = asyncio.Event()
        first, second = (asyncio.create_task(service.snapshot()) for _ in range(2))
        await until(lambda: service.prometheus.queries > 0)
        first.cancel()
        service.prometheus.gate.set()
        assert (await asyncio.wait_for(second, 5)).variants


async def test_before_the_cluster_was_read_it_is_503_naming_what_is_missing() -> None:
    cluster = ClusterApi()
    cluster.forbidden = {"nodes"}
    async with running(cluster, synced=False) as service:

        async def only_nodes_are_missing() -> bool:
            text = (await service.client.get("/snapshot")).text
            return "list nodes" in text and "pods" not in text

        await eventually(only_nodes_are_missing)
        response = await service.client.get("/snapshot")
        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
        assert "list nodes" in response.json()["detail"]
        assert (await service.client.get("/readyz")).status_code == 503
        assert (await service.client.get("/healthz")).status_code == 200


async def test_a_source_that_fails_makes_loads_unknown_and_the_snapshot_still_comes() -> None:
    async with running() as service:
        service.prometheus.status = 500
        snapshot = await service.snapshot()
        metrics = (await service.client.get("/metrics")).text
    assert snapshot.variants[0].load.state is LoadState.UNKNOWN
    assert [p.reason for p in snapshot.problems] == ["PrometheusError"]
    assert 'inferno_collector_source_failures_total{source="prometheus"} 1.0' in metrics


async def test_the_circuit_and_the_quality_of_the_source_are_shown_in_metrics() -> None:
    async with running() as service:
        service.prometheus.status = 500
        for _ in range(3):
            await service.snapshot()
        metrics = (await service.client.get("/metrics")).text
        asked = service.prometheus.queries
        snapshot = await service.snapshot()
    assert 'inferno_collector_source_circuit{state="open"} 1.0' in metrics
    assert 'inferno_collector_source_circuit{state="closed"} 0.0' in metrics
    assert 'inferno_collector_source_incomplete{source="prometheus"} 0.0' in metrics
    assert service.prometheus.queries == asked, "an open circuit asks nothing"
    assert "circuit open" in snapshot.problems[0].message


async def test_another_model_name_is_missing_metrics_that_name_it() -> None:
    async with running() as service:
        service.prometheus.model = "qwen3"
        snapshot = await service.snapshot()
    [problem] = snapshot.problems
    assert problem.subject == f"VariantAutoscaling {SEED_NAMESPACE}/{SEED_NAME}"
    assert problem.reason == "MetricsMissing"
    assert "the pods serve qwen3" in problem.message


async def test_a_lost_watch_is_said_in_the_snapshot_which_still_comes() -> None:
    async with running() as service:
        service.cluster.cut_watches()
        snapshot = await service.until(lambda s: len(s.problems) == 6)
    assert {p.reason for p in snapshot.problems} == {"WatchLost"}
    assert {p.subject for p in snapshot.problems} >= {"Watch pods", "Watch nodes"}
    assert len(snapshot.variants) == 1


async def test_changes_show_without_a_restart() -> None:
    async with running() as service:
        service.cluster.put(NODES, a_node_json("n2"))
        assert len((await service.until(lambda s: len(s.inventory) == 2)).inventory) == 2
        dearer = COSTS | {"H100": '{"device": "NVIDIA-H100-80GB-HBM3", "cost": "70.00"}'}
        service.cluster.put(CONFIG_MAPS, a_config_map_json("accelerator-unit-costs", dearer))
        await service.until(lambda s: any(a.cost_per_hour == 70 for a in s.accelerators))
        service.cluster.configure(PROMETHEUS_BASE_URL=PROMETHEUS, UNLIMITED="false")
        await service.until(lambda s: not s.policy.unlimited)


async def test_a_broken_class_leaves_the_last_good_one_in_force() -> None:
    async with running() as service:
        await service.snapshot()
        broken = CLASSES | {"premium.yaml": "name: ["}
        service.cluster.put(CONFIG_MAPS, a_config_map_json("service-classes-config", broken))
        snapshot = await service.until(lambda s: bool(s.problems))
    assert snapshot.problems[0].subject == "ConfigMap service-classes-config key premium.yaml"
    assert snapshot.variants[0].service_class == "Premium"


async def test_a_malformed_variant_touches_no_other() -> None:
    async with running() as service:
        service.cluster.put(VARIANT_AUTOSCALINGS, a_variant_json("bad", modelID=""))
        snapshot = await service.until(lambda s: bool(s.problems))
    assert [v.name for v in snapshot.variants] == [SEED_NAME]
    assert snapshot.problems[0].subject.endswith("/bad")


async def test_finished_pods_are_not_even_sent() -> None:
    async with running() as service:
        listed = [r for r in service.cluster.requests if r.path.endswith("/pods")]
    assert all(
        ("fieldSelector", "status.phase!=Succeeded,status.phase!=Failed") in request.query
        for request in listed
    )


async def test_scraping_needs_no_prometheus() -> None:
    cluster = ClusterApi()
    clock = [NOW]
    asked: list[str] = []

    def metrics(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        done = (clock[0] - NOW) / 2
        text = exposition(
            done=done, running=0, waiting=0, tokens=200 * done, generations=done, prompt=0, prompts=done
        )
        clock[0] += 5
        return httpx.Response(200, content=text)

    app = create_collector_app(
        CollectorSettings(load_source="scrape", scrape_interval_seconds=0.1),
        connect=cluster.connect,
        load_transport=httpx.MockTransport(metrics),
        clock=lambda: clock[0],
    )
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://collector") as client,
    ):
        loads: list[Load] = []

        async def observed() -> bool:
            response = await client.get("/snapshot")
            if response.status_code == 200:
                loads[:] = [v.load for v in Snapshot.model_validate_json(response.content).variants]
            return bool(loads) and loads[0].state is LoadState.OBSERVED

        await eventually(observed, seconds=10)
    [load] = loads
    assert load.source == "scrape"
    assert load.arrival_rate_rpm is not None
    assert abs(load.arrival_rate_rpm - 30) < 1
    assert set(asked) == {"http://10.0.0.1:8000/metrics"}
