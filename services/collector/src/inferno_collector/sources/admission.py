"""Gets us admitted to Prometheus: address, certificates and token, each followed while it changes.

Nothing needs a restart, and no rotation costs a cycle: files that are half written leave those before in
force, a connection in use is never closed under its user, and a token refused with 401 is read once more.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from inferno_collector.configuration import CONFIGURATION, PrometheusAddress
from inferno_collector.reasons import Reason
from inferno_collector.sources.bounded import BoundedTransport
from inferno_shared.errors import ConfigurationError, UpstreamError
from inferno_shared.service import http_client
from inferno_shared.service.http import is_loopback
from inferno_shared.service.tls import ReloadingContext, client_context
from inferno_shared.service.tls.context import load_pair, version_of
from inferno_shared.service.token_file import BearerTokenFile


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of every query; `allow_http` admits plain HTTP beyond loopback."""

    timeout_seconds: float = 10.0
    max_response_bytes: int = 64 * 2**20
    allow_http: bool = False


class Admission:
    """A connection pool for one address, and what it shows there."""

    def __init__(
        self, address: PrometheusAddress, limits: Limits, transport: httpx.AsyncBaseTransport | None
    ) -> None:
        """Raises UpstreamError when a file cannot be used: there is nothing before it to stay with."""
        base_url = address.base_url or ""
        self._address = address
        self._tls: ReloadingContext | None = None
        self._in_the_clear = urlsplit(base_url).scheme != "https" and not is_loopback(base_url)
        try:
            if urlsplit(base_url).scheme == "https":
                self._tls = _tls_context(address)
            self._token = BearerTokenFile(address.token_file) if address.token_file else None
        except ConfigurationError as error:
            raise UpstreamError(f"{_keys(address)} cannot be used: {error}") from error
        inner = transport or httpx.AsyncHTTPTransport(verify=self._tls or True)
        self.client = http_client(
            base_url=base_url,
            timeout_seconds=limits.timeout_seconds,
            transport=BoundedTransport(inner, limits.max_response_bytes),
        )
        self.users = 0

    @property
    def extensions(self) -> dict[str, str]:
        """The name that the certificate must have, where it is not the address's."""
        return {"sni_hostname": self._address.server_name} if self._address.server_name else {}

    def authorization(self) -> dict[str, str]:
        """The header with the token as it is now; none in the clear beyond loopback."""
        token = self._token.token() if self._token else self._address.bearer_token
        return {"authorization": f"Bearer {token}"} if token and not self._in_the_clear else {}

    def problems(self) -> list[tuple[str, str]]:
        """(reason, message) of what is not as configured, though we are admitted."""
        found: list[tuple[str, str]] = []
        if self._tls is not None:
            self._tls.refresh(retry=True)
            if self._tls.problem is not None:
                message = f"the changed certificates are not in force, those before are: {self._tls.problem}"
                found.append((Reason.CERTIFICATE_NOT_USABLE, message))
        if self._in_the_clear and (self._token or self._address.bearer_token):
            message = f"{self._address.base_url} is plain HTTP: the bearer token is not sent; use https"
            found.append((Reason.TOKEN_NOT_SENT, message))
        return found


class Admissions:
    """The admission for the address of the moment. `transport` stands in for the network."""

    def __init__(self, limits: Limits, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._limits = limits
        self._transport = transport
        self._current: Admission | None = None
        self._identity: PrometheusAddress | None = None

    @asynccontextmanager
    async def to(self, address: PrometheusAddress) -> AsyncIterator[Admission]:
        """The admission to `address`; one that another address has replaced closes after its last user."""
        admission, replaced = self._for(address)
        admission.users += 1
        try:
            if replaced is not None and not replaced.users:
                await replaced.client.aclose()
            yield admission
        finally:
            admission.users -= 1
            if admission is not self._current and not admission.users:
                await admission.client.aclose()

    async def close(self) -> None:
        """Close the connections."""
        admission, self._current = self._current, None
        if admission is not None and not admission.users:
            await admission.client.aclose()

    def _for(self, address: PrometheusAddress) -> tuple[Admission, Admission | None]:
        """The admission, and the one that it has just replaced, if any."""
        self._refuse_plain_http(address)
        if self._current is not None and address == self._identity:
            return self._current, None
        fresh = Admission(address, self._limits, self._transport)
        replaced, self._current, self._identity = self._current, fresh, address
        return fresh, replaced

    def _refuse_plain_http(self, address: PrometheusAddress) -> None:
        if not address.base_url:
            raise UpstreamError(f"PROMETHEUS_BASE_URL is not set: set it in ConfigMap {CONFIGURATION}")
        plain = urlsplit(address.base_url).scheme == "http"
        if plain and not is_loopback(address.base_url) and not self._limits.allow_http:
            raise UpstreamError(
                f"{address.base_url} is plain HTTP: use https, or set INFERNO_PROMETHEUS_ALLOW_HTTP=true"
            )


def _tls_context(address: PrometheusAddress) -> ReloadingContext:
    """A context that follows the files; without verification when that was asked for."""
    files = address.ca_file, address.client_cert_file, address.client_key_file
    if not address.insecure_skip_verify:
        return client_context(ca_file=files[0], cert_file=files[1], key_file=files[2])

    def load() -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if address.client_cert_file:
            load_pair(context, address.client_cert_file, address.client_key_file)
        return context

    return ReloadingContext(ssl.PROTOCOL_TLS_CLIENT, load=load, version=lambda: version_of(*files[1:]))


def _keys(address: PrometheusAddress) -> str:
    """The settings that name files."""
    named = {
        "PROMETHEUS_CA_CERT_PATH": address.ca_file,
        "PROMETHEUS_CLIENT_CERT_PATH": address.client_cert_file,
        "PROMETHEUS_CLIENT_KEY_PATH": address.client_key_file,
        "PROMETHEUS_TOKEN_PATH": address.token_file,
    }
    return ", ".join(key for key, file in named.items() if file)
