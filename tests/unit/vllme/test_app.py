"""The HTTP API, in process; a token takes 0.02 ms, so that nothing has to wait."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from starlette.types import Message

from vllm_emulator.app import MAX_BODY_BYTES, create_app
from vllm_emulator.settings import parse_settings

FAST = {"VLLME_ALPHA_MS": "0.01", "VLLME_BETA_MS": "0.01", "VLLME_OUTPUT_TOKENS": "4"}
SLOW = {"VLLME_ALPHA_MS": "3600000"}


def a_client(**environment: str) -> httpx.AsyncClient:
    settings = parse_settings(
        ["Qwen/Qwen3-0.6B", "--served-model-name", "Qwen/Qwen3-0.6B", "alias"], FAST | environment
    )
    app = create_app(settings, asyncio.get_running_loop())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://emulator")


async def post(path: str, body: object, **environment: str) -> httpx.Response:
    async with a_client(**environment) as client:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await client.post(f"/v1/{path}", content=content)


def chunks(response: httpx.Response) -> list[dict[str, Any]]:
    """The chunks of a stream, which must end as OpenAI's does."""
    *events, done, rest = response.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: ")) for event in events]


async def test_a_completion_has_text_usage_and_a_reason() -> None:
    response = await post(
        "completions", {"model": "Qwen/Qwen3-0.6B", "prompt": "one two three", "max_tokens": 2}
    )
    body = response.json()
    assert response.status_code == 200
    assert body["object"] == "text_completion"
    assert body["choices"] == [
        {"index": 0, "text": " an answer", "finish_reason": "length", "logprobs": None}
    ]
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


async def test_a_chat_completion_has_a_message_and_stops_by_itself_without_max_tokens() -> None:
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    ]
    body = (await post("chat/completions", {"model": "alias", "messages": messages})).json()
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"] == {"role": "assistant", "content": " an answer of as"}
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


async def test_a_chat_stream_has_a_chunk_per_token_then_usage_then_done() -> None:
    ask = {"messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 2, "stream": True}
    response = await post("chat/completions", ask | {"stream_options": {"include_usage": True}})
    assert response.headers["content-type"].startswith("text/event-stream")
    *tokens, usage = chunks(response)
    assert [chunk["choices"][0]["delta"] for chunk in tokens] == [
        {"role": "assistant", "content": ""},
        {"content": " an"},
        {"content": " answer"},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in tokens] == [None, None, "length"]
    assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], 2)


async def test_a_completion_stream_without_usage_has_only_text() -> None:
    answer = chunks(await post("completions", {"prompt": "hi", "stream": True}))
    assert "".join(chunk["choices"][0]["text"] for chunk in answer) == " an answer of as"
    assert not any("usage" in chunk for chunk in answer)


async def test_models_lists_each_served_name() -> None:
    async with a_client() as client:
        body = (await client.get("/v1/models")).json()
    assert [model["id"] for model in body["data"]] == ["Qwen/Qwen3-0.6B", "alias"]


async def test_metrics_count_what_was_served() -> None:
    async with a_client() as client:
        await client.post("/v1/completions", json={"prompt": "a b"})
        response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert 'vllm:request_prompt_tokens_sum{engine="0",model_name="Qwen/Qwen3-0.6B"} 2.0' in response.text


async def test_while_starting_up_only_the_metrics_answer() -> None:
    async with a_client(VLLME_STARTUP_SECONDS="3600") as client:
        codes = [(await client.get(path)).status_code for path in ("/health", "/v1/models", "/metrics")]
        refusal = await client.post("/v1/completions", json={"prompt": "a"})
    assert codes == [503, 503, 200]
    assert refusal.status_code == 503
    assert "starting up" in refusal.json()["error"]["message"]


async def test_when_started_up_health_is_ok() -> None:
    async with a_client() as client:
        assert (await client.get("/health")).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "param", "message"),
    [
        (b"{", 400, None, "not valid JSON"),
        (b"\xff", 400, None, "not valid JSON"),
        ([], 400, None, "must be a JSON object"),
        (
            {"model": "gpt", "prompt": "a"},
            404,
            "model",
            "The model `gpt` does not exist. Served here: Qwen/Qwen3-0.6B, alias",
        ),
        ({"model": 3, "prompt": "a"}, 400, "model", "must be a string"),
        ({}, 400, "prompt", "prompt must be"),
        ({"prompt": ["a", "b"]}, 400, "prompt", "prompt must be one string"),
        ({"prompt": "a", "max_tokens": 0}, 400, "max_tokens", "at least 1, not 0"),
        ({"prompt": "a", "max_tokens": 2.5}, 400, "max_tokens", "not 2.5"),
        ({"prompt": "a", "max_tokens": True}, 400, "max_tokens", "not True"),
        ({"prompt": "a", "max_tokens": 40960}, 400, "max_tokens", "maximum context length is 40960"),
        ({"prompt": "a", "stream": "yes"}, 400, "stream", "must be true or false"),
        ({"prompt": "a", "stream_options": 1}, 400, "stream_options", "must be an object"),
        ({"prompt": "a", "n": 2}, 400, "n", "n must be 1"),
    ],
)
async def test_a_bad_request_is_refused_as_openai_would(
    body: object, status: int, param: str | None, message: str
) -> None:
    response = await post("completions", body)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (status, status, param)
    assert message in error["message"]


@pytest.mark.parametrize(
    "messages", [None, [], ["hi"], [{"content": "hi"}], [{"role": "user", "content": 3}]]
)
async def test_messages_that_are_none_are_refused(messages: object) -> None:
    response = await post("chat/completions", {"messages": messages})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "messages"


async def test_prompts_may_be_token_numbers() -> None:
    assert (await post("completions", {"prompt": [5, 6, 7]})).json()["usage"]["prompt_tokens"] == 3
    assert (await post("completions", {"prompt": ["a b"]})).json()["usage"]["prompt_tokens"] == 2


async def test_an_endless_body_is_refused() -> None:
    response = await post("completions", b" " * (MAX_BODY_BYTES + 1))
    assert response.status_code == 413


async def test_unknown_paths_and_methods_are_refused_in_the_same_form() -> None:
    async with a_client() as client:
        answers = [await client.get("/v2"), await client.get("/v1/completions")]
    assert [answer.status_code for answer in answers] == [404, 405]
    assert answers[0].json()["error"]["message"] == "GET /v2: Not Found"


async def until_running(client: httpx.AsyncClient, *, model: str) -> None:
    """Wait until the replica has a request in its batch."""
    sample = f'num_requests_running{{engine="0",model_name="{model}"}} 1.0'
    async with asyncio.timeout(5):
        while sample not in (await client.get("/metrics")).text:  # noqa: ASYNC110 - only HTTP can be asked
            await asyncio.sleep(0)


class GoneClient:
    """A raw ASGI client that sends a request and hangs up once the server has it."""

    def __init__(self, body: dict[str, object]) -> None:
        self._messages = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]
        self.hang_up = asyncio.Event()

    async def receive(self) -> Message:
        if self._messages:
            return self._messages.pop()
        await self.hang_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        pass


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_hangs_up_frees_its_place(*, stream: bool) -> None:
    app = create_app(parse_settings(["m"], SLOW), asyncio.get_running_loop())
    client = GoneClient({"prompt": "a", "stream": stream})
    scope = {"type": "http", "method": "POST", "path": "/v1/completions", "headers": [], "query_string": b""}
    serving = asyncio.ensure_future(app(scope, client.receive, client.send))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://emulator"
    ) as observer:
        await until_running(observer, model="m")
        client.hang_up.set()
        async with asyncio.timeout(5):
            await serving
        metrics = (await observer.get("/metrics")).text
    assert 'num_requests_running{engine="0",model_name="m"} 0.0' in metrics
    assert 'finished_reason="abort",model_name="m"} 1.0' in metrics


async def test_beyond_the_waiting_room_the_answer_is_429() -> None:
    async with a_client(**SLOW, VLLME_MAX_BATCH_SIZE="1", VLLME_MAX_WAITING="0") as client:
        first = asyncio.ensure_future(client.post("/v1/completions", json={"prompt": "a"}))
        await until_running(client, model="Qwen/Qwen3-0.6B")
        second = await client.post("/v1/completions", json={"prompt": "a"})
        first.cancel()
    assert second.status_code == 429
    assert second.headers["retry-after"] == "1"
    assert "All 0 waiting places are taken" in second.json()["error"]["message"]
