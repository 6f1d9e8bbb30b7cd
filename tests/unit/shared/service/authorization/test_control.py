"""Which gate stands before which path, in a whole app."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from inferno_shared.access import Identity
from inferno_shared.errors import ConfigurationError
from inferno_shared.service import ServiceSettings, caller_of, create_app
from inferno_shared.service.authorization import AccessControl, Attempt, OpenGate
from unit.shared.certificates import Authority
from unit.shared.service.asking import asking
from unit.shared.service.authorization.reviewing import FakeReviewer
from unit.shared.service.serving import fresh_get, serving, trusting

ROBOT = Identity("system:serviceaccount:ns:robot")
BEARER = {"authorization": "Bearer abc"}
router = APIRouter()


@router.get("/plan")
@router.get("/plan/{name}")
@router.get("/plans")
@router.post("/invoke")
async def who(request: Request) -> str:
    caller = caller_of(request.scope)
    return caller.name if caller else ""


def an_app(reviewer: FakeReviewer | None = None, **settings: Any) -> FastAPI:  # noqa: ANN401 - by setting
    return create_app(
        title="inferno-test",
        settings=ServiceSettings(**settings),
        routers=[router],
        reviewer=(lambda: reviewer) if reviewer else None,
    )


def refused(app: FastAPI, reason: str) -> float:
    return float(app.state.registry.get_sample_value("inferno_requests_refused_total", {"reason": reason}))


async def test_by_default_everything_is_open() -> None:
    async with asking(an_app()) as client:
        assert (await client.get("/plan")).json() == "system:anonymous"
        assert (await client.get("/metrics")).status_code == 200


async def test_a_secured_service_asks_the_cluster_for_every_path_but_probes() -> None:
    reviewer = FakeReviewer({"abc": ROBOT}, {(ROBOT.name, "get", "/plan")})
    app = an_app(reviewer, service_authorization="kubernetes", metrics_authorization="kubernetes")
    async with asking(app) as client:
        for path in ("/plan", "/plan/a", "/metrics", "/metrics/", "/docs", "/openapi.json", "/nothing"):
            answer = await client.get(path)
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"].startswith('Bearer realm="inferno-test"')
        for path in ("/healthz", "/readyz"):
            assert (await client.get(path)).status_code == 200
        assert (await client.get("/plan", headers=BEARER)).json() == ROBOT.name
        assert (await client.get("/plan/a", headers=BEARER)).status_code == 403
        assert (await client.post("/invoke", headers=BEARER)).status_code == 403
        assert refused(app, "unauthenticated") == 7
        assert refused(app, "forbidden") == 2
    assert reviewer.asked_access == [
        (ROBOT.name, "get", "/plan"),
        (ROBOT.name, "get", "/plan/a"),
        (ROBOT.name, "post", "/invoke"),
    ]


SECURED = an_app(FakeReviewer(), service_authorization="kubernetes", metrics_authorization="kubernetes")
PIECES = st.sampled_from(
    ["/", "//", ".", "..", "%2e", ";", "healthz", "readyz", "metrics", "plan", "docs", "\x00"]
)


@given(
    st.lists(PIECES, max_size=8).map("".join).map("/{}".format),
    st.sampled_from(["GET", "HEAD", "OPTIONS", "POST", "get", "TRACE"]),
    st.sampled_from(["", "/healthz", "/plan"]),
)
def test_no_spelling_of_a_path_gets_around_its_gate(path: str, method: str, root_path: str) -> None:
    statuses: list[int] = []

    async def send(message: Any) -> None:  # noqa: ANN401 - an ASGI message
        statuses.append(message.get("status", 0))

    async def receive() -> Any:  # noqa: ANN401 - an ASGI message
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": root_path,
        "headers": [(b"host", b"x")],
        "query_string": b"",
        "server": ("x", 80),
        "client": ("127.0.0.1", 1),
        "scheme": "http",
    }
    asyncio.run(SECURED(scope, receive, send))
    assert statuses[0] == 401 or path in {"/healthz", "/readyz"}


async def test_the_log_says_who_was_refused_and_who_did_more_than_read() -> None:
    reviewer = FakeReviewer({"abc": ROBOT}, {(ROBOT.name, "get", "/plan"), (ROBOT.name, "post", "/invoke")})
    with capture_logs() as logs:
        async with asking(an_app(reviewer, service_authorization="kubernetes")) as client:
            await client.get("/plan", headers=BEARER)
            await client.post("/invoke", headers=BEARER)
            await client.post("/plan", headers=BEARER)
            await client.get("/plan")
        async with asking(an_app()) as client:
            await client.post("/invoke")
    ours = [it for it in logs if it["event"].startswith("request ")]
    assert [(it["event"], it["verb"], it["path"], it.get("caller")) for it in ours] == [
        ("request admitted", "post", "/invoke", ROBOT.name),
        ("request refused", "post", "/plan", None),
        ("request refused", "get", "/plan", None),
    ]
    assert [it["outcome"] for it in ours[1:]] == ["forbidden", "unauthenticated"]
    assert ROBOT.name in ours[1]["reason"]


async def test_metrics_take_tokens_of_the_api_server_and_calls_those_of_our_audience() -> None:
    reviewer = FakeReviewer({"abc": ROBOT}, {(ROBOT.name, "get", "/plan"), (ROBOT.name, "get", "/metrics")})
    app = an_app(reviewer, service_authorization="kubernetes", metrics_authorization="kubernetes")
    async with asking(app) as client:
        assert (await client.get("/metrics", headers=BEARER)).status_code == 200
        assert (await client.get("/plan", headers=BEARER)).status_code == 200
    assert reviewer.asked_tokens == [("abc", ()), ("abc", ("inferno-autoscaler",))]


async def test_metrics_may_be_secured_alone() -> None:
    async with asking(an_app(FakeReviewer(), metrics_authorization="kubernetes")) as client:
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/plan")).status_code == 200


async def test_an_unreachable_cluster_is_a_503_and_is_counted() -> None:
    app = an_app(FakeReviewer(down=True), service_authorization="kubernetes")
    async with asking(app) as client:
        answer = await client.get("/plan", headers=BEARER)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert refused(app, "undecided") == 1


async def test_the_refused_body_is_not_read() -> None:
    async def body() -> Any:  # noqa: ANN401 - an asynchronous generator
        yield b"x"
        raise AssertionError("nobody may read on")

    app = an_app(FakeReviewer(), service_authorization="kubernetes")
    async with asking(app) as client:
        assert (await client.post("/invoke", content=body())).status_code == 401


def test_tokens_cannot_be_checked_without_a_cluster() -> None:
    with pytest.raises(ConfigurationError, match="inferno-test does not talk to a Kubernetes API"):
        an_app(service_authorization="kubernetes")


class Named(OpenGate):
    def __init__(self, name: str) -> None:
        self.name = name

    async def admit(self, attempt: Attempt) -> Identity:
        del attempt
        return Identity(self.name)


async def test_the_longest_prefix_decides_and_a_prefix_ends_at_a_slash() -> None:
    app = create_app(
        title="inferno-test",
        settings=ServiceSettings(),
        routers=[router],
        gates={"/plan": Named("plan"), "/plan/a": Named("a")},
    )
    async with asking(app) as client:
        found = {path: (await client.get(path)).json() for path in ("/plan", "/plan/a", "/plan/ab", "/plans")}
    assert found == {"/plan": "plan", "/plan/a": "a", "/plan/ab": "plan", "/plans": "system:anonymous"}


async def test_a_websocket_is_refused_whatever_the_server() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:  # noqa: ANN401 - an ASGI message
        sent.append(message)

    async def never(*_: object) -> Any:  # noqa: ANN401 - an ASGI app
        raise AssertionError("must not run")

    app = an_app()
    control = AccessControl(never, gates={"/": OpenGate()}, registry=app.state.registry)
    await control({"type": "websocket", "path": "/plan"}, never, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_services_prove_themselves_to_each_other_by_certificate(tmp_path: Path) -> None:
    servers, clients = Authority("servers"), Authority("clients")
    pair, trust = servers.server(tmp_path), servers.write(tmp_path / "servers.crt")
    app = an_app(
        port=0,
        tls_cert_file=pair.certificate,
        tls_key_file=pair.key,
        tls_client_ca_file=clients.write(tmp_path / "clients.crt"),
        service_authorization="certificate",
        metrics_authorization="certificate",
        allowed_client_names="actuator, prometheus",
    )
    actuator, other = clients.client(tmp_path, "actuator"), clients.client(tmp_path, "other")
    async with serving(app) as url:
        assert (await fresh_get(f"{url}/plan", trusting(trust, actuator))).json() == "actuator"
        refusal = await fresh_get(f"{url}/plan", trusting(trust, other))
        assert refusal.status_code == 403
        assert "certificate of other is not in INFERNO_ALLOWED_CLIENT_NAMES" in refusal.json()["detail"]
        assert (await fresh_get(f"{url}/plan", trusting(trust))).status_code == 403
        assert (await fresh_get(f"{url}/metrics", trusting(trust))).status_code == 403
        assert (await fresh_get(f"{url}/healthz", trusting(trust))).status_code == 200
