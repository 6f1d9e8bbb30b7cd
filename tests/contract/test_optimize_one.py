"""POST /optimizeOne as an llm-inferno client sees it: its own document in, its own field names out."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from inferno_optimizer.app import create_optimizer_app
from inferno_optimizer.settings import OptimizerSettings
from unit.optimizer.compat.systems import (
    THIRD_PROFILE,
    Json,
    a_class,
    a_profile,
    a_server,
    a_system,
    an_accelerator,
)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_optimizer_app(OptimizerSettings(workers=0))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://optimizer") as client:
        yield client


async def test_a_system_is_answered_in_its_own_words(client: httpx.AsyncClient) -> None:
    system = a_system(
        accelerators=[an_accelerator(), an_accelerator("G2", 23)],
        profiles=[a_profile(form=THIRD_PROFILE), a_profile(acc="G2", form=THIRD_PROFILE, accCount=2)],
        classes=[a_class(itl=30, ttft=1000)],
        servers=[a_server("one", rate=120, minNumReplicas=1), a_server("two", rate=600)],
        capacity={"H100": 4, "G2": 8},
    )
    response = await client.post("/optimizeOne", json=system)
    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == ["allocations", "totalCost", "capacity", "certificate", "problems"]
    assert answer["certificate"]["status"] == "optimal"
    assert answer["certificate"]["verified"] is True
    assert answer["totalCost"] == sum(a["cost"] for a in answer["allocations"].values())
    expected = {"accelerator", "numReplicas", "maxBatch", "cost", "itlAverage", "ttftAverage", "load"}
    assert all(expected <= set(allocation) for allocation in answer["allocations"].values())
    assert answer["allocations"]["one"]["load"] == {
        "arrivalRate": 120,
        "avgInTokens": 128,
        "avgOutTokens": 279,
    }


async def test_one_server_that_cannot_be_placed_stops_no_other(client: httpx.AsyncClient) -> None:
    system = a_system(servers=[a_server("good"), a_server("lost", model="unheard-of")])
    response = await client.post("/optimizeOne", json=system)
    assert response.status_code == 200
    outcomes = {name: a["outcome"] for name, a in response.json()["allocations"].items()}
    assert outcomes == {"good": "served", "lost": "held"}


async def test_broken_json_is_a_bad_request(client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/optimizeOne", content=b'{"system": ', headers={"content-type": "application/json"}
    )
    assert response.status_code == 400
    assert response.json()["title"] == "Malformed JSON"


async def test_json_is_read_whatever_its_content_type_says(client: httpx.AsyncClient) -> None:
    content_type = {"content-type": "application/x-www-form-urlencoded"}
    request = client.build_request("POST", "/optimizeOne", json=a_system())
    response = await client.post("/optimizeOne", content=request.content, headers=content_type)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("system", "field", "message"),
    [
        ({}, "system", "required"),
        (
            a_system(accelerators=[{**an_accelerator(), "COST": -1, "cost": None}]),
            "system.acceleratorData.accelerators[0].cost",
            "greater than or equal to 0, is -1",
        ),
        (
            {"SYSTEM": {**a_system()["system"], "serverData": {"SERVERS": [{"Name": "s", "MODEL": 5}]}}},
            "system.serverData.servers[0].model",
            "string, is 5",
        ),
        (
            a_system(servers=[a_server(), a_server()]),
            "system.serverData",
            "server s1 appears more than once",
        ),
        (
            a_system(profiles=[{"name": "m", "acc": "A", "decodeParms": {"alpha": 1, "beta": 1}}]),
            "system.modelData.models[0]",
            "exactly one form of parameters",
        ),
    ],
)
async def test_a_wrong_field_is_named_as_upstream_spells_it(
    client: httpx.AsyncClient, system: Json, field: str, message: str
) -> None:
    response = await client.post("/optimizeOne", json=system)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    [error] = response.json()["errors"]
    assert error["field"] == field
    assert message in error["message"]


async def test_nan_is_refused(client: httpx.AsyncClient) -> None:
    body = b'{"system": {"acceleratorData": {"accelerators": [{"name": "A", "cost": NaN}]}}}'
    response = await client.post("/optimizeOne", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "system.acceleratorData.accelerators[0].cost"


async def test_concurrent_requests_never_meet(client: httpx.AsyncClient) -> None:
    replicas = [1, 2, 3, 4, 5, 6, 7, 8]
    systems = [a_system(servers=[a_server(rate=14.0 * wanted)]) for wanted in replicas]
    answers = await asyncio.gather(*(client.post("/optimizeOne", json=system) for system in systems))
    assert [a.json()["allocations"]["s1"]["numReplicas"] for a in answers] == replicas


async def test_the_document_is_described(client: httpx.AsyncClient) -> None:
    operation = (await client.get("/openapi.json")).json()["paths"]["/optimizeOne"]["post"]
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert reference.endswith("/SystemData")
