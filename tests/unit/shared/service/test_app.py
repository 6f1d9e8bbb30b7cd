import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import APIRouter, FastAPI
from prometheus_client import Counter
from structlog.testing import capture_logs

from inferno_shared.service import ServiceSettings, create_app
from inferno_shared.version import __version__
from unit.shared.service.asking import an_app, asking

SETTINGS = ServiceSettings(port=0)


async def test_health_is_about_the_process_and_readiness_about_its_work() -> None:
    reasons = ["Prometheus does not answer", "pods were not read"]
    app = create_app(title="t", settings=SETTINGS, ready=lambda: reasons)
    async with asking(app) as client:
        assert (await client.get("/healthz")).status_code == 200
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert [it["message"] for it in answer.json()["errors"]] == reasons
        reasons.clear()
        assert (await client.get("/readyz")).json() == {"status": "ok"}


async def test_metrics_count_requests_by_route_and_not_by_probe() -> None:
    router = APIRouter()

    @router.get("/plan/{name}")
    async def plan(name: str) -> str:
        return name

    async with asking(an_app(router)) as client:
        for path in ("/plan/a", "/plan/b", "/healthz", "/nowhere"):
            await client.get(path)
        metrics = (await client.get("/metrics")).text
    assert 'http_requests_total{handler="/plan/{name}",method="GET",status="200"} 2.0' in metrics
    assert 'http_requests_total{handler="none",method="GET",status="404"} 1.0' in metrics
    assert "healthz" not in metrics
    assert f'inferno_build_info{{service="inferno-test",version="{__version__}"}} 1.0' in metrics
    assert "process_resident_memory_bytes" in metrics


async def test_two_apps_in_one_process_do_not_share_metrics() -> None:
    first, second = an_app(), an_app()
    Counter("inferno_test_total", "Counted", registry=first.state.registry).inc()
    async with asking(first) as one, asking(second) as two:
        assert "inferno_test_total 1.0" in (await one.get("/metrics")).text
        assert "inferno_test_total" not in (await two.get("/metrics")).text


async def test_metrics_speak_openmetrics_to_who_asks_for_it() -> None:
    async with asking(an_app()) as client:
        answer = await client.get(
            "/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"}
        )
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert answer.text.endswith("# EOF\n")


async def test_the_lifespan_runs_around_the_app() -> None:
    said: list[str] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        said.append("start")
        yield
        said.append("stop")

    app = create_app(title="t", settings=SETTINGS, lifespan=lifespan)
    async with app.router.lifespan_context(app):
        assert said == ["start"]
    assert said == ["start", "stop"]


async def test_a_lifespan_that_does_not_end_is_cut_off() -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.Event().wait()

    app = create_app(title="t", settings=ServiceSettings(shutdown_seconds=0.02), lifespan=lifespan)
    with capture_logs() as logs:
        async with asyncio.timeout(5):
            async with app.router.lifespan_context(app):
                pass
    assert [it["event"] for it in logs] == ["shutdown not finished in time, leaving"]


async def test_a_lifespan_that_cannot_start_says_so() -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no cluster")
        yield

    app = create_app(title="t", settings=SETTINGS, lifespan=lifespan)
    with pytest.raises(RuntimeError, match="no cluster"):
        await app.router.lifespan_context(app).__aenter__()
