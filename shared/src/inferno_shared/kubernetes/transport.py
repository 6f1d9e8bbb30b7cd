"""How bytes reach the API server. The seam: the client talks to `Transport`, tests may bring their own.

Authentication, TLS and connection pooling are those of the `kubernetes` package; its generated models are not
used, because parsing only the fields that we read is about twenty times faster.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.config import ConfigException
from yarl import URL

MERGE_PATCH = "application/merge-patch+json"
JSON = "application/json"


class TransportError(Exception):
    """No usable answer came back; the message says how it failed."""


class TransportTimeoutError(TransportError):
    """Nothing came within the bound."""


@dataclass(frozen=True, slots=True)
class Timeout:
    """Bounds of one exchange; `total_seconds` None means a stream that is bounded by its silence only."""

    connect_seconds: float
    silence_seconds: float
    total_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to the API server."""

    method: str
    path: str
    timeout: Timeout
    query: Sequence[tuple[str, str]] = ()
    body: Mapping[str, Any] | None = None
    content_type: str = JSON


class Answer(Protocol):
    """An HTTP answer whose body is read at once or as a stream."""

    @property
    def status(self) -> int:
        """HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """HTTP headers."""

    async def read(self) -> bytes:
        """Return the whole body. Raises TransportError."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body in pieces as they arrive. Raises TransportError."""


class Transport(Protocol):
    """Sends requests."""

    def send(self, request: Request) -> AbstractAsyncContextManager[Answer]:
        """Send `request`; the answer lives as long as the context. Raises TransportError."""

    async def close(self) -> None:
        """Close every connection."""


class ApiClientTransport:
    """The real transport: an `ApiClient` that was configured from a kubeconfig or the pod's account."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[Answer]:
        """Send `request` with the configured credentials."""
        url, headers = await self._addressed(request)
        timeout = aiohttp.ClientTimeout(
            total=request.timeout.total_seconds,
            connect=request.timeout.connect_seconds,
            sock_read=request.timeout.silence_seconds,
        )
        try:
            answer = await self._api.rest_client.request(  # type: ignore[no-untyped-call] # partly typed package
                request.method, url, headers=headers, body=request.body, _request_timeout=timeout
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _transport_error(error, request.timeout) from error
        try:
            yield _AiohttpAnswer(answer.response, request.timeout)
        finally:
            answer.response.close()

    async def close(self) -> None:
        """Close the connection pool."""
        await self._api.close()  # type: ignore[no-untyped-call] # partly typed package

    async def _addressed(self, request: Request) -> tuple[URL, dict[str, str]]:
        """Return the URL and the headers, with a token that is refreshed when due."""
        try:
            _, url, headers, _, _ = await self._api.param_serialize(
                request.method,
                request.path,
                query_params=list(request.query),
                header_params={"Accept": JSON, "Content-Type": request.content_type},
                auth_settings=["BearerToken"],
            )
        except (ConfigException, OSError, ValueError, KeyError) as error:
            raise TransportError(f"the credentials cannot be refreshed: {error}") from error
        return URL(url, encoded=True), headers


class _AiohttpAnswer:
    def __init__(self, response: aiohttp.ClientResponse, timeout: Timeout) -> None:
        self._response = response
        self._timeout = timeout

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    async def read(self) -> bytes:
        try:
            return await self._response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _transport_error(error, self._timeout) from error

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _transport_error(error, self._timeout) from error


def _transport_error(error: BaseException, timeout: Timeout) -> TransportError:
    if isinstance(error, TimeoutError):
        bound = timeout.silence_seconds if timeout.total_seconds is None else timeout.total_seconds
        return TransportTimeoutError(f"no answer within {bound:g} s")
    return TransportError(str(error) or type(error).__name__)
