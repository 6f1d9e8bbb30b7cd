from typing import Any

import pytest
from aiohttp import web

from inferno_shared.access import Identity, Verdict
from inferno_shared.errors import ForbiddenError, KubernetesError, UnauthorizedError, UnreachableError
from inferno_shared.kubernetes import AccessReviewer, KubernetesClient
from unit.shared.kubernetes.fake_api import FakeApi, answers, says

TOKENS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
USER = {
    "username": "system:serviceaccount:monitoring:prometheus",
    "uid": "u-1",
    "groups": ["system:serviceaccounts", "system:authenticated"],
    "extra": {"authentication.kubernetes.io/pod-name": ["prometheus-0"]},
}
PROMETHEUS = Identity(
    "system:serviceaccount:monitoring:prometheus",
    uid="u-1",
    groups=("system:serviceaccounts", "system:authenticated"),
    extra=(("authentication.kubernetes.io/pod-name", ("prometheus-0",)),),
)


def reviewed(**status: Any) -> Any:  # noqa: ANN401 - a handler
    return answers({"kind": "TokenReview", "status": status}, 201)


async def cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def test_a_token_is_reviewed_for_our_audience(api: FakeApi, client: KubernetesClient) -> None:
    api.on("POST", TOKENS, reviewed(authenticated=True, user=USER, audiences=["inferno-autoscaler"]))
    found = await AccessReviewer(client).authenticate("t0ken", ("inferno-autoscaler",))
    assert found == PROMETHEUS
    (asked,) = api.asked("POST", TOKENS)
    assert asked.body == {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": "t0ken", "audiences": ["inferno-autoscaler"]},
    }


async def test_without_an_audience_the_api_servers_own_counts(api: FakeApi, client: KubernetesClient) -> None:
    api.on("POST", TOKENS, reviewed(authenticated=True, user=USER))
    assert await AccessReviewer(client).authenticate("t0ken", ()) == PROMETHEUS
    assert api.seen[0].body["spec"] == {"token": "t0ken"}


@pytest.mark.parametrize(
    "status",
    [
        {"authenticated": False, "error": "invalid bearer token"},
        {"error": "token expired"},
        {"authenticated": "yes", "user": USER, "audiences": ["inferno"]},
        {"authenticated": True, "user": USER},
        {"authenticated": True, "user": USER, "audiences": ["another"]},
        {"authenticated": True, "user": USER, "audiences": "inferno"},
    ],
)
async def test_what_is_not_clearly_valid_for_our_audience_is_nobody(
    api: FakeApi, client: KubernetesClient, status: dict[str, Any]
) -> None:
    api.on("POST", TOKENS, reviewed(**status))
    assert await AccessReviewer(client).authenticate("t0ken", ("inferno",)) is None


@pytest.mark.parametrize("user", [None, {}, {"username": ""}, "admin"])
async def test_a_valid_token_of_nobody_is_an_error(
    api: FakeApi, client: KubernetesClient, user: object
) -> None:
    api.on("POST", TOKENS, reviewed(authenticated=True, user=user))
    with pytest.raises(KubernetesError, match="names no user"):
        await AccessReviewer(client).authenticate("t0ken", ())


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ({"allowed": True, "reason": "RBAC: allowed"}, Verdict(allowed=True, reason="RBAC: allowed")),
        ({"allowed": False}, Verdict(allowed=False)),
        ({"allowed": True, "denied": True}, Verdict(allowed=False)),
        ({"allowed": "true"}, Verdict(allowed=False)),
        ({}, Verdict(allowed=False)),
    ],
)
async def test_access_to_a_path_is_reviewed_for_the_whole_identity(
    api: FakeApi, client: KubernetesClient, status: dict[str, Any], verdict: Verdict
) -> None:
    api.on("POST", ACCESS, answers({"status": status}, 201))
    assert await AccessReviewer(client).authorize(PROMETHEUS, "get", "/metrics") == verdict
    assert api.seen[0].body == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": PROMETHEUS.name,
            "uid": "u-1",
            "groups": list(PROMETHEUS.groups),
            "extra": {"authentication.kubernetes.io/pod-name": ["prometheus-0"]},
            "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
        },
    }


async def test_a_cut_connection_is_tried_once_more(api: FakeApi, client: KubernetesClient) -> None:
    api.on("POST", TOKENS, cut, reviewed(authenticated=True, user=USER))
    assert await AccessReviewer(client).authenticate("t0ken", ()) == PROMETHEUS
    api.on("POST", ACCESS, cut)
    with pytest.raises(UnreachableError):
        await AccessReviewer(client).authorize(PROMETHEUS, "get", "/metrics")
    assert len(api.asked("POST", ACCESS)) == 2


@pytest.mark.parametrize(
    ("status", "expected", "advice"),
    [
        (401, UnauthorizedError, "check the credentials"),
        (403, ForbiddenError, r"grant .* resources \['tokenreviews'\] verbs \['create'\] in a ClusterRole"),
        (500, KubernetesError, "HTTP 500"),
    ],
)
async def test_a_review_that_is_refused_to_us_is_an_error_and_shows_no_token(
    api: FakeApi, client: KubernetesClient, status: int, expected: type[KubernetesError], advice: str
) -> None:
    api.on("POST", TOKENS, says(status, "no: Bearer sha256~t0ken12345"))
    with pytest.raises(expected, match=advice) as caught:
        await AccessReviewer(client).authenticate("sha256~t0ken12345", ())
    assert "t0ken12345" not in str(caught.value)


@pytest.mark.parametrize("body", [{}, {"status": None}, {"status": []}])
async def test_an_answer_without_a_status_is_an_error(
    api: FakeApi, client: KubernetesClient, body: dict[str, Any]
) -> None:
    api.on("POST", TOKENS, answers(body, 201))
    with pytest.raises(KubernetesError, match="has no status"):
        await AccessReviewer(client).authenticate("t0ken", ())
