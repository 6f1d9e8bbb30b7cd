"""What the HPA's controller writes when the cluster does not play along."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from devcluster.apiserver import running_api
from devcluster.controllers.hpa_controller import HpaController
from devcluster.controllers.hpa_spec import Hpa, parse_hpa
from inferno_shared.kubernetes import (
    DEPLOYMENTS,
    EVENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    NAMESPACES,
    EventRecorder,
    KubernetesClient,
)
from unit.devcluster_controllers.hpa_world import after, an_hpa

NAMESPACE = "llm-d-sim"


class World:
    def __init__(self, client: KubernetesClient) -> None:
        self.client = client
        self.now: datetime = after(0)
        self.hpas: dict[tuple[str, str], Hpa] = {}
        recorder = EventRecorder(client, "horizontal-pod-autoscaler")
        self.controller = HpaController(client, self.hpas, recorder, lambda: self.now, sync_seconds=15)

    async def add_hpa(self) -> None:
        spec = an_hpa().raw["spec"]
        body = {"metadata": {"name": "hpa", "namespace": NAMESPACE}, "spec": spec}
        created = await self.client.create(HORIZONTAL_POD_AUTOSCALERS, body, NAMESPACE)
        self.hpas[NAMESPACE, "hpa"] = parse_hpa(created)

    async def add_deployment(self, replicas: int) -> None:
        labels = {"app": "vllm"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        body = {"metadata": {"name": "decode", "namespace": NAMESPACE}, "spec": spec}
        await self.client.create(DEPLOYMENTS, body, NAMESPACE)

    async def status(self) -> dict[str, Any]:
        hpa = await self.client.get(HORIZONTAL_POD_AUTOSCALERS, "hpa", NAMESPACE)
        status: dict[str, Any] = hpa.get("status") or {}
        return status

    async def events(self) -> list[tuple[str, str, int]]:
        events = (await self.client.list(EVENTS, NAMESPACE)).items
        return sorted((event["type"], event["reason"], event["count"]) for event in events)


@asynccontextmanager
async def a_world() -> AsyncIterator[World]:
    async with running_api() as api, KubernetesClient.connect(kubeconfig=str(api.kubeconfig)) as client:
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        yield World(client)


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}


async def test_a_missing_target_is_said() -> None:
    async with a_world() as world:
        await world.add_hpa()
        assert await world.controller.one_pass() == 15
        assert conditions(await world.status()) == {"AbleToScale": ("False", "FailedGetScale")}
        assert await world.events() == [("Warning", "FailedGetScale", 1)]


async def test_without_a_metrics_api_the_replicas_are_held_and_events_are_counted() -> None:
    async with a_world() as world:
        await world.add_deployment(3)
        await world.add_hpa()
        await world.controller.one_pass()
        world.now = after(15)
        await world.controller.one_pass()
        status = await world.status()
        assert conditions(status) == {
            "AbleToScale": ("True", "SucceededGetScale"),
            "ScalingActive": ("False", "FailedGetExternalMetric"),
        }
        assert status["currentMetrics"] == [{"type": ""}]
        assert status["currentReplicas"] == 3
        deployment = await world.client.get(DEPLOYMENTS, "decode", NAMESPACE)
        assert deployment["spec"]["replicas"] == 3
        assert await world.events() == [
            ("Warning", "FailedComputeMetricsReplicas", 2),
            ("Warning", "FailedGetExternalMetric", 2),
        ]


async def test_too_many_replicas_are_cut_at_once_and_the_time_is_noted() -> None:
    async with a_world() as world:
        await world.add_deployment(12)
        await world.add_hpa()
        await world.controller.one_pass()
        deployment = await world.client.get(DEPLOYMENTS, "decode", NAMESPACE)
        assert deployment["spec"]["replicas"] == 10
        status = await world.status()
        assert (status["desiredReplicas"], status["lastScaleTime"]) == (10, "2025-09-04T18:00:00Z")
        assert conditions(status)["AbleToScale"] == ("True", "SucceededRescale")


async def test_an_hpa_is_synced_at_once_and_then_once_per_period() -> None:
    async with a_world() as world:
        await world.add_hpa()
        assert await world.controller.one_pass() == 15
        world.now = after(5)
        assert await world.controller.one_pass() == 10
        assert await world.events() == [("Warning", "FailedGetScale", 1)]
        world.now = after(15)
        await world.controller.one_pass()
        assert await world.events() == [("Warning", "FailedGetScale", 2)]


async def test_without_hpas_there_is_nothing_to_wait_for() -> None:
    async with a_world() as world, asyncio.timeout(5):
        assert await world.controller.one_pass() is None
