"""What every endpoint needs: bodies read as the JSON that they are, and answers computed in a worker thread.

A computation stops when nobody waits for its answer any more.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from ortools.util.python.solve_interrupter import SolveInterrupter
from starlette.requests import ClientDisconnect

from inferno_optimizer.work import Workers

T = TypeVar("T")

Computation = Callable[[SolveInterrupter], T]
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class JsonRoute(APIRoute):
    """Reads a body as JSON whatever its content type says: `curl -d @file` calls everything a form.

    There is no state that a forged request could change.
    """

    def get_route_handler(self) -> Handler:  # noqa: D102 - FastAPI's
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            headers = [(k, v) for k, v in request.scope["headers"] if k.lower() != b"content-type"]
            headers.append((b"content-type", b"application/json"))
            return await handle(Request({**request.scope, "headers": headers}, request.receive))

        return handle_json


async def answer(request: Request, workers: Workers, compute: Computation[T]) -> T:
    """The computation's result.

    Raises:
        ClientDisconnect: the client went away first. A computation that waits for its turn has left the line;
            one that had begun has been interrupted, and has ended.
    """
    interrupter = SolveInterrupter()
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def begin() -> T:
        loop.call_soon_threadsafe(begun.set)
        return compute(interrupter)

    running = asyncio.create_task(workers.run(begin))
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({running, gone}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            return running.result()
        raise ClientDisconnect
    finally:
        gone.cancel()
        if not running.done():
            interrupter.interrupt()
            if not begun.is_set():
                running.cancel()
            with suppress(Exception, asyncio.CancelledError):
                await running


async def _disconnected(request: Request) -> None:
    """Returns when the client has gone; the request's body has been read already."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
