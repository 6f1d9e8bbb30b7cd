"""The whole actuator against a Kubernetes API on loopback, collector and optimizer at the test's command."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import yaml
from fastapi import FastAPI

from builders import SEED_NAME, SEED_NAMESPACE, a_snapshot
from devcluster.apiserver import RunningApi, running_api
from inferno_actuator.actuator import Actuator
from inferno_actuator.app import create_actuator_app
from inferno_actuator.settings import ActuatorSettings
from inferno_shared.contracts import Snapshot
from inferno_shared.kubernetes import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    HORIZONTAL_POD_AUTOSCALERS,
    NAMESPACES,
    VARIANT_AUTOSCALINGS,
    KubernetesClient,
)
from unit.actuator.world import Handler, a_plan, answer

CONFIG = Path(__file__).parents[3] / "config"
NAMESPACE = "inferno-autoscaler-system"
SETTINGS = "inferno-autoscaler-variantautoscaling-config"
JsonObject = dict[str, Any]


def documents(path: str) -> list[JsonObject]:
    return deepcopy(_read(path))


@cache
def _read(path: str) -> list[JsonObject]:
    return [it for it in yaml.safe_load_all((CONFIG / path).read_text(encoding="utf-8")) if it]


def _without_rules(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """The schema without its CEL rules: they have their own tests, and compiling them takes its time."""
    if isinstance(schema, list):
        return [_without_rules(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {k: _without_rules(v) for k, v in schema.items() if k != "x-kubernetes-validations"}


def seed_variant(name: str = SEED_NAME) -> JsonObject:
    (variant,) = documents("samples/vllm-va.yaml")
    variant["metadata"]["name"] = name
    return variant


@dataclass
class ClusterWorld:
    """Everything around one running actuator; the seed's ConfigMaps and variant are applied."""

    cluster: RunningApi
    kubernetes: KubernetesClient
    app: FastAPI
    http: httpx.AsyncClient
    snapshots: "Snapshots"
    lifespan: AsyncExitStack

    @property
    def actuator(self) -> Actuator:
        actuator: Actuator = self.app.state.actuator
        return actuator

    @property
    def turns(self) -> int:
        last = self.actuator.journal.last
        return last.number if last else 0

    async def stop(self) -> None:
        """Shut the actuator down, as SIGTERM does."""
        await self.lifespan.aclose()

    async def status(self, name: str = SEED_NAME) -> JsonObject:
        variant = await self.kubernetes.get(VARIANT_AUTOSCALINGS, name, SEED_NAMESPACE)
        status: JsonObject = variant.get("status") or {}
        return status

    async def metrics(self) -> str:
        return (await self.http.get("/metrics")).text

    async def fault(self, **fault: object) -> None:
        async with httpx.AsyncClient(base_url=self.cluster.url) as http:
            (await http.post("/devcluster/faults", json=fault)).raise_for_status()

    async def configure(self, **data: str) -> None:
        await self.kubernetes.merge_patch(CONFIG_MAPS, {"data": data}, SETTINGS, NAMESPACE)


@dataclass
class Snapshots:
    """The collector and the optimizer: what they answer, and what they were asked."""

    snapshot: Snapshot = field(default_factory=a_snapshot)
    collector: Handler | None = None
    optimizer: Handler | None = None
    asked: int = 0

    async def collect(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.collector is not None:
            return await _awaited(self.collector(request))
        return answer(self.snapshot.model_copy(update={"taken_at": datetime.now(UTC)}))

    async def optimize(self, request: httpx.Request) -> httpx.Response:
        if self.optimizer is not None:
            return await _awaited(self.optimizer(request))
        return answer(a_plan(Snapshot.model_validate_json(request.content)))


async def _awaited(response: Any) -> httpx.Response:  # noqa: ANN401 - a response, or a promise of one
    return response if isinstance(response, httpx.Response) else await response


Service = Callable[[RunningApi], AbstractAsyncContextManager[httpx.AsyncBaseTransport]]


@asynccontextmanager
async def cluster_world(
    *,
    collector: Service | None = None,
    optimizer: Service | None = None,
    **settings: Any,  # noqa: ANN401 - any setting
) -> AsyncIterator[ClusterWorld]:
    """A running actuator; the interval is far away, so that only changes and requests turn the loop.

    `collector` and `optimizer` put the real services in the place of those at the test's command.
    """
    snapshots = Snapshots()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        cluster = await enter(running_api())
        kubernetes = await enter(KubernetesClient.connect(kubeconfig=str(cluster.kubeconfig)))
        await install(kubernetes)
        app = create_actuator_app(
            ActuatorSettings(**{"debounce_seconds": 0.05, "external_metrics": True, **settings}),
            connect=lambda: KubernetesClient.connect(kubeconfig=str(cluster.kubeconfig)),
            collector_transport=await enter(collector(cluster))
            if collector
            else httpx.MockTransport(snapshots.collect),
            optimizer_transport=await enter(optimizer(cluster))
            if optimizer
            else httpx.MockTransport(snapshots.optimize),
        )
        world = await _started(stack, cluster, kubernetes, app, snapshots)
        await until(lambda: world.turns > 0, "the first turn")
        yield world


@asynccontextmanager
async def another_actuator(world: ClusterWorld, **settings: Any) -> AsyncIterator[ClusterWorld]:  # noqa: ANN401 - any setting
    """A second actuator beside the first one, on the same cluster, collector and optimizer."""
    app = create_actuator_app(
        ActuatorSettings(**settings),
        connect=lambda: KubernetesClient.connect(kubeconfig=str(world.cluster.kubeconfig)),
        collector_transport=httpx.MockTransport(world.snapshots.collect),
        optimizer_transport=httpx.MockTransport(world.snapshots.optimize),
    )
    async with AsyncExitStack() as stack:
        yield await _started(stack, world.cluster, world.kubernetes, app, world.snapshots)


async def _started(
    stack: AsyncExitStack,
    cluster: RunningApi,
    kubernetes: KubernetesClient,
    app: FastAPI,
    snapshots: Snapshots,
) -> ClusterWorld:
    lifespan = await stack.enter_async_context(AsyncExitStack())
    await lifespan.enter_async_context(app.router.lifespan_context(app))
    transport = httpx.ASGITransport(app=app)
    client = httpx.AsyncClient(base_url="http://actuator.test", transport=transport)
    http = await stack.enter_async_context(client)
    return ClusterWorld(cluster, kubernetes, app, http, snapshots, lifespan)


async def until(condition: Callable[[], bool], what: str, *, seconds: float = 5, poll: float = 0.01) -> None:
    """Wait for a condition with a bound."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event to offer
                await asyncio.sleep(poll)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None


async def install(kubernetes: KubernetesClient) -> None:
    """The CRD, the seed's ConfigMaps, HPA and VariantAutoscaling."""
    for name in (NAMESPACE, SEED_NAMESPACE):
        await kubernetes.create(NAMESPACES, _named(name))
    (definition,) = documents("crd/llmd.ai_variantautoscalings.yaml")
    await kubernetes.create(CUSTOM_RESOURCE_DEFINITIONS, _without_rules(definition))
    for config_map in [
        *documents("manager/configmap.yaml"),
        *documents("samples/acc-servclass-configmap.yaml"),
    ]:
        await kubernetes.create(CONFIG_MAPS, config_map, NAMESPACE)
    (autoscaler,) = documents("samples/hpa-integration.yaml")
    await kubernetes.create(HORIZONTAL_POD_AUTOSCALERS, autoscaler, SEED_NAMESPACE)
    await kubernetes.create(VARIANT_AUTOSCALINGS, seed_variant(), SEED_NAMESPACE)


def _named(name: str) -> JsonObject:
    metadata: Mapping[str, str] = {"name": name}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
