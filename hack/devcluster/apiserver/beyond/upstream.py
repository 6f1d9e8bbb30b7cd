"""Passing a request on to another server (aggregated API, kubelet, pod) and streaming its answer back."""

import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import httpx
from starlette.requests import Request
from starlette.responses import Response

from devcluster.apiserver.objects.status import service_unavailable
from devcluster.apiserver.web.reading import StreamedAnswer

_NOT_PASSED_ON = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "authorization", "accept-encoding"}
)
_NOT_PASSED_BACK = frozenset({"connection", "transfer-encoding", "date", "server", "content-length"})
_CONNECT_SECONDS = 3.0
_ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """A server to pass requests on to; `server_name` is what its certificate must say, if it is verified."""

    base_url: str
    tls: ssl.SSLContext | bool = False
    server_name: str | None = None


class Upstream:
    """HTTP connections to the servers behind this one, pooled per target."""

    def __init__(self) -> None:
        self._clients: dict[Target, httpx.AsyncClient] = {}

    async def close(self) -> None:
        """Close all connections."""
        clients, self._clients = tuple(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    async def forward(
        self,
        request: Request,
        target: Target,
        path: str,
        *,
        endless: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """The other server's answer; `endless` waits for its parts without a time limit.

        Raises:
            ApiError: 503 when the other server does not answer.
        """
        passed = {name: value for name, value in request.headers.items() if name not in _NOT_PASSED_ON}
        outgoing = self._client(target).build_request(
            request.method,
            httpx.URL(f"{target.base_url}{path}", query=request.url.query.encode()),
            headers={**passed, **(headers or {})},
            content=await request.body(),
            timeout=httpx.Timeout(None if endless else _ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            extensions=_server_name(target),
        )
        try:
            answer = await self._client(target).send(outgoing, stream=True)
        except httpx.HTTPError as error:
            raise service_unavailable(f"error trying to reach service: {error!r}") from error
        response = StreamedAnswer(_parts(answer), answer.headers.get("content-type", "application/json"))
        response.status_code = answer.status_code
        for name, value in answer.headers.items():
            if name.lower() not in _NOT_PASSED_BACK | {"content-type"}:
                response.headers[name] = value
        return response

    async def get_json(self, target: Target, path: str, timeout_seconds: float) -> object:
        """The JSON at a path of another server; None when it does not answer with any."""
        try:
            answer = await self._client(target).get(
                f"{target.base_url}{path}", timeout=timeout_seconds, extensions=_server_name(target)
            )
            return answer.json() if answer.is_success else None
        except (httpx.HTTPError, ValueError):
            return None

    def _client(self, target: Target) -> httpx.AsyncClient:
        client = self._clients.get(target)
        if client is None:
            client = self._clients[target] = httpx.AsyncClient(verify=target.tls, trust_env=False)
        return client


async def _parts(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for part in answer.aiter_raw():
            yield part
    finally:
        await answer.aclose()


def _server_name(target: Target) -> dict[str, str]:
    return {"sni_hostname": target.server_name} if target.server_name else {}
