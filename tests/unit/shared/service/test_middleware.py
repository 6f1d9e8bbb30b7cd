import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter, Request
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from inferno_shared.service.middleware import BoundedBody, FaultBarrier
from unit.shared.service.asking import an_app, asking

router = APIRouter()
LIMIT = 1_024


@router.post("/size")
async def size(request: Request) -> int:
    return len(await request.body())


async def in_chunks(count: int, size: int = 256) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


async def test_a_body_up_to_the_limit_passes_whole_or_in_chunks() -> None:
    async with asking(an_app(router, max_body_bytes=LIMIT)) as client:
        assert (await client.post("/size", content=b"x" * LIMIT)).json() == LIMIT
        assert (await client.post("/size", content=in_chunks(4))).json() == LIMIT


async def test_a_body_above_the_limit_is_a_413_whether_it_declares_its_length_or_not() -> None:
    async with asking(an_app(router, max_body_bytes=LIMIT)) as client:
        for content, size in ((b"x" * (LIMIT + 1), 1025), (in_chunks(5), 1280)):
            answer = await client.post("/size", content=content)
            assert answer.status_code == 413
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"] == (
                f"the body has at least {size} bytes, at most 1024 are accepted; "
                "send less, or raise INFERNO_MAX_BODY_BYTES"
            )


async def run(app: BoundedBody | FaultBarrier, receive: Receive) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "POST", "path": "/size", "headers": []}
    await app(scope, receive, send)
    return sent


async def nothing_ever() -> Message:
    await asyncio.Event().wait()
    return {}


async def disconnect() -> Message:
    return {"type": "http.disconnect"}


async def untouched(_: Scope, __: Receive, ___: Send) -> None:
    raise AssertionError("the endpoint must not run")


async def test_a_body_that_does_not_arrive_is_a_408() -> None:
    sent = await run(BoundedBody(untouched, max_bytes=LIMIT, seconds=0.01), nothing_ever)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


async def test_a_client_that_leaves_while_sending_is_no_error() -> None:
    with capture_logs() as logs:
        await run(FaultBarrier(BoundedBody(untouched, max_bytes=LIMIT)), disconnect)
    assert [(it["log_level"], it["event"]) for it in logs] == [("info", "client went away")]


async def test_work_cancelled_because_the_client_left_is_no_error() -> None:
    async def stops_when_the_client_leaves(_: Scope, receive: Receive, __: Send) -> None:
        if (await receive())["type"] == "http.disconnect":
            raise asyncio.CancelledError

    with capture_logs() as logs:
        sent = await run(FaultBarrier(stops_when_the_client_leaves), disconnect)
    assert [(it["log_level"], it["event"]) for it in logs] == [("info", "client went away")]
    assert sent[0]["status"] == 499


async def test_a_request_cut_off_by_shutdown_is_told_to_come_again() -> None:
    async def cancelled(_: Scope, __: Receive, ___: Send) -> None:
        raise asyncio.CancelledError

    with capture_logs() as logs:
        sent = await run(FaultBarrier(cancelled), nothing_ever)
    assert sent[0]["status"] == 503
    assert [it["event"] for it in logs] == ["request cancelled by shutdown"]


async def test_a_fault_after_the_answer_began_does_not_begin_another() -> None:
    async def breaks_off(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("too late")

    with capture_logs() as logs:
        sent = await run(FaultBarrier(breaks_off), nothing_ever)
    assert [it["type"] for it in sent] == ["http.response.start"]
    assert [it["event"] for it in logs] == ["request failed"]


@pytest.mark.parametrize("middleware", [lambda app: BoundedBody(app, max_bytes=1), FaultBarrier])
async def test_the_lifespan_passes_untouched(middleware: type[FaultBarrier]) -> None:
    seen: list[str] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        seen.append(scope["type"])

    async def send(_: Message) -> None:
        return None

    await middleware(app)({"type": "lifespan"}, nothing_ever, send)
    assert seen == ["lifespan"]
