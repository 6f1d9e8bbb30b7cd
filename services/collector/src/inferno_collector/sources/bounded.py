"""An HTTP transport whose responses cannot grow beyond a limit: nobody's answer may fill our memory."""

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
        stream = response.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            return response
        try:
            body = await self._read(stream, str(request.url.copy_with(query=None)))
        finally:
            await stream.aclose()
        response.stream = httpx.ByteStream(body)
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def _read(self, stream: httpx.AsyncByteStream, url: str) -> bytes:
        """The whole body, gathered in one place: pieces of 60 MB would leave the heap in pieces."""
        body = bytearray()
        async for chunk in stream:
            if len(body) + len(chunk) > self._max_bytes:
                raise UpstreamError(f"{url}: the answer is longer than {self._max_bytes} bytes")
            body += chunk
        return bytes(body)
