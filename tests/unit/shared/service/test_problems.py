import json
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, HTTPException, Query
from structlog.testing import capture_logs

from builders import a_snapshot
from inferno_shared.contracts import AnalysisRequest, Snapshot
from inferno_shared.service import FieldError, ProblemError
from inferno_shared.service.problems import field_path, problem_response
from unit.shared.service.asking import an_app, asking

router = APIRouter()
JSON = {"content-type": "application/json"}


@router.post("/snapshot")
async def take(snapshot: Snapshot) -> int:
    return len(snapshot.variants)


@router.post("/analyze")
async def analyze(_: AnalysisRequest) -> None:
    return None


@router.get("/page")
async def page(limit: Annotated[int, Query(ge=1)]) -> int:
    return limit


@router.get("/bug")
async def bug() -> None:
    raise RuntimeError("secret detail")


@router.get("/gone/{what}")
async def gone(what: str) -> None:
    if what == "plan":
        raise ProblemError(404, "No plan yet", "wait one interval", [FieldError("name", "unknown")])
    raise HTTPException(418, "short and stout", headers={"x-pot": "tea"})


async def post(path: str, content: str) -> httpx.Response:
    async with asking(an_app(router)) as client:
        return await client.post(path, content=content, headers=JSON)


def fields(answer: httpx.Response) -> dict[str, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return {error["field"]: error["message"] for error in answer.json()["errors"]}


async def test_a_valid_body_passes() -> None:
    answer = await post("/snapshot", a_snapshot().model_dump_json())
    assert (answer.status_code, answer.json()) == (200, 1)


async def test_a_wrong_field_is_named_by_its_dotted_path() -> None:
    body = a_snapshot().model_dump(mode="json")
    body["variants"][0]["profiles"][0]["max_batch_size"] = 0
    body["variants"][0]["profiles"][0]["parameters"]["alpha"] = -1
    del body["service_classes"][0]["priority"]
    async with asking(an_app(router)) as client:
        answer = await client.post("/snapshot", json=body)
    assert answer.status_code == 422
    assert fields(answer) == {
        "service_classes[0].priority": "Field required",
        "variants[0].profiles[0].max_batch_size": "Input should be greater than or equal to 1, is 0",
        "variants[0].profiles[0].parameters.alpha": "Input should be greater than 0, is -1",
    }
    assert answer.json()["status"] == 422
    assert answer.json()["detail"].startswith("service_classes[0].priority: Field required (and 2 more)")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_a_number_that_is_not_finite_is_refused_by_name(number: str) -> None:
    body = a_snapshot().model_dump_json().replace("20.58", number)
    answer = await post("/snapshot", body)
    assert answer.status_code == 422
    field = "variants[0].profiles[0].parameters.alpha"
    assert fields(answer) == {field: "must be a finite number; NaN and Infinity are not accepted"}


async def test_an_unknown_field_may_not_hold_nan_either() -> None:
    body = a_snapshot().model_dump_json().replace('"policy":{', '"policy":{"extra":{"deep":[1,NaN]},')
    answer = await post("/snapshot", body)
    assert answer.status_code == 422
    assert list(fields(answer)) == ["policy.extra.deep[1]"]


async def test_a_rule_over_several_fields_names_the_object() -> None:
    parameters = '{"model": "linear", "alpha": 1, "beta": 0}'
    body = f'{{"parameters": {parameters}, "max_batch_size": 4, "load": {{"arrival_rate_rpm": 1}}}}'
    assert fields(await post("/analyze", body)) == {
        "load": "output_tokens must be above 0 when requests arrive"
    }


async def test_an_unknown_kind_of_parameters_names_the_known_ones() -> None:
    body = '{"parameters": {"model": "magic"}, "max_batch_size": 4, "load": {"arrival_rate_rpm": 0}}'
    (found,) = fields(await post("/analyze", body)).items()
    assert found[0] == "parameters"
    assert "'linear'" in found[1]


@pytest.mark.parametrize("content", ["{", "", "[1,", '{"a": tru}', "\x00"])
async def test_malformed_json_is_a_400_that_says_where(content: str) -> None:
    answer = await post("/snapshot", content)
    if not content:
        assert (answer.status_code, fields(answer)) == (422, {"body": "Field required"})
        return
    assert answer.status_code == 400
    assert answer.json()["title"] == "Malformed JSON"
    assert "at character" in answer.json()["detail"]


@pytest.mark.parametrize("content", [b"\xff\xfe\xfa", b'{"a": "\xff"}', b"[" * 100_000])
async def test_bytes_that_no_parser_takes_are_the_clients_error(content: bytes) -> None:
    async with asking(an_app(router)) as client:
        answer = await client.post("/snapshot", content=content, headers=JSON)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_of_another_type_is_named() -> None:
    assert list(fields(await post("/snapshot", "[]"))) == ["body"]


async def test_a_query_parameter_is_named() -> None:
    async with asking(an_app(router)) as client:
        assert list(fields(await client.get("/page", params={"limit": 0}))) == ["limit"]


async def test_many_errors_are_shown_up_to_a_bound() -> None:
    body = '{"accelerators": [%s], "service_classes": [], "variants": []}' % ",".join(["{}"] * 500)  # noqa: UP031 - braces
    assert len(fields(await post("/snapshot", body))) <= 100


async def test_an_unknown_exception_is_a_500_without_its_secrets_and_one_log_line_with_its_traceback() -> (
    None
):
    with capture_logs() as logs:
        async with asking(an_app(router)) as client:
            answer = await client.get("/bug")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert [(it["event"], it["path"], it["exc_info"]) for it in logs] == [("request failed", "/bug", True)]


async def test_our_own_and_the_frameworks_errors_are_problem_documents() -> None:
    async with asking(an_app(router)) as client:
        ours = await client.get("/gone/plan")
        theirs = await client.get("/gone/other")
        unknown = await client.get("/nowhere")
        method = await client.get("/snapshot")
    assert ours.json() == {
        "type": "about:blank",
        "title": "No plan yet",
        "status": 404,
        "detail": "wait one interval",
        "errors": [{"field": "name", "message": "unknown"}],
    }
    assert (theirs.status_code, theirs.json()["detail"], theirs.headers["x-pot"]) == (
        418,
        "short and stout",
        "tea",
    )
    assert unknown.json() == {"type": "about:blank", "title": "Not Found", "status": 404}
    assert (method.status_code, method.json()["title"]) == (405, "Method Not Allowed")


@pytest.mark.parametrize(
    ("location", "body", "path"),
    [
        (("body",), None, "body"),
        (("body", "a", 0, "b"), {"a": [{"b": 1}]}, "a[0].b"),
        (("body", 0, "b"), [{"b": 1}], "[0].b"),
        (("body", "p", "linear", "alpha"), {"p": {"model": "linear"}}, "p.alpha"),
        (("body", "x", "int"), {"x": "y"}, "x"),
        (("query", "limit"), None, "limit"),
    ],
)
def test_a_location_is_a_dotted_path_without_names_of_union_members(
    location: tuple[str | int, ...], body: object, path: str
) -> None:
    assert field_path(location, body) == path


def test_a_problem_document_masks_credentials() -> None:
    problem = ProblemError(
        502,
        "Failed",
        "GET https://u:pa55@thanos/api",
        [FieldError("prometheus", "Authorization: Bearer abc")],
    )
    document = json.loads(bytes(problem_response(problem).body))
    assert document["detail"] == "GET https://[redacted]@thanos/api"
    assert document["errors"] == [{"field": "prometheus", "message": "Authorization: Bearer [redacted]"}]
