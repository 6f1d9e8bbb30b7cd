import asyncio
import threading
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from inferno_shared.service.limits import RequestLimits
from unit.shared.service.asking import an_app, asking
from unit.shared.service.serving import fresh_get, serving
from unit.shared.waiting import until


class Work:
    """Endpoints that take as long as a test wants."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.leave_thread = threading.Event()
        self.begun = 0
        self.router = APIRouter()
        self.router.add_api_route("/wait", self.wait)
        self.router.add_api_route("/compute", self.compute)
        self.router.add_api_route("/stream", self.stream)
        self.router.add_api_route("/fail", self.fail)

    async def wait(self) -> str:
        self.begun += 1
        await self.release.wait()
        return "done"

    async def compute(self) -> str:
        self.begun += 1
        await run_in_threadpool(self.leave_thread.wait)
        return "done"

    async def stream(self) -> StreamingResponse:
        async def chunks() -> Any:  # noqa: ANN401 - an asynchronous generator
            yield "first"
            await self.release.wait()
            yield "second"

        return StreamingResponse(chunks())

    async def fail(self) -> None:
        raise RuntimeError("broken")


def counted(app: FastAPI, name: str, **labels: str) -> float:
    return float(app.state.registry.get_sample_value(name, labels))


def under_way(app: FastAPI) -> float:
    return counted(app, "inferno_requests_under_way")


async def test_one_request_more_than_the_limit_is_told_to_come_again_and_probes_pass() -> None:
    work = Work()
    app = an_app(work.router, max_concurrent_requests=2)
    async with asking(app) as client:
        held = [asyncio.create_task(client.get("/wait")) for _ in range(2)]
        await until(lambda: work.begun == 2)
        busy = await client.get("/wait")
        assert busy.status_code == 503
        assert busy.headers["retry-after"] == "1"
        assert busy.json()["title"] == "Busy"
        assert "raise INFERNO_MAX_CONCURRENT_REQUESTS" in busy.json()["detail"]
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await client.get(path)).status_code == 200
        work.release.set()
        assert [(await it).status_code for it in held] == [200, 200]
        assert (await client.get("/wait")).status_code == 200
    assert counted(app, "inferno_requests_turned_away_total", limit="concurrency") == 1
    assert under_way(app) == 0


async def test_a_request_without_time_left_is_answered_and_cancelled() -> None:
    work = Work()
    app = an_app(work.router, request_timeout_seconds=0.05)
    async with asking(app) as client:
        answer = await client.get("/wait")
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("the request was not done within 0.05 s and was given up")
    await until(lambda: under_way(app) == 0)
    assert counted(app, "inferno_requests_turned_away_total", limit="time") == 1


async def test_a_computation_that_goes_on_keeps_its_place() -> None:
    work = Work()
    app = an_app(work.router, request_timeout_seconds=0.05, max_concurrent_requests=1)
    async with asking(app) as client:
        try:
            assert (await client.get("/compute")).json()["title"] == "Out of time"
            assert under_way(app) == 1
            assert (await client.get("/compute")).json()["title"] == "Busy"
        finally:
            work.leave_thread.set()
        await until(lambda: under_way(app) == 0)
        assert (await client.get("/compute")).json() == "done"
    assert work.begun == 2


async def test_an_answer_that_has_begun_is_cut_off_and_not_answered_again() -> None:
    work = Work()
    async with serving(an_app(work.router, request_timeout_seconds=0.05, port=0)) as url:
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            await fresh_get(f"{url}/stream")


async def test_a_fault_inside_is_still_a_500() -> None:
    async with asking(an_app(Work().router)) as client:
        assert (await client.get("/fail")).json()["title"] == "Internal error"


async def test_when_the_server_stops_the_work_stops() -> None:
    cancelled = asyncio.Event()

    async def work(*_: object) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def unused(*_: object) -> Any:  # noqa: ANN401 - neither received nor sent
        raise AssertionError("nothing to say")

    limits = RequestLimits(work, max_concurrent=1, seconds=60, registry=CollectorRegistry())
    request = asyncio.create_task(limits({"type": "http", "path": "/wait"}, unused, unused))
    await until(lambda: len(limits._under_way) == 1)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    async with asyncio.timeout(5):
        await cancelled.wait()


async def test_a_slow_body_counts_against_the_time() -> None:
    async def endless() -> Any:  # noqa: ANN401 - an asynchronous generator
        yield b"x"
        await asyncio.Event().wait()

    async with asking(an_app(Work().router, request_timeout_seconds=0.05)) as client:
        answer: httpx.Response = await client.post("/wait", content=endless())
    assert answer.status_code == 503
