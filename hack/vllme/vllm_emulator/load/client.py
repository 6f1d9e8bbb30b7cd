"""Sends one request and measures its answer: first token, pace of the tokens, end."""

import asyncio
import dataclasses
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from vllm_emulator.load.outcome import Outcome

END_OF_STREAM = "[DONE]"
LOOPBACK = ("localhost", "127.", "[::1]")


class AnswerError(Exception):
    """The server answered, but not with what was asked for."""


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """Where requests go and what they ask for."""

    url: str  # ends with /v1
    model: str
    prompt_words: int
    max_tokens: int | None
    chat: bool
    stream: bool
    timeout_seconds: float

    @property
    def endpoint(self) -> str:
        """Address of the API call."""
        return f"{self.url}/{'chat/completions' if self.chat else 'completions'}"

    def body(self) -> dict[str, Any]:
        """What is sent."""
        prompt = " ".join(["word"] * self.prompt_words)
        body: dict[str, Any] = {"model": self.model, "stream": self.stream}
        body |= {"messages": [{"role": "user", "content": prompt}]} if self.chat else {"prompt": prompt}
        if self.stream:
            body["stream_options"] = {"include_usage": True}
        if self.max_tokens is not None:
            body["max_tokens"] = self.max_tokens
        return body


@dataclasses.dataclass(slots=True)
class _Timing:
    """What was seen of one answer so far; times as the performance counter has them, in seconds."""

    first_token_at: float | None = None
    last_token_at: float | None = None
    chunks: int = 0
    usage_tokens: int | None = None

    @property
    def output_tokens(self) -> int:
        return self.chunks if self.usage_tokens is None else self.usage_tokens

    def ttft_ms(self, sent_at: float) -> float | None:
        return None if self.first_token_at is None else (self.first_token_at - sent_at) * 1000

    def itl_ms(self) -> float | None:
        if self.first_token_at is None or self.last_token_at is None or self.output_tokens <= 1:
            return None
        return (self.last_token_at - self.first_token_at) * 1000 / (self.output_tokens - 1)


def http_client(target: Target, *, max_concurrency: int) -> httpx.AsyncClient:
    """A client with room for all requests at once.

    Every request has a connection of its own, as different users have, so that a load balancer can give it to
    a replica that has just come. A proxy from the environment is not asked for loopback.
    """
    return httpx.AsyncClient(
        timeout=target.timeout_seconds,  # per read or write; `Requester` bounds the whole request
        limits=httpx.Limits(max_connections=max_concurrency, max_keepalive_connections=0),
        trust_env=not urlsplit(target.url).netloc.startswith(LOOPBACK),
    )


class Requester:
    """Sends the same request again and again."""

    def __init__(self, client: httpx.AsyncClient, target: Target) -> None:
        self._client = client
        self._target = target
        self._body = json.dumps(target.body()).encode()

    async def send(self) -> Outcome:
        """One request from sending to the end of its answer; an error becomes part of the outcome."""
        sent_unix_seconds = time.time()
        sent_at = time.perf_counter()
        timing = _Timing()
        error = None
        try:
            async with asyncio.timeout(self._target.timeout_seconds):
                await self._exchange(timing)
        except TimeoutError:
            error = f"no complete answer within {self._target.timeout_seconds:g} s (--timeout)"
        except httpx.ConnectError as problem:
            error = f"cannot connect to {self._target.url}: {problem}"
        except httpx.TransportError as problem:
            error = f"connection lost: {str(problem) or type(problem).__name__}"
        except AnswerError as problem:
            error = str(problem)
        return Outcome(
            sent_unix_seconds=sent_unix_seconds,
            e2e_ms=(time.perf_counter() - sent_at) * 1000,
            ttft_ms=timing.ttft_ms(sent_at),
            itl_ms=timing.itl_ms(),
            output_tokens=timing.output_tokens,
            error=error,
        )

    async def _exchange(self, timing: _Timing) -> None:
        headers = {"Content-Type": "application/json"}
        async with self._client.stream(
            "POST", self._target.endpoint, content=self._body, headers=headers
        ) as response:
            if response.status_code != httpx.codes.OK:
                raise AnswerError(f"HTTP {response.status_code}: {_message(await response.aread())}")
            if self._target.stream:
                await _follow(response, timing)
            else:
                timing.usage_tokens = _usage_tokens(_json(await response.aread()))


async def _follow(response: httpx.Response, timing: _Timing) -> None:
    """Read a stream of tokens until its end."""
    async for data in _events(response):
        if data == END_OF_STREAM:
            return
        event = _json(data)
        if "error" in event:
            raise AnswerError(f"error in the stream: {_message(data.encode())}")
        timing.usage_tokens = _usage_tokens(event) or timing.usage_tokens
        if _has_text(event):
            timing.last_token_at = time.perf_counter()
            timing.first_token_at = timing.first_token_at or timing.last_token_at
            timing.chunks += 1
    raise AnswerError(f"the stream ended before {END_OF_STREAM}")


async def _events(response: httpx.Response) -> AsyncIterator[str]:
    """The `data:` lines of a server-sent event stream."""
    rest = b""
    async for part in response.aiter_raw():
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip().decode()


def _json(text: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        raise AnswerError(f"the answer is not JSON: {text[:100]!r}") from None
    if not isinstance(value, dict):
        raise AnswerError(f"the answer is not a JSON object: {text[:100]!r}")
    return value


def _usage_tokens(body: dict[str, Any]) -> int | None:
    usage = body.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return tokens if isinstance(tokens, int) else None


def _has_text(event: dict[str, Any]) -> bool:
    choices = event.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return False
    delta = choices[0].get("delta")
    return bool(choices[0].get("text") or (isinstance(delta, dict) and delta.get("content")))


def _message(raw: bytes) -> str:
    """The reason in an error body, whoever wrote it."""
    text = raw.decode(errors="replace").strip()
    try:
        error = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError):
        return text[:200] or "no explanation"
    message = error.get("message") if isinstance(error, dict) else error
    return str(message)
