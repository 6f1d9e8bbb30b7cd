import asyncio

import pytest
from structlog.testing import capture_logs

from inferno_shared.access import Identity
from inferno_shared.service import ProblemError
from inferno_shared.service.authorization import Attempt, KubernetesGate
from unit.shared.service.authorization.reviewing import FakeReviewer
from unit.shared.waiting import until

PROMETHEUS = Identity("system:serviceaccount:monitoring:prometheus", groups=("system:authenticated",))
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwcm9tZXRoZXVzIn0.c2lnbmF0dXJl"
GET_METRICS = (PROMETHEUS.name, "get", "/metrics")


def attempt(*authorization: str, verb: str = "get", path: str = "/metrics") -> Attempt:
    headers = [(b"authorization", value.encode()) for value in authorization]
    return Attempt(verb, path, headers, None)


def a_reviewer() -> FakeReviewer:
    return FakeReviewer({TOKEN: PROMETHEUS}, {GET_METRICS})


def a_gate(reviewer: FakeReviewer | None, *audiences: str) -> KubernetesGate:
    return KubernetesGate(lambda: reviewer, realm="inferno-actuator", audiences=audiences)


async def refusal(gate: KubernetesGate, tried: Attempt) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        await gate.admit(tried)
    assert TOKEN not in f"{caught.value} {caught.value.headers}"
    return caught.value


async def test_a_valid_token_with_permission_is_admitted_and_both_answers_are_remembered() -> None:
    reviewer = a_reviewer()
    gate = a_gate(reviewer, "inferno")
    for scheme in ("Bearer", "bearer"):
        assert await gate.admit(attempt(f"{scheme} {TOKEN}")) == PROMETHEUS
    assert reviewer.asked_tokens == [(TOKEN, ("inferno",))]
    assert reviewer.asked_access == [GET_METRICS]


async def test_another_path_is_another_permission_of_the_same_token() -> None:
    reviewer = a_reviewer()
    gate = a_gate(reviewer)
    await gate.admit(attempt(f"Bearer {TOKEN}"))
    problem = await refusal(gate, attempt(f"Bearer {TOKEN}", verb="post", path="/invoke"))
    assert problem.status == 403
    assert problem.detail == (
        "system:serviceaccount:monitoring:prometheus may not post /invoke (no RBAC policy matched); grant "
        "nonResourceURLs ['/invoke'] verbs ['post'] in a ClusterRole bound to it"
    )
    assert len(reviewer.asked_tokens) == 1
    assert len(reviewer.asked_access) == 2


@pytest.mark.parametrize(
    "authorization",
    [
        (),
        ("",),
        ("Bearer",),
        ("Bearer ",),
        ("Basic dXNlcjpwYXNz",),
        (f"Bearer {TOKEN}", f"Bearer {TOKEN}"),
        (f"Bearer {TOKEN} {TOKEN}",),
        ('Bearer a"b',),
        ("Bearer " + "a" * 20_000,),
    ],
)
async def test_without_one_well_formed_token_nobody_is_asked(authorization: tuple[str, ...]) -> None:
    reviewer = a_reviewer()
    problem = await refusal(a_gate(reviewer), attempt(*authorization))
    assert problem.status == 401
    assert problem.headers["www-authenticate"].startswith('Bearer realm="inferno-actuator"')
    assert reviewer.asked_tokens == []


async def test_a_token_that_the_cluster_does_not_accept_is_a_401_that_says_so() -> None:
    reviewer = a_reviewer()
    gate = a_gate(reviewer, "inferno")
    for _ in range(2):
        problem = await refusal(gate, attempt("Bearer unknown"))
        assert problem.status == 401
        assert problem.headers == {
            "www-authenticate": 'Bearer realm="inferno-actuator", error="invalid_token"'
        }
        assert problem.detail == "the bearer token is not valid (a ServiceAccount's, for audience inferno)"
    assert len(reviewer.asked_tokens) == 1
    assert reviewer.asked_access == []


@pytest.mark.parametrize("connected", [True, False])
async def test_when_the_cluster_cannot_be_asked_nobody_is_admitted(*, connected: bool) -> None:
    reviewer = a_reviewer()
    reviewer.down = True
    gate = a_gate(reviewer if connected else None)
    with capture_logs() as logs:
        problem = await refusal(gate, attempt(f"Bearer {TOKEN}"))
    assert problem.status == 503
    assert problem.headers == {"retry-after": "2"}
    assert TOKEN not in str(logs)
    assert "connection refused" not in problem.detail
    reviewer.down = False
    if connected:
        assert await gate.admit(attempt(f"Bearer {TOKEN}")) == PROMETHEUS


async def test_a_flood_of_tokens_does_not_become_a_flood_of_reviews() -> None:
    reviewer = a_reviewer()
    reviewer.held = asyncio.Event()
    gate = a_gate(reviewer)
    flood = [asyncio.create_task(refusal(gate, attempt(f"Bearer t{number}"))) for number in range(200)]
    await until(lambda: sum(task.done() for task in flood) == 200 - 64)
    assert len(reviewer.asked_tokens) == 64
    reviewer.held.set()
    statuses = [(await task).status for task in flood]
    assert (statuses.count(401), statuses.count(503)) == (64, 136)
