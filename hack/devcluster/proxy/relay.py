"""Carries one connection to one pod, byte by byte as they come.

Each request is balanced by itself: the proxy asks the server to close the connection after it. A client that
keeps its connections alive would otherwise pin each to the pod that it met first, and new pods would stay
idle after a scale-up. The price is one more TCP handshake on loopback for a request that lasts seconds; in
return the proxy needs no understanding of bodies, and a stream of tokens passes unbuffered.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

from devcluster.proxy.balancer import Backend, Balancer
from devcluster.proxy.http_head import HEAD_END, MAX_HEAD_BYTES, answer, ending_after_this, may_be_http

CONNECT_SECONDS = 2.0
FIRST_BYTES_SECONDS = 300.0
_READ_BYTES = 65_536


class Relay:
    """Serves the connections of one route."""

    def __init__(self, balancer: Balancer, unavailable: str) -> None:
        self._balancer = balancer
        self._unavailable = unavailable

    async def serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        try:
            async with asyncio.timeout(FIRST_BYTES_SECONDS):
                opening, is_http = await _opening(client)
            if opening:
                await self._forward(opening, client, answers, is_http=is_http)
        except (OSError, TimeoutError):  # the client went away, or never said anything
            return
        finally:
            await _close(answers)

    async def _forward(
        self,
        opening: bytes,
        client: asyncio.StreamReader,
        answers: asyncio.StreamWriter,
        *,
        is_http: bool,
    ) -> None:
        async with self._connected() as connection:
            if connection is None:
                if is_http:
                    answers.write(answer(HTTPStatus.SERVICE_UNAVAILABLE, self._unavailable))
                    await answers.drain()
                return
            from_pod, to_pod = connection
            to_pod.write(opening)
            sending = asyncio.create_task(_copy(client, to_pod))
            try:
                await _copy(from_pod, answers)
            finally:
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await sending

    @contextlib.asynccontextmanager
    async def _connected(
        self,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter] | None]:
        """A connection to a pod; one that refuses (it is just stopping) is passed over for the next."""
        refused: set[Backend] = set()
        while (backend := self._balancer.take(excluding=refused)) is not None:
            try:
                try:
                    async with asyncio.timeout(CONNECT_SECONDS):
                        connection = await asyncio.open_connection(backend.ip, backend.port)
                except (OSError, TimeoutError):
                    refused.add(backend)
                    continue
                try:
                    yield connection
                finally:
                    await _close(connection[1])
                return
            finally:
                self._balancer.give_back(backend)
        yield None


async def _opening(client: asyncio.StreamReader) -> tuple[bytes, bool]:
    """The first bytes: of HTTP the whole head of the request, ready to be sent on."""
    received = b""
    while HEAD_END not in received and len(received) < MAX_HEAD_BYTES:
        chunk = await client.read(_READ_BYTES)
        if not chunk:
            return received, False
        received += chunk
        if not may_be_http(received):
            return received, False
    head, end, rest = received.partition(HEAD_END)
    if not end:
        return received, False
    return ending_after_this(head + end) + rest, True


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass everything on at once, and the end of it too."""
    while chunk := await source.read(_READ_BYTES):
        target.write(chunk)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
