"""POST /optimize with scenarios, as a caller sees it: plans side by side, and errors by field."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from builders import SEED_MODEL, SEED_NAME, a_snapshot, a_variant
from inferno_optimizer.app import create_optimizer_app
from inferno_optimizer.settings import OptimizerSettings
from inferno_shared.contracts import Plan, Snapshot, WhatIf

Json = dict[str, Any]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_optimizer_app(OptimizerSettings(workers=0))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://optimizer") as client:
        yield client


def with_scenarios(*scenarios: Json, snapshot: Snapshot | None = None) -> Json:
    document: Json = json.loads((snapshot or a_snapshot()).model_dump_json())
    return {**document, "scenarios": list(scenarios)}


async def test_a_snapshot_alone_is_answered_with_its_plan(client: httpx.AsyncClient) -> None:
    bare = await client.post("/optimize", content=a_snapshot().model_dump_json())
    none = await client.post("/optimize", json=with_scenarios())
    assert (bare.status_code, none.status_code) == (200, 200)
    assert bare.content == none.content
    assert Plan.model_validate_json(bare.content).snapshot_id == a_snapshot().id


async def test_scenarios_are_answered_with_plans_side_by_side(client: httpx.AsyncClient) -> None:
    request = with_scenarios(
        {"name": "twice the load", "load": [{"factor": 2, "model": SEED_MODEL}]},
        {
            "name": "two nodes fewer",
            "capacity": [{"device": "NVIDIA-H100-80GB-HBM3", "change": -30}],
            "policy": {"unlimited": False},
        },
        {"name": "dearer", "prices": [{"accelerator": "H100", "cost_per_hour": 80}]},
        {"name": "tighter", "slos": [{"model": SEED_MODEL, "itl_ms": 22}]},
    )
    response = await client.post("/optimize", json=request)
    assert response.status_code == 200
    answer = WhatIf.model_validate_json(response.content)
    assert answer.base == Plan.model_validate_json(
        (await client.post("/optimize", content=a_snapshot().model_dump_json())).content
    )
    differences = {s.name: s.difference for s in answer.scenarios}
    replicas = {name: [v.after.replicas for v in d.variants] for name, d in differences.items()}
    # The ITL of 22 ms at a mean allows 28.957 requests/min, so TTFT binds as before.
    assert replicas == {"twice the load": [6], "two nodes fewer": [1], "dearer": [3], "tighter": []}
    assert differences["two nodes fewer"].variants[0].after.outcome == "unserved"
    assert differences["dearer"].cost_per_hour_after == 240


async def test_the_same_request_gives_the_same_bytes(client: httpx.AsyncClient) -> None:
    request = with_scenarios({"name": "a", "load": [{"factor": 3}]}, {"name": "b", "load": [{"factor": 0}]})
    first, second = [await client.post("/optimize", json=request) for _ in range(2)]
    assert first.content == second.content


async def test_concurrent_requests_never_meet(client: httpx.AsyncClient) -> None:
    factors = [1, 2, 3, 4, 5, 6, 7, 8]
    snapshots = [a_snapshot(variants=[a_variant(rate_rpm=14.0 * factor)]) for factor in factors]
    answers = await asyncio.gather(
        *(
            client.post(
                "/optimize", json=with_scenarios({"name": "s", "load": [{"factor": 2}]}, snapshot=snapshot)
            )
            for snapshot in snapshots
        )
    )
    plans = [WhatIf.model_validate_json(answer.content) for answer in answers]
    assert [p.base.allocations[0].replicas for p in plans] == factors
    assert [p.scenarios[0].plan.allocations[0].replicas for p in plans] == [2 * f for f in factors]


@pytest.mark.parametrize(
    ("scenario", "field", "message"),
    [
        (
            {"load": [{"factor": 2, "model": "gpt"}]},
            "scenarios[0].load[0].model",
            "gpt is not in the snapshot",
        ),
        ({"load": [{"factor": -2}]}, "scenarios[0].load[0].factor", "greater than or equal to 0"),
        ({"load": [{}]}, "scenarios[0].load[0].factor", "required"),
        ({"capacity": [{"device": "X", "change": 1}]}, "scenarios[0].capacity[0].device", "X is not in the"),
        ({"capacity": [{"node": "n", "change": 1}]}, "scenarios[0].capacity[0].node", "n is not in the"),
        (
            {"priorities": [{"service_class": "Gold", "priority": 1}]},
            "scenarios[0].priorities[0].service_class",
            "Gold is not in the snapshot (there is Freemium, Premium)",
        ),
        ({"policy": {"saturation_policy": "Most"}}, "scenarios[0].policy.saturation_policy", "RoundRobin"),
        ({"name": 7}, "scenarios[0].name", "string"),
    ],
)
async def test_what_does_not_fit_is_named_by_field(
    client: httpx.AsyncClient, scenario: Json, field: str, message: str
) -> None:
    response = await client.post("/optimize", json=with_scenarios({"name": "s", **scenario}))
    assert response.status_code == 422
    [error] = response.json()["errors"]
    assert error["field"] == field
    assert message in error["message"]


async def test_too_many_scenarios_are_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/optimize", json=with_scenarios(*({"name": str(i)} for i in range(21))))
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "scenarios"


async def test_a_scenario_without_changes_is_the_base_again(client: httpx.AsyncClient) -> None:
    response = await client.post("/optimize", json=with_scenarios({"name": "same"}))
    answer = WhatIf.model_validate_json(response.content)
    assert answer.scenarios[0].plan == answer.base
    assert answer.scenarios[0].difference.variants == []
    assert answer.base.allocations[0].name == SEED_NAME
