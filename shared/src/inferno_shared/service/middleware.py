"""What stands between the server and the endpoints: bounded bodies, and faults that end in a clean answer."""

import asyncio
from http import HTTPStatus
from itertools import islice
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inferno_shared.service.finite import not_finite
from inferno_shared.service.logs import get_logger
from inferno_shared.service.problems import (
    MAX_SHOWN_ERRORS,
    NOT_FINITE,
    FieldError,
    ProblemError,
    problem_response,
)

BODY_SECONDS: Final = 30.0
CLIENT_CLOSED_REQUEST: Final = 499  # nobody reads it; it keeps metrics and logs honest

log = get_logger(__name__)


class BoundedBody:
    """Reads the whole body before the endpoint runs: at most `max_bytes`, within `seconds`, no NaN in it.

    Whether the client declared a length or sends chunks makes no difference.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive)
            _refuse_not_finite(body)
        except ProblemError as problem:
            await problem_response(problem)(scope, receive, send)
            return
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        await self._app(scope, replay, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self._max_bytes:
            raise self._too_large(int(declared))
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    if size > self._max_bytes:
                        raise self._too_large(size)
                    if not message.get("more_body", False):
                        return b"".join(chunks)
        except TimeoutError as error:
            raise ProblemError(
                HTTPStatus.REQUEST_TIMEOUT,
                "Request body too slow",
                f"the body did not arrive within {self._seconds:g} s; {size} bytes came",
                headers={"connection": "close"},
            ) from error

    def _too_large(self, size: int) -> ProblemError:
        return ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "Request body too large",
            f"the body has at least {size} bytes, at most {self._max_bytes} are accepted; "
            "send less, or raise INFERNO_MAX_BODY_BYTES",
            headers={"connection": "close"},
        )


def _refuse_not_finite(body: bytes) -> None:
    errors = [FieldError(path, NOT_FINITE) for path in islice(not_finite(body), MAX_SHOWN_ERRORS)]
    if errors:
        first = f"{errors[0].field}: {errors[0].message}"
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid request", first, errors)


class FaultBarrier:
    """An unknown exception becomes a 500 problem for the client and one log line with the traceback for us.

    A client that went away is not a fault: the cancelled request ends quietly.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(receive, send)
        fields = {"method": scope["method"], "path": scope["path"]}
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except (ClientDisconnect, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and not exchange.disconnected:
                log.warning("request cancelled by shutdown", **fields)
                problem = ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "Shutting down", "try again")
            else:
                log.info("client went away", **fields)
                problem = ProblemError(CLIENT_CLOSED_REQUEST, "Client closed the request")
        except Exception:
            log.exception("request failed", **fields)
            problem = ProblemError(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "Internal error",
                "the service failed, not the request; its log has the traceback",
            )
        else:
            return
        if not exchange.answering:
            await problem_response(problem)(scope, receive, send)


class _Exchange:
    """Remembers whether the client left and whether an answer was begun."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.disconnected = False
        self.answering = False

    async def receive(self) -> Message:
        message = await self._receive()
        self.disconnected |= message["type"] == "http.disconnect"
        return message

    async def send(self, message: Message) -> None:
        self.answering = True
        await self._send(message)
