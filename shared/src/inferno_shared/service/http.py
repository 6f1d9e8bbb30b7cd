"""The one HTTP client and the one retry policy of the product.

A retry repeats what is safe to repeat: any request that never left (no connection), and, for calls that
change nothing, a cut connection or an answer of 502, 503 or 504. Waits grow, with jitter, and are bounded.
"""

import ssl
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import stamina

from inferno_shared.errors import ConfigurationError, UpstreamError
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
    headers: dict[str, str] | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """Return a client for one service. `ca_file` replaces the system's certificates.

    Raises ConfigurationError when `ca_file` cannot be used.
    """
    if ca_file is not None:
        try:
            verify = ssl.create_default_context(cafile=str(ca_file))
        except OSError as error:
            raise ConfigurationError(f"{ca_file} cannot be used as certificate authority: {error}") from error
    return httpx.AsyncClient(
        base_url=base_url,
        timeout=httpx.Timeout(timeout_seconds),
        verify=verify,
        headers={"user-agent": f"inferno-autoscaler/{__version__}", **(headers or {})},
        transport=transport,
        trust_env=not _is_loopback(base_url),
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
        async for attempt in stamina.retry_context(
            on=lambda error: _is_worth_repeating(error, may_repeat=may_repeat),
            attempts=attempts,
            timeout=total_seconds,
            wait_initial=wait_initial_seconds,
            wait_max=wait_max_seconds,
            wait_jitter=wait_initial_seconds,
        ):
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


def _is_loopback(url: str) -> bool:
    return (urlsplit(url).hostname or "").startswith(("127.", "localhost", "::1"))
