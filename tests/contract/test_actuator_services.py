"""Actuator and collector, both real, over one Kubernetes API: both ends of `GET /snapshot`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from builders import SEED_NAME, SEED_NAMESPACE, a_snapshot
from devcluster.apiserver import RunningApi
from inferno_collector.app import create_collector_app
from inferno_collector.settings import CollectorSettings
from inferno_shared.contracts import Outcome, PlanReason, Snapshot
from inferno_shared.kubernetes import DEPLOYMENTS, KubernetesClient
from unit.actuator.cluster_world import cluster_world, documents
from unit.actuator.world import a_plan, an_allocation, answer


@asynccontextmanager
async def collector(cluster: RunningApi) -> AsyncIterator[httpx.AsyncBaseTransport]:
    """The real collector, scraping pods of which there are none."""
    app = create_collector_app(
        CollectorSettings(load_source="scrape"),
        connect=lambda: KubernetesClient.connect(kubeconfig=str(cluster.kubeconfig)),
    )
    async with app.router.lifespan_context(app):
        yield httpx.ASGITransport(app=app)


def holding(request: httpx.Request) -> httpx.Response:
    """An optimizer that holds every variant of a snapshot, as it must while the load is unknown."""
    snapshot = Snapshot.model_validate_json(request.content)
    held = [
        an_allocation(
            variant,
            replicas=variant.current.replicas,
            outcome=Outcome.HELD,
            reason=PlanReason.UNKNOWN_LOAD,
            message="the load is unknown",
        )
        for variant in snapshot.variants
    ]
    return answer(a_plan(snapshot, held))


async def test_the_collectors_snapshots_become_conditions() -> None:
    async with cluster_world(collector=collector) as world:
        world.snapshots.optimizer = holding
        await world.http.post("/invoke")
        conditions = {c["type"]: c for c in (await world.status())["conditions"]}
        assert conditions["TargetResolved"]["reason"] == "TargetNotFound"
        assert f"{SEED_NAMESPACE}/{SEED_NAME}" in conditions["TargetResolved"]["message"]
        assert conditions["OptimizationReady"]["reason"] == "InvalidConfiguration"

        deployment = documents("samples/vllm-deployment-service-servicemon.yaml")[0]
        await world.kubernetes.create(DEPLOYMENTS, deployment, SEED_NAMESPACE)
        await world.http.post("/invoke")
        status = await world.status()
        conditions = {c["type"]: c for c in status["conditions"]}
        assert conditions["TargetResolved"]["status"] == "True"
        assert conditions["MetricsAvailable"]["reason"] == "MetricsMissing"
        assert conditions["OptimizationReady"]["reason"] == "MetricsUnavailable"
        assert status["desiredOptimizedAlloc"]["numReplicas"] == 1
        assert status["currentAlloc"]["accelerator"] == "H100"


async def test_an_id_survives_the_way_through_both_services() -> None:
    async with cluster_world(collector=collector) as world:
        snapshot_id = (await world.http.get("/plan")).json()["snapshot_id"]
        assert snapshot_id is not None
        assert snapshot_id == world.actuator.journal.cycles[-1].snapshot_id
        in_force = world.actuator.journal.in_force
        assert in_force is not None
        assert in_force.snapshot.content_id() == snapshot_id


def test_the_contract_of_a_snapshot_survives_json() -> None:
    snapshot = a_snapshot()
    read = Snapshot.model_validate_json(snapshot.model_dump_json())
    assert read.content_id() == snapshot.id
