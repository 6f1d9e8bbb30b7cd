"""The one HTTP client and the one retry policy of the product.

A retry repeats what is safe to repeat: any request that never left (no connection), and, for calls that
change nothing, a cut connection or an answer of 502, 503 or 504. Waits grow, with jitter, and are bounded.
Certificates and tokens are files that rotate: new connections and requests use what the files hold now.
"""

import ssl
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import stamina

from inferno_shared.errors import ConfigurationError, UpstreamError
from inferno_shared.service.settings import is_loopback_host
from inferno_shared.service.tls.client import client_context
from inferno_shared.service.token_file import BearerTokenFile
from inferno_shared.version import __version__

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
RETRIED_STATUSES: Final = frozenset({502, 503, 504})
MAX_DETAIL_CHARACTERS: Final = 300


def http_client(
    *,
    base_url: str,
    timeout_seconds: float,
    verify: bool | ssl.SSLContext = True,
    ca_file: Path | str | None = None,
    cert_file: Path | str | None = None,
    key_file: Path | str | None = None,
    token_file: Path | str | None = None,
    headers: dict[str, str] | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """Return a client for one service. Every file is read again when it changes.

    Args:
        base_url: where the service answers.
        timeout_seconds: for connecting, and for each silence of the other side.
        verify: a TLS context of one's own; the files take its place.
        ca_file: authorities (PEM) that the service's certificate must lead to; None: the system's.
        cert_file: client certificate (PEM chain) to show, with its `key_file`.
        key_file: private key of the client certificate.
        token_file: bearer token to show; never over plain HTTP beyond loopback.
        headers: sent with every request.
        transport: stands in for the network.

    Raises:
        ConfigurationError: a file cannot be used, or the token would travel in the clear.
    """
    if ca_file is not None or cert_file is not None:
        verify = client_context(ca_file=ca_file, cert_file=cert_file, key_file=key_file)
    if token_file is not None and urlsplit(base_url).scheme != "https" and not is_loopback(base_url):
        raise ConfigurationError(f"{base_url} is plain HTTP: a bearer token is only sent over https")
    return httpx.AsyncClient(
        base_url=base_url,
        timeout=httpx.Timeout(timeout_seconds),
        verify=verify,
        headers={"user-agent": f"inferno-autoscaler/{__version__}", **(headers or {})},
        transport=transport,
        auth=BearerTokenFile(token_file) if token_file is not None else None,
        trust_env=not is_loopback(base_url),
    )


async def request_with_retry(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    safe: bool | None = None,
    attempts: int = 3,
    total_seconds: float | None = None,
    wait_initial_seconds: float = 0.1,
    wait_max_seconds: float = 1.0,
    **request: Any,  # noqa: ANN401 - httpx's own request arguments (json, params, headers, ...)
) -> httpx.Response:
    """Return the answer if its status is below 400. Raises UpstreamError naming the call and the reason.

    `safe` declares that the call may be repeated though its method does not say so (a POST that only
    computes).
    """
    may_repeat = method.upper() in SAFE_METHODS if safe is None else safe
    call = f"{method.upper()} {client.base_url.join(url)}"
    try:
        tries = stamina.retry_context(
            on=lambda error: _is_worth_repeating(error, may_repeat=may_repeat),
            attempts=attempts,
            timeout=total_seconds,
            wait_initial=wait_initial_seconds,
            wait_max=wait_max_seconds,
            wait_jitter=wait_initial_seconds,
        )
        async for attempt in tries.with_name(call, (), {}):  # the line that is logged of a retry names it
            with attempt:
                response = await client.request(method, url, **request)
                response.raise_for_status()
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        raise UpstreamError(f"{call}: {_detail(error.response)} (HTTP {status})", status=status) from error
    except httpx.TimeoutException as error:
        raise UpstreamError(f"{call}: no answer in time ({type(error).__name__})") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UpstreamError(f"{call}: {str(error) or type(error).__name__}") from error
    return response


def _is_worth_repeating(error: Exception, *, may_repeat: bool) -> bool:
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return True
    if not may_repeat:
        return False
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in RETRIED_STATUSES
    return isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError)


def _detail(response: httpx.Response) -> str:
    """Return what the other side says is wrong: a problem's detail, or the start of its text."""
    try:
        document = response.json()
    except ValueError:
        document = None
    if isinstance(document, dict):
        for key in ("detail", "title", "error", "message"):
            if isinstance(document.get(key), str) and document[key]:
                return str(document[key])[:MAX_DETAIL_CHARACTERS]
    return response.text[:MAX_DETAIL_CHARACTERS].strip() or HTTPStatus(response.status_code).phrase


def is_loopback(url: str) -> bool:
    """Return whether `url` leads to this machine."""
    return is_loopback_host(urlsplit(url).hostname or "")
