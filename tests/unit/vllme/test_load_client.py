"""One measured request, against a transport of our own."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from vllm_emulator.load.client import Requester, Target
from vllm_emulator.load.outcome import Outcome

URL = "http://server/v1"


class Stream(httpx.AsyncByteStream):
    def __init__(self, *parts: bytes) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part


async def ask(
    handler: Callable[[httpx.Request], httpx.Response], *, stream: bool = True, timeout_seconds: float = 5
) -> Outcome:
    target = Target(URL, "m", 3, None, chat=True, stream=stream, timeout_seconds=timeout_seconds)
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
        return await Requester(client, target).send()


def streaming(*parts: bytes) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _request: httpx.Response(200, stream=Stream(*parts))


def token(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n"


def test_the_body_asks_for_usage_when_streaming_and_leaves_the_length_to_the_server() -> None:
    target = Target(URL, "m", 3, None, chat=True, stream=True, timeout_seconds=1)
    assert target.endpoint == "http://server/v1/chat/completions"
    assert target.body() == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "word word word"}],
    }
    plain = Target(URL, "m", 2, 7, chat=False, stream=False, timeout_seconds=1)
    assert plain.endpoint == "http://server/v1/completions"
    assert plain.body() == {"model": "m", "stream": False, "prompt": "word word", "max_tokens": 7}


async def test_a_stream_is_timed_by_its_tokens_and_counted_by_its_usage() -> None:
    usage = b'data: {"choices": [], "usage": {"completion_tokens": 5}}\r\n\r\n'
    opening = b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}\n\n'
    outcome = await ask(streaming(opening, token("a"), token("b"), usage, b"data: [DONE]\n\n"))
    assert (outcome.ok, outcome.output_tokens) == (True, 5)
    assert outcome.ttft_ms is not None
    assert outcome.itl_ms is not None
    assert 0 < outcome.ttft_ms <= outcome.ttft_ms + 4 * outcome.itl_ms <= outcome.e2e_ms


async def test_events_may_be_cut_anywhere() -> None:
    whole = token("a") + token("b") + token("c") + b"data: [DONE]\n\n"
    outcome = await ask(streaming(*[whole[at : at + 7] for at in range(0, len(whole), 7)]))
    assert (outcome.ok, outcome.output_tokens) == (True, 3)


async def test_one_token_has_no_time_between_tokens() -> None:
    outcome = await ask(streaming(token("a"), b"data: [DONE]\n\n"))
    assert (outcome.ok, outcome.itl_ms) == (True, None)


async def test_without_streaming_only_the_end_is_timed() -> None:
    outcome = await ask(
        lambda _request: httpx.Response(200, json={"usage": {"completion_tokens": 9}}), stream=False
    )
    assert (outcome.ok, outcome.output_tokens, outcome.ttft_ms, outcome.itl_ms) == (True, 9, None, None)


async def test_time_out_is_an_outcome() -> None:
    async def never(_request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    target = Target(URL, "m", 3, None, chat=True, stream=True, timeout_seconds=0.01)
    async with httpx.AsyncClient(transport=httpx.MockTransport(never)) as client:
        outcome = await Requester(client, target).send()
    assert outcome.error == "no complete answer within 0.01 s (--timeout)"


def refusing(problem: Exception) -> Callable[[httpx.Request], httpx.Response]:
    def handler(_request: httpx.Request) -> httpx.Response:
        raise problem

    return handler


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (refusing(httpx.ConnectError("refused")), "cannot connect to http://server/v1: refused"),
        (refusing(httpx.ReadError("")), "connection lost: ReadError"),
        (lambda _: httpx.Response(404, json={"error": {"message": "no model"}}), "HTTP 404: no model"),
        (lambda _: httpx.Response(502, text="bad gateway"), "HTTP 502: bad gateway"),
        (lambda _: httpx.Response(500, json={"error": "x"}), "HTTP 500: x"),
        (lambda _: httpx.Response(500), "HTTP 500: no explanation"),
        (streaming(token("a")), "the stream ended before [DONE]"),
        (streaming(b"data: <html>\n"), "the answer is not JSON: '<html>'"),
        (streaming(b"data: []\n"), "the answer is not a JSON object: '[]'"),
        (streaming(b'data: {"error": {"message": "out of memory"}}\n'), "error in the stream: out of memory"),
    ],
)
async def test_whatever_goes_wrong_becomes_part_of_the_outcome(
    handler: Callable[[httpx.Request], httpx.Response], error: str
) -> None:
    outcome = await ask(handler)
    assert not outcome.ok
    assert outcome.error == error
