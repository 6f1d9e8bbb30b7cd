"""The HTTP face of one replica: OpenAI's API as vLLM serves it, its health and its metrics."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from vllm_emulator.answers import Answer
from vllm_emulator.engine import Engine, QueueFullError
from vllm_emulator.lengths import OutputLengths
from vllm_emulator.metrics import VllmMetrics
from vllm_emulator.pace import PacedEngine, Ticket, Timer
from vllm_emulator.protocol import ApiError, GenerationRequest, parse_generation
from vllm_emulator.settings import Settings

MAX_BODY_BYTES = 8 * 1024 * 1024


class Replica:
    """One emulated vLLM server: the state behind its routes."""

    def __init__(self, settings: Settings, timer: Timer) -> None:
        self._settings = settings
        self._timer = timer
        self._up_at = timer.time() + settings.startup_seconds
        self._lengths = OutputLengths(
            mean=settings.output_tokens, cv=settings.output_tokens_cv, seed=settings.seed
        )
        engine = Engine(settings.profile)
        self._metrics = VllmMetrics(
            engine,
            model_name=settings.served_names[0],
            names=settings.metric_names,
            max_model_len=settings.max_model_len,
            kv_cache_tokens=settings.kv_cache_tokens,
        )
        self._paced = PacedEngine(engine, self._metrics, timer)

    def routes(self) -> list[Route]:
        """What it serves."""
        return [
            Route("/health", self.health),
            Route("/ping", self.health, methods=["GET", "POST"]),
            Route("/metrics", self.metrics),
            Route("/v1/models", self.models),
            Route("/v1/completions", self.completions, methods=["POST"]),
            Route("/v1/chat/completions", self.chat_completions, methods=["POST"]),
        ]

    async def health(self, _request: Request) -> Response:
        """200 with an empty body when started up, as vLLM has it."""
        self._check_up()
        return Response(status_code=200)

    async def metrics(self, _request: Request) -> Response:
        """Metrics in Prometheus' text format."""
        return Response(
            generate_latest(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def models(self, _request: Request) -> Response:
        """The one model that is served, under each of its names."""
        self._check_up()
        root, limit = self._settings.served_names[0], self._settings.max_model_len
        created = int(time.time())
        return JSONResponse(
            {
                "object": "list",
                "data": [
                    {"id": name, "object": "model", "created": created, "owned_by": "vllm", "root": root}
                    | {"max_model_len": limit}
                    for name in self._settings.served_names
                ],
            }
        )

    async def completions(self, request: Request) -> Response:
        """Continue a prompt."""
        return await self._generate(request, chat=False)

    async def chat_completions(self, request: Request) -> Response:
        """Answer a conversation."""
        return await self._generate(request, chat=True)

    def _check_up(self) -> None:
        missing_seconds = self._up_at - self._timer.time()
        if missing_seconds > 0:
            raise ApiError(503, f"The server is starting up; it is ready in {missing_seconds:.1f} s.")

    async def _generate(self, request: Request, *, chat: bool) -> Response:
        self._check_up()
        wanted = parse_generation(
            await _body(request),
            chat=chat,
            served_names=self._settings.served_names,
            max_model_len=self._settings.max_model_len,
        )
        ticket = self._admit(wanted)
        prefix = "chatcmpl-" if chat else "cmpl-"
        answer = Answer(wanted, prefix + uuid.uuid4().hex, int(time.time()), ticket.job.output_tokens)
        if wanted.stream:
            return StreamingResponse(self._stream(answer, ticket), media_type="text/event-stream")
        try:
            await _first_of(ticket, request)
        finally:
            self._paced.give_up(ticket)
        return JSONResponse(answer.whole())

    def _admit(self, wanted: GenerationRequest) -> Ticket:
        output_tokens = wanted.max_tokens or min(
            self._lengths.draw(), self._settings.max_model_len - wanted.input_tokens
        )
        try:
            return self._paced.submit(
                input_tokens=wanted.input_tokens,
                output_tokens=output_tokens,
                capped=wanted.max_tokens is not None,
                stream=wanted.stream,
            )
        except QueueFullError:
            limit = self._settings.profile.max_waiting
            raise ApiError(429, f"All {limit} waiting places are taken. Try again later.") from None

    async def _stream(self, answer: Answer, ticket: Ticket) -> AsyncIterator[bytes]:
        try:
            async for token in ticket.tokens():
                if token.number == 1 and answer.request.chat:
                    yield answer.opening()
                yield answer.chunk(token.number)
            yield answer.closing()
        finally:
            self._paced.give_up(ticket)


def create_app(settings: Settings, timer: Timer) -> Starlette:
    """The application of one replica, which starts up now."""

    def refuse(_request: Request, problem: Exception) -> Response:
        if not isinstance(problem, ApiError):
            raise problem
        headers = {"Retry-After": "1"} if problem.status in {429, 503} else None
        return JSONResponse(problem.body(), status_code=problem.status, headers=headers)

    def no_route(request: Request, problem: Exception) -> Response:
        if not isinstance(problem, HTTPException):
            raise problem
        refusal = ApiError(problem.status_code, f"{request.method} {request.url.path}: {problem.detail}")
        return JSONResponse(refusal.body(), status_code=problem.status_code, headers=problem.headers)

    return Starlette(
        routes=Replica(settings, timer).routes(),
        exception_handlers={ApiError: refuse, HTTPException: no_route},
    )


async def _body(request: Request) -> bytes:
    """The body, unless it is longer than any sensible prompt."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise ApiError(413, f"The body is longer than {MAX_BODY_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


async def _first_of(ticket: Ticket, request: Request) -> None:
    """Wait for the answer's end or the client's going away, whichever comes first."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    watching = asyncio.ensure_future(gone())
    finished = asyncio.ensure_future(ticket.finished())
    try:
        await asyncio.wait({watching, finished}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (watching, finished):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
