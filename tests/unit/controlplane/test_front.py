"""The door of Thanos admits whom TokenReview and SubjectAccessReview admit, and nobody else."""

from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest

from controlplane.front import ACCESS_REVIEWS, TOKEN_REVIEWS, Doorkeeper, front_app
from inferno_shared.errors import UnreachableError
from inferno_shared.kubernetes import JsonObject, KubernetesClient, Resource

GOOD = "good"


class Reviewer:
    """An API server that knows one token, and whom it allows what."""

    def __init__(self) -> None:
        self.allowed_verbs = {"create"}
        self.asked: list[str] = []
        self.down = False

    async def create(self, resource: Resource, body: JsonObject) -> JsonObject:
        self.asked.append(resource.kind)
        if self.down:
            raise UnreachableError("no answer")
        if resource is TOKEN_REVIEWS:
            known = body["spec"]["token"] == GOOD
            user = {"username": "system:serviceaccount:ns:collector", "groups": ["g"]} if known else {}
            return {"status": {"authenticated": known, "user": user}}
        assert resource is ACCESS_REVIEWS
        attributes: dict[str, Any] = body["spec"]["resourceAttributes"]
        assert attributes["group"] == "monitoring.coreos.com"
        assert (attributes["resource"], attributes["subresource"]) == ("prometheuses", "api")
        return {"status": {"allowed": attributes["verb"] in self.allowed_verbs}}


@pytest.fixture
def reviewer() -> Reviewer:
    return Reviewer()


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
async def door(reviewer: Reviewer, now: list[float]) -> AsyncIterator[httpx.AsyncClient]:
    def thanos(request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        return httpx.Response(200, json={"path": request.url.path, "body": request.content.decode()})

    keeper = Doorkeeper(cast("KubernetesClient", reviewer), clock=lambda: now[0])
    upstream = httpx.AsyncClient(transport=httpx.MockTransport(thanos), base_url="http://thanos")
    transport = httpx.ASGITransport(front_app(keeper, upstream))
    async with upstream, httpx.AsyncClient(transport=transport, base_url="https://door") as client:
        yield client


async def ask(door: httpx.AsyncClient, token: str | None = GOOD) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return await door.post("/api/v1/query", data={"query": "up"}, headers=headers)


async def test_an_admitted_request_reaches_thanos_without_its_token(door: httpx.AsyncClient) -> None:
    answer = await ask(door)

    assert answer.status_code == 200
    assert answer.json() == {"path": "/api/v1/query", "body": "query=up"}


@pytest.mark.parametrize("token", [None, "bad"])
async def test_without_a_valid_token_it_is_401(door: httpx.AsyncClient, token: str | None) -> None:
    assert (await ask(door, token)).status_code == 401


async def test_without_the_right_it_is_403_and_says_which_role_is_missing(
    door: httpx.AsyncClient, reviewer: Reviewer
) -> None:
    reviewer.allowed_verbs = {"get"}

    answer = await ask(door)

    assert answer.status_code == 403
    assert "cluster-monitoring-view" in answer.text


async def test_a_verdict_is_remembered_for_ten_seconds(
    door: httpx.AsyncClient, reviewer: Reviewer, now: list[float]
) -> None:
    await ask(door)
    await ask(door)
    asked = len(reviewer.asked)
    now[0] = 10.0
    await ask(door)

    assert asked == 2
    assert len(reviewer.asked) == 4


async def test_an_api_server_that_is_down_is_502(door: httpx.AsyncClient, reviewer: Reviewer) -> None:
    reviewer.down = True

    assert (await ask(door)).status_code == 502
