"""An HTTP transport whose responses cannot grow beyond a limit: nobody's answer may fill our memory."""

from collections.abc import AsyncIterator

import httpx

from inferno_shared.errors import UpstreamError


class BoundedTransport(httpx.AsyncBaseTransport):
    """Passes requests on and cuts a response that is longer than `max_bytes` with an UpstreamError.

    Responses are asked for uncompressed, and a compressed one is refused: its size could not be bounded here.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, max_bytes: int) -> None:
        self._inner = inner
        self._max_bytes = max_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`."""
        request.headers["accept-encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":
            await response.aclose()
            raise UpstreamError(
                f"{request.url}: the answer is compressed ({encoding}) though we asked for plain"
            )
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _BoundedStream(response.stream, self._max_bytes, str(request.url))
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


class _BoundedStream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, max_bytes: int, url: str) -> None:
        self._inner = inner
        self._max_bytes = max_bytes
        self._url = url

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > self._max_bytes:
                raise UpstreamError(f"{self._url}: the answer is longer than {self._max_bytes} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
