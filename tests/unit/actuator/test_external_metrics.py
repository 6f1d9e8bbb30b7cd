"""The external metrics API as the HPA controller and kubectl use it."""

import httpx
import pytest
from fastapi import FastAPI

from builders import a_snapshot, a_variant
from inferno_actuator.external_metrics import external_metrics_router, quantity
from inferno_actuator.triggers import Trigger
from unit.actuator.world import SEED_KEY, World

ROOT = "/apis/external.metrics.k8s.io/v1beta1"
DESIRED = f"{ROOT}/namespaces/llm-d-sim/inferno_desired_replicas"


def client(world: World) -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(
        external_metrics_router(lambda _: lambda metric: (world.gauges.samples(metric), world.clock.now()))
    )
    return httpx.AsyncClient(base_url="http://actuator.test", transport=httpx.ASGITransport(app=app))


async def turned(world: World) -> World:
    await world.loop.run_once(Trigger.START)
    return world


async def test_the_seeds_request_gets_the_seeds_answer() -> None:
    async with client(await turned(World())) as http:
        answer = await http.get(DESIRED, params={"labelSelector": f"variant_name={SEED_KEY[1]}"})
    assert answer.json() == {
        "kind": "ExternalMetricValueList",
        "apiVersion": "external.metrics.k8s.io/v1beta1",
        "metadata": {},
        "items": [
            {
                "metricName": "inferno_desired_replicas",
                "metricLabels": {
                    "variant_name": SEED_KEY[1],
                    "namespace": "llm-d-sim",
                    "accelerator_type": "H100",
                    "exported_namespace": "llm-d-sim",
                },
                "timestamp": "2025-09-04T12:00:00Z",
                "value": "3",
            }
        ],
    }


async def test_only_the_namespace_asked_for_is_answered() -> None:
    world = await turned(World(a_snapshot(variants=[a_variant("a"), a_variant("b", namespace="other")])))
    async with client(world) as http:
        items = (await http.get(DESIRED)).json()["items"]
        assert [item["metricLabels"]["variant_name"] for item in items] == ["a"]
        elsewhere = await http.get(f"{ROOT}/namespaces/nowhere/inferno_desired_replicas")
    assert (elsewhere.status_code, elsewhere.json()["items"]) == (200, [])


async def test_a_selector_chooses_among_variants() -> None:
    world = await turned(World(a_snapshot(variants=[a_variant(name) for name in ("a", "b", "c")])))
    async with client(world) as http:
        chosen = await http.get(DESIRED, params={"labelSelector": "variant_name in (a,c),exported_namespace"})
        nothing = await http.get(DESIRED, params={"labelSelector": "variant_name=zzz"})
    names = [item["metricLabels"]["variant_name"] for item in chosen.json()["items"]]
    assert names == ["a", "c"]
    assert nothing.json()["items"] == []


async def test_an_unknown_metric_is_a_not_found_status_that_names_the_known_ones() -> None:
    async with client(await turned(World())) as http:
        answer = await http.get(f"{ROOT}/namespaces/llm-d-sim/no_such_metric")
    status = answer.json()
    assert (answer.status_code, status["kind"], status["reason"]) == (404, "Status", "NotFound")
    assert "inferno_desired_replicas" in status["message"]


async def test_a_selector_that_is_none_is_a_bad_request_status() -> None:
    async with client(await turned(World())) as http:
        answer = await http.get(DESIRED, params={"labelSelector": "a in b"})
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


async def test_a_value_whose_plan_is_too_old_is_no_value() -> None:
    world = await turned(World())
    world.clock.advance(301)
    async with client(world) as http:
        assert (await http.get(DESIRED)).json()["items"] == []


async def test_discovery_leads_from_the_root_to_the_metrics() -> None:
    async with client(World()) as http:
        groups = (await http.get("/apis")).json()
        group = (await http.get("/apis/external.metrics.k8s.io")).json()
        resources = (await http.get(ROOT)).json()
    assert groups["groups"][0]["preferredVersion"]["groupVersion"] == "external.metrics.k8s.io/v1beta1"
    assert group["kind"] == "APIGroup"
    assert resources["groupVersion"] == "external.metrics.k8s.io/v1beta1"
    assert {r["name"] for r in resources["resources"]} == {
        "inferno_desired_replicas",
        "inferno_current_replicas",
        "inferno_desired_ratio",
    }
    assert all(r["namespaced"] and r["verbs"] == ["get"] for r in resources["resources"])


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.0, "3"), (0.0, "0"), (4 / 3, "1334m"), (0.5, "500m"), (1.0005, "1001m"), (0.1, "100m")],
)
def test_quantities_are_rounded_up_to_the_thousandth(value: float, text: str) -> None:
    assert quantity(value) == text
