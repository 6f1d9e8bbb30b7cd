"""POST /optimize and POST /analyze as their callers see them: over HTTP, with good and bad bodies."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from builders import SEED_MODEL, SEED_NAME, SEED_NAMESPACE, a_profile, a_snapshot, a_variant
from inferno_optimizer.app import create_optimizer_app
from inferno_optimizer.settings import OptimizerSettings
from inferno_shared.contracts import AnalysisResult, LinearParameters, Plan

WHAT_IF: dict[str, Any] = {
    "accelerators": [{"name": "H100", "device": "NVIDIA-H100-80GB-HBM3", "cost_per_hour": 50.0}],
    "service_classes": [
        {
            "name": "Premium",
            "priority": 1,
            "targets": [{"model": SEED_MODEL, "itl_ms": 24, "ttft_ms": 500}],
        }
    ],
    "variants": [
        {
            "namespace": SEED_NAMESPACE,
            "name": SEED_NAME,
            "model": SEED_MODEL,
            "service_class": "Premium",
            "profiles": [
                {
                    "accelerator": "H100",
                    "max_batch_size": 4,
                    "parameters": {"model": "linear", "alpha": 20.58, "beta": 0.41},
                }
            ],
            "load": {"state": "observed", "arrival_rate_rpm": 37.5, "input_tokens": 0, "output_tokens": 279},
        }
    ],
}
ANALYSIS: dict[str, Any] = {
    "parameters": {"model": "linear", "alpha": 20.58, "beta": 0.41},
    "cost_per_hour": 50,
    "max_batch_size": 4,
    "load": {"arrival_rate_rpm": 37.5, "input_tokens": 0, "output_tokens": 279},
    "slo": {"itl_ms": 24, "ttft_ms": 500, "tokens_per_second": None},
}


def edited(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy with one field set; the path is dotted, with numbers for list positions."""
    copy = json.loads(json.dumps(document))
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = copy
    for part in parents:
        place = place[part]
    place[last] = value
    return dict(copy)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_optimizer_app(OptimizerSettings(workers=0))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://optimizer") as client:
        yield client


async def test_a_snapshot_of_the_collector_gives_a_plan(client: httpx.AsyncClient) -> None:
    snapshot = a_snapshot()
    response = await client.post("/optimize", content=snapshot.model_dump_json())
    assert response.status_code == 200
    plan = Plan.model_validate_json(response.content)
    assert plan.snapshot_id == snapshot.id
    assert [(a.name, a.replicas, a.cost_per_hour) for a in plan.allocations] == [(SEED_NAME, 3, 150.0)]
    assert plan.certificate.verified


async def test_a_hand_written_what_if_may_leave_out_what_has_a_default(client: httpx.AsyncClient) -> None:
    plan = (await client.post("/optimize", json=WHAT_IF)).json()
    [allocation] = plan["allocations"]
    assert (allocation["replicas"], allocation["gpus"], allocation["outcome"]) == (3, 3, "served")
    assert plan["totals"] == {"cost_per_hour": 150.0, "gpus": 3}
    [capacity] = plan["capacity"]
    assert (capacity["device"], capacity["limit"], capacity["used"]) == ("NVIDIA-H100-80GB-HBM3", None, 3)
    assert plan["demands"][0]["served_rpm"] == 37.5
    assert plan["problems"] == []
    assert len(plan["snapshot_id"]) == 16


async def test_the_same_snapshot_gives_the_same_bytes(client: httpx.AsyncClient) -> None:
    answers = [await client.post("/optimize", json=WHAT_IF) for _ in range(3)]
    assert len({answer.content for answer in answers}) == 1


async def test_a_misspelt_field_is_reported_in_the_plan(client: httpx.AsyncClient) -> None:
    what_if = edited(WHAT_IF, "variants.0.min_replica", 5)
    plan = (await client.post("/optimize", json=what_if)).json()
    assert plan["allocations"][0]["replicas"] == 3
    [problem] = plan["problems"]
    assert problem["reason"] == "UnknownField"
    assert "variants[0].min_replica is not read: did you mean min_replicas?" in problem["message"]


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("variants.0.profiles.0.parameters.alpha", -1, "variants[0].profiles[0].parameters.alpha"),
        ("variants.0.profiles.0.parameters.alpha", "fast", "variants[0].profiles[0].parameters.alpha"),
        ("variants.0.profiles.0.parameters.model", "cubic", "variants[0].profiles[0].parameters"),
        ("variants.0.profiles.0.max_batch_size", 0, "variants[0].profiles[0].max_batch_size"),
        ("variants.0.profiles", [], "variants[0].profiles"),
        ("variants.0.load.output_tokens", 0, "variants[0].load"),
        ("variants.0.load.output_tokens", None, "variants[0].load"),
        ("variants.0.load.state", "guessed", "variants[0].load.state"),
        ("variants.0.load.arrival_rate_rpm", -3, "variants[0].load.arrival_rate_rpm"),
        ("variants.0.load", {"state": "idle", "arrival_rate_rpm": 60}, "variants[0].load"),
        ("variants.0.current", {"accelerator": ""}, "variants[0].current.accelerator"),
        ("variants.0.max_replicas", 0, "variants[0]"),
        ("service_classes.0.priority", 0, "service_classes[0].priority"),
        ("service_classes.0.targets.0.itl_ms", 0, "service_classes[0].targets[0].itl_ms"),
        ("accelerators.0.cost_per_hour", -50, "accelerators[0].cost_per_hour"),
        ("policy", {"saturation_policy": "Sometimes"}, "policy.saturation_policy"),
        ("policy", {"time_limit_seconds": 0}, "policy.time_limit_seconds"),
        ("variants", None, "variants"),
    ],
)
async def test_a_wrong_field_gives_a_problem_document_that_names_it(
    client: httpx.AsyncClient, path: str, value: object, field: str
) -> None:
    response = await client.post("/optimize", json=edited(WHAT_IF, path, value))
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    fields = [error["field"] for error in response.json()["errors"]]
    assert any(named.startswith(field) for named in fields), fields


@pytest.mark.parametrize("body", ["", "{", "[]", "null", "7", '{"variants": NaN}', '"text"'])
async def test_a_body_that_is_no_snapshot_gives_a_problem_document(
    client: httpx.AsyncClient, body: str
) -> None:
    response = await client.post("/optimize", content=body, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/optimize", "/analyze", "/optimizeOne"])
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b" ", "the body is empty"),
        (gzip.compress(b"{}"), "the body is compressed: send it as plain text"),
        (b"\xff{}", "the body is not UTF-8 text (invalid start byte at byte 0)"),
        (b'{"x": ' + b"[" * 900 + b"]" * 900 + b"}", "the body is nested too deeply, more than 200 levels"),
        (b'{"x": ' + b"1" * 5_000 + b"}", "the body has a number of thousands of digits"),
    ],
    ids=["empty", "compressed", "bytes", "deep", "digits"],
)
async def test_a_body_that_is_no_json_is_told_so_in_plain_words(
    client: httpx.AsyncClient, path: str, body: bytes, said: str
) -> None:
    response = await client.post(path, content=body)
    assert (response.status_code, response.json()["detail"]) == (400, said)


async def test_a_valid_snapshot_with_a_deep_field_that_is_not_known_is_refused_too(
    client: httpx.AsyncClient,
) -> None:
    body = json.dumps(WHAT_IF)[:-1] + ', "x": ' + "[" * 500 + "]" * 500 + "}"
    response = await client.post("/optimize", content=body)
    assert (response.status_code, response.json()["title"]) == (400, "Malformed JSON")


async def test_nan_in_a_number_is_refused(client: httpx.AsyncClient) -> None:
    body = json.dumps(edited(WHAT_IF, "variants.0.load.arrival_rate_rpm", float("nan")))
    response = await client.post("/optimize", content=body, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422)


async def test_duplicate_variants_are_refused_by_name(client: httpx.AsyncClient) -> None:
    response = await client.post("/optimize", json=edited(WHAT_IF, "variants", WHAT_IF["variants"] * 2))
    assert response.status_code == 422
    assert f"{SEED_NAMESPACE}/{SEED_NAME} appears more than once" in response.text


async def test_two_promises_of_one_class_for_one_model_are_refused_by_name(client: httpx.AsyncClient) -> None:
    twice = [{"model": SEED_MODEL, "itl_ms": 24}, {"model": SEED_MODEL, "itl_ms": 1}]
    response = await client.post("/optimize", json=edited(WHAT_IF, "service_classes.0.targets", twice))
    assert response.status_code == 422
    [error] = response.json()["errors"]
    assert error["field"] == "service_classes[0]"
    assert error["message"] == f"targets: model {SEED_MODEL} appears more than once"


async def test_a_body_beyond_the_limit_is_refused() -> None:
    app = create_optimizer_app(OptimizerSettings(workers=0, max_body_bytes=1_024))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://optimizer") as client:
        large = edited(WHAT_IF, "variants", WHAT_IF["variants"] * 3)
        assert (await client.post("/optimize", json=large)).status_code == 413


@pytest.mark.parametrize(
    "change",
    [
        ("service_classes.0.targets.0.ttft_ms", 1e-9),
        ("variants.0.load.arrival_rate_rpm", 1e12),
        ("variants.0.load.output_tokens", 1e12),
        ("variants.0.load.output_tokens", 1e-12),
        ("variants.0.load.input_tokens", 1e12),
        ("variants.0.profiles.0.parameters.alpha", 1e12),
        ("variants.0.profiles.0.parameters.alpha", 1e-12),
        ("variants.0.profiles.0.parameters.beta", 0),
        ("variants.0.min_replicas", 10_000_000),
        ("accelerators.0.cost_per_hour", 0),
        ("accelerators.0.cost_per_hour", 1e12),
        ("policy", {"unlimited": False}),
        ("policy", {"unlimited": False, "saturation_policy": "RoundRobin", "delayed_best_effort": True}),
        ("policy", {"headroom": 10}),
        ("variants.0.current", {"accelerator": "H100", "replicas": 10_000_000}),
        ("variants.0.service_class", "Gold"),
        ("service_classes", []),
        ("accelerators", []),
    ],
)
async def test_an_extreme_but_valid_snapshot_gets_a_verified_plan(
    client: httpx.AsyncClient, change: tuple[str, object]
) -> None:
    response = await client.post("/optimize", json=edited(WHAT_IF, *change))
    assert response.status_code == 200
    plan = Plan.model_validate_json(response.content)
    assert plan.certificate.verified, plan.problems


LIMITED: dict[str, Any] = {
    **WHAT_IF,
    "policy": {"unlimited": False},
    "inventory": [{"node": "n", "device": "NVIDIA-H100-80GB-HBM3", "allocatable": 3}],
}


@pytest.mark.parametrize(
    ("document", "reason", "words"),
    [
        (edited(WHAT_IF, "service_classes.0.targets.0.itl_ms", 5), "InfeasibleSLO", "ITL target 5 ms cannot"),
        (edited(WHAT_IF, "variants.0.service_class", "Gold"), "InvalidConfiguration", "service_class Gold"),
        (edited(WHAT_IF, "accelerators", []), "InvalidConfiguration", "accelerators has no entry for H100"),
        (edited(LIMITED, "variants.0.min_replicas", 5), "InsufficientCapacity", "min_replicas 5 is more"),
    ],
    ids=["impossible SLO", "unknown class", "unknown accelerator", "minimum above capacity"],
)
async def test_what_cannot_be_done_is_its_variants_own_reason(
    client: httpx.AsyncClient, document: dict[str, Any], reason: str, words: str
) -> None:
    response = await client.post("/optimize", json=document)
    assert response.status_code == 200
    [allocation] = response.json()["allocations"]
    assert allocation["reason"] == reason
    assert words in allocation["message"]


@pytest.mark.parametrize("path", ["/optimize", "/analyze", "/optimizeOne"])
@pytest.mark.parametrize("body", ['"' + "x" * 10_000_000 + '"', "[" * 5_000_000], ids=["text", "brackets"])
async def test_ten_megabytes_of_nothing_are_refused(client: httpx.AsyncClient, path: str, body: str) -> None:
    response = await client.post(path, content=body)
    assert response.status_code in (400, 422)
    assert len(response.content) < 1_000


async def test_analyze_answers_with_the_seeds_numbers(client: httpx.AsyncClient) -> None:
    response = await client.post("/analyze", json=ANALYSIS)
    result = AnalysisResult.model_validate_json(response.content)
    assert (result.feasible, result.replicas, result.cost_per_hour) == (True, 3, 150)
    assert result.max_rate_rpm_per_replica == pytest.approx(14.308867, rel=1e-4)
    assert result.predicted is not None
    assert result.predicted.itl_ms == pytest.approx(21.48383, rel=1e-4)
    assert result.predicted.wait_ms == pytest.approx(101.3704, rel=1e-4)


async def test_analyze_says_what_cannot_be_met(client: httpx.AsyncClient) -> None:
    result = (await client.post("/analyze", json=edited(ANALYSIS, "slo.itl_ms", 10))).json()
    assert result["feasible"] is False
    assert "10 ms cannot be met" in result["message"]


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("max_batch_size", 0, "max_batch_size"),
        ("parameters.beta", -1, "parameters.beta"),
        ("load", None, "load"),
    ],
)
async def test_analyze_names_a_wrong_field(
    client: httpx.AsyncClient, path: str, value: object, field: str
) -> None:
    response = await client.post("/analyze", json=edited(ANALYSIS, path, value))
    assert response.status_code == 422
    assert any(error["field"].startswith(field) for error in response.json()["errors"])


async def test_concurrent_requests_never_meet(client: httpx.AsyncClient) -> None:
    """Many different questions at once: each answer is its own question's."""
    rates = [5.0 * n for n in range(1, 25)]
    bodies = [edited(WHAT_IF, "variants.0.load.arrival_rate_rpm", rate) for rate in rates]
    answers = await asyncio.gather(*(client.post("/optimize", json=body) for body in bodies))
    assert [answer.json()["demands"][0]["rate_rpm"] for answer in answers] == rates


async def test_a_full_line_is_refused_with_a_time_to_come_back() -> None:
    app = create_optimizer_app(OptimizerSettings(workers=0, waiting_solves=0))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://optimizer") as client:
        answers = await asyncio.gather(*(client.post("/optimize", json=WHAT_IF) for _ in range(8)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.status_code for answer in answers} == {200, 503}
    assert all(answer.headers["retry-after"] == "1" for answer in refused)


async def test_one_bad_variant_never_changes_another_ones_plan(client: httpx.AsyncClient) -> None:
    good = a_variant("good")
    bad = a_variant(
        "bad", model="llama0-70b", profiles=[a_profile(parameters=LinearParameters(alpha=900, beta=1))]
    )
    alone = await client.post("/optimize", content=a_snapshot(variants=[good]).model_dump_json())
    both = await client.post("/optimize", content=a_snapshot(variants=[good, bad]).model_dump_json())
    allocations = {a["name"]: a for a in both.json()["allocations"]}
    assert allocations["good"] == alone.json()["allocations"][0]
    assert allocations["bad"]["outcome"] == "held"


async def test_probes_metrics_and_documentation(client: httpx.AsyncClient) -> None:
    await client.post("/optimize", json=WHAT_IF)
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/readyz")).status_code == 200
    assert (await client.get("/docs")).status_code == 200
    metrics = (await client.get("/metrics")).text
    assert 'inferno_optimizer_plans_total{status="optimal",verified="true"} 1.0' in metrics
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert {"/optimize", "/analyze"} <= set(paths)
