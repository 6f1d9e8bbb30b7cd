"""A scripted API server on loopback: what it answers is the test's choice, what it was asked is recorded."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


@dataclass
class FakeApi:
    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    script: dict[tuple[str, str], list[Handler]] = field(default_factory=lambda: defaultdict(list))

    def on(self, method: str, path: str, *handlers: Handler) -> None:
        """Answer with `handlers` in turn; the last one repeats."""
        self.script[method, path] += handlers

    def asked(self, method: str, path: str) -> list[Seen]:
        return [it for it in self.seen if (it.method, it.path) == (method, path)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        body = json.loads(content) if content else None
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Seen(request.method, request.path, dict(request.query), body, headers))
        handlers = self.script[request.method, request.path]
        if not handlers:
            return await says(404, "the server could not find the requested resource")(request)
        return await (handlers.pop(0) if len(handlers) > 1 else handlers[0])(request)


@asynccontextmanager
async def running() -> AsyncIterator[FakeApi]:
    api = FakeApi()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = "http://127.0.0.1:{1}".format(*runner.addresses[0])
    try:
        yield api
    finally:
        await runner.cleanup()


def write_kubeconfig(
    file: Path, url: str, user: dict[str, str] | None = None, *, authority: str | None = None
) -> str:
    cluster = {"server": url} | ({"certificate-authority": authority} if authority else {})
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user or {}}],
    }
    file.write_text(json.dumps(config))
    return str(file)


def answers(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return handler


def says(status: int, message: str, headers: dict[str, str] | None = None) -> Handler:
    body = {"kind": "Status", "status": "Failure", "code": status, "message": message}
    return answers(body, status, headers)


def text(content: str) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(text=content)

    return handler


def silence() -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    return handler


def watch(
    *lines: dict[str, Any] | bytes,
    then: Literal["end", "hang", "cut"] = "end",
    until: asyncio.Event | None = None,
) -> Handler:
    """Stream `lines`; then end the watch, say nothing more, or cut the connection (after `until`)."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for line in lines:
            await response.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
        if until is not None:
            await until.wait()
        if then == "hang":
            await asyncio.Event().wait()
        if then == "cut" and request.transport is not None:
            request.transport.abort()
        return response

    return handler


def a_list(*items: dict[str, Any], version: str = "10", following: str | None = None) -> dict[str, Any]:
    metadata = {"resourceVersion": version} | ({"continue": following} if following else {})
    return {"kind": "List", "metadata": metadata, "items": list(items)}


def a_map(name: str, version: str = "1", **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ns", "resourceVersion": version}, "data": data}


def an_event(kind: str, raw: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": raw}


def a_bookmark(version: str) -> dict[str, Any]:
    return an_event("BOOKMARK", {"kind": "ConfigMap", "metadata": {"resourceVersion": version}})


def expired() -> dict[str, Any]:
    return an_event("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version: 10 (99)"})
