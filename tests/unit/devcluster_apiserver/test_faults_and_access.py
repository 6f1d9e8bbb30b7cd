"""Faults on demand, tokens and reviews."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from devcluster.apiserver import create_api

NODES = "/api/v1/nodes"
FAULTS = "/devcluster/faults"


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_api())
    async with httpx.AsyncClient(transport=transport, base_url="http://devcluster") as client:
        yield client


async def test_a_fault_hits_matching_requests_as_often_as_it_should(api: httpx.AsyncClient) -> None:
    fault = {"match": {"method": "GET", "path_regex": "nodes"}, "status": 429, "count": 2}
    assert (await api.post(FAULTS, json={**fault, "retry_after_seconds": 1})).status_code == 201
    assert (await api.get("/api/v1/pods")).status_code == 200
    first = await api.get(NODES)
    assert (first.status_code, first.json()["reason"]) == (429, "TooManyRequests")
    assert first.headers["retry-after"] == "1"
    assert [(await api.get(NODES)).status_code for _ in range(2)] == [429, 200]


async def test_a_fault_without_count_lasts_until_cleared(api: httpx.AsyncClient) -> None:
    await api.post(FAULTS, json={"match": {"path_regex": "labelSelector=x"}, "status": 500})
    assert [(await api.get(f"{NODES}?labelSelector=x")).status_code for _ in range(3)] == [500] * 3
    (listed,) = (await api.get(FAULTS)).json()["faults"]
    assert listed["hits"] == 3
    await api.delete(FAULTS)
    assert (await api.get(f"{NODES}?labelSelector=x")).status_code == 200


async def test_a_delay_without_status_lets_the_request_pass(api: httpx.AsyncClient) -> None:
    await api.post(FAULTS, json={"delay_seconds": 0.01, "count": 1})
    assert (await api.get(NODES)).status_code == 200
    assert (await api.get(FAULTS)).json()["faults"] == []


@pytest.mark.parametrize(
    "body", [{"status": 200}, {"match": {"path_regex": "("}}, {"nonsense": 1}, {"delay_seconds": -1}]
)
async def test_a_fault_that_makes_no_sense_is_refused(api: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await api.post(FAULTS, json=body)).status_code == 400


async def review(api: httpx.AsyncClient, token: str, audiences: list[str] | None = None) -> dict[str, Any]:
    spec = {"token": token, "audiences": audiences or []}
    answer = await api.post("/apis/authentication.k8s.io/v1/tokenreviews", json={"spec": spec})
    assert answer.status_code == 201
    return dict(answer.json()["status"])


async def test_a_token_of_a_service_account_is_known_from_its_request_on(api: httpx.AsyncClient) -> None:
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    answer = await api.post(path, json={"spec": {"audiences": ["inferno"]}})
    token = answer.json()["status"]["token"]
    known = await review(api, token, ["inferno", "other"])
    assert known["authenticated"] is True
    assert known["user"]["username"] == "system:serviceaccount:default:default"
    assert known["audiences"] == ["inferno"]
    assert (await review(api, token, ["other"]))["authenticated"] is False
    assert (await review(api, "made-up"))["authenticated"] is False
    assert (await review(api, token))["authenticated"] is False  # asked for the API server itself
    own = (await api.post(path, json={"spec": {}})).json()["status"]["token"]
    assert (await review(api, own))["authenticated"] is True


async def test_access_follows_the_policy(api: httpx.AsyncClient) -> None:
    allowed = [
        {"verbs": ["get"], "paths": ["/metrics"]},
        {"verbs": ["get", "list"], "groups": [""], "resources": ["nodes"]},
    ]
    user = {"token": "t", "username": "prometheus", "allowed": allowed}
    assert (await api.put("/devcluster/access", json={"users": [user]})).status_code == 200
    bearer = {"authorization": "Bearer t"}
    assert (await api.get(NODES, headers=bearer)).status_code == 200
    refused = await api.get("/api/v1/namespaces/default/pods", headers=bearer)
    assert refused.status_code == 403
    assert refused.json()["message"] == (
        'pods is forbidden: User "prometheus" cannot list resource "pods" in API group "" '
        'in the namespace "default"'
    )
    assert (await api.get(NODES, headers={"authorization": "Bearer wrong"})).status_code == 401


@pytest.mark.parametrize(("path", "expected"), [("/metrics", True), ("/plan", False)])
async def test_reviews_of_plain_paths(api: httpx.AsyncClient, path: str, expected: bool) -> None:  # noqa: FBT001 - a table
    user = {"token": "t", "username": "prometheus", "allowed": [{"verbs": ["get"], "paths": ["/metrics"]}]}
    await api.put("/devcluster/access", json={"users": [user]})
    reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    spec = {"user": "prometheus", "nonResourceAttributes": {"path": path, "verb": "get"}}
    answer = await api.post(reviews, json={"spec": spec})
    assert answer.json()["status"]["allowed"] is expected


async def test_the_administrator_may_do_everything(api: httpx.AsyncClient) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    spec = {"resourceAttributes": {"verb": "delete", "resource": "nodes"}}
    answer = await api.post(path, json={"spec": spec})
    assert answer.json()["status"]["allowed"] is True
