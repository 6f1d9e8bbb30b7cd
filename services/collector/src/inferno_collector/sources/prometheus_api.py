"""Queries Prometheus or Thanos: TLS and token as configured, answers bounded in size and time.

Certificates and tokens are read again when their files change.
"""

import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from inferno_collector.configuration import CONFIGURATION, PrometheusAddress
from inferno_collector.sources.bounded import BoundedTransport
from inferno_shared.errors import UpstreamError
from inferno_shared.service import http_client, request_with_retry

_LOOPBACK: Final = frozenset({"localhost", "::1"})
_ATTEMPTS: Final = 2
_TEXT_SHOWN: Final = 120


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of every query; `allow_http` admits plain HTTP beyond loopback."""

    timeout_seconds: float = 10.0
    max_response_bytes: int = 64 * 2**20
    allow_http: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Series of one query as Prometheus wrote them, its warnings, and the server's own time."""

    series: Sequence[Mapping[str, Any]]
    warnings: Sequence[str]
    server_time: datetime | None


class PrometheusApi:
    """A client that follows changes of address, certificates and token without a restart.

    `transport` stands in for the network.
    """

    def __init__(self, limits: Limits, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._limits = limits
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._identity: object = None

    async def query(self, address: PrometheusAddress, query: str, *, now: float) -> Answer:
        """Series of a range selector at `now`. Raises UpstreamError with what to do."""
        client = await self._client_for(address)
        extensions = {"sni_hostname": address.server_name} if address.server_name else {}
        response = await request_with_retry(
            client,
            "POST",
            "api/v1/query",
            safe=True,
            attempts=_ATTEMPTS,
            total_seconds=self._limits.timeout_seconds,
            data={"query": query, "time": f"{now:.3f}", "timeout": f"{self._limits.timeout_seconds:g}s"},
            headers=_authorization(address),
            extensions=extensions,
        )
        return _answer(response)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _client_for(self, address: PrometheusAddress) -> httpx.AsyncClient:
        """The client for this address and these files as they are now; the tokens are not part of it."""
        self._refuse_plain_http(address)
        files = (address.ca_file, address.client_cert_file, address.client_key_file)
        identity = (
            replace(address, bearer_token=None, token_file=None),
            [_modified_at(file) for file in files],
        )
        if self._client is None or identity != self._identity:
            fresh = self._connect(address)
            await self.close()
            self._client, self._identity = fresh, identity
        return self._client

    def _connect(self, address: PrometheusAddress) -> httpx.AsyncClient:
        inner = self._transport or httpx.AsyncHTTPTransport(verify=_tls_context(address))
        return http_client(
            base_url=address.base_url or "",
            timeout_seconds=self._limits.timeout_seconds,
            transport=BoundedTransport(inner, self._limits.max_response_bytes),
        )

    def _refuse_plain_http(self, address: PrometheusAddress) -> None:
        if not address.base_url:
            raise UpstreamError(f"PROMETHEUS_BASE_URL is not set: set it in ConfigMap {CONFIGURATION}")
        parts = urlsplit(address.base_url)
        host = parts.hostname or ""
        loopback = host in _LOOPBACK or host.startswith("127.")
        if parts.scheme == "http" and not loopback and not self._limits.allow_http:
            raise UpstreamError(
                f"{address.base_url} is plain HTTP: use https, or set INFERNO_PROMETHEUS_ALLOW_HTTP=true"
            )


def _tls_context(address: PrometheusAddress) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=address.ca_file)
        if address.client_cert_file:
            context.load_cert_chain(address.client_cert_file, address.client_key_file)
    except (OSError, ssl.SSLError) as error:
        names = [address.ca_file, address.client_cert_file, address.client_key_file]
        files = ", ".join(name for name in names if name)
        raise UpstreamError(f"the certificates for Prometheus cannot be used ({files}): {error}") from error
    if address.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _authorization(address: PrometheusAddress) -> dict[str, str]:
    token = address.bearer_token
    if address.token_file:
        try:
            token = Path(address.token_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UpstreamError(
                f"PROMETHEUS_TOKEN_PATH {address.token_file} cannot be read: {error}"
            ) from error
    return {"authorization": f"Bearer {token}"} if token else {}


def _modified_at(file: str | None) -> int | None:
    try:
        return Path(file).stat().st_mtime_ns if file else None
    except OSError:
        return None


def _answer(response: httpx.Response) -> Answer:
    """The series of a response that may be anything."""
    try:
        document = json.loads(response.content)
    except (ValueError, RecursionError) as error:
        kind = response.headers.get("content-type", "no content type")
        shown = response.text[:_TEXT_SHOWN].strip()
        raise UpstreamError(
            f"{response.url} answers {kind}, not a Prometheus API's JSON ({shown!r}): "
            "correct PROMETHEUS_BASE_URL"
        ) from error
    data = document.get("data") if isinstance(document, dict) else None
    result = data.get("result") if isinstance(data, dict) else None
    if not isinstance(data, dict) or data.get("resultType") != "matrix" or not isinstance(result, list):
        raise UpstreamError(f"{response.url} answers JSON that is not a matrix of series")
    warnings = document.get("warnings")
    return Answer(
        series=[series for series in result if isinstance(series, dict)],
        warnings=[str(warning) for warning in warnings] if isinstance(warnings, list) else [],
        server_time=_date(response.headers.get("date")),
    )


def _date(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
