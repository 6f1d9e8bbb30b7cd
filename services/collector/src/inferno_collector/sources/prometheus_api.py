"""Queries Prometheus or Thanos: answers bounded in size and time, whatever they turn out to be."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import httpx

from inferno_collector.configuration import PrometheusAddress
from inferno_collector.sources.admission import Admission, Admissions, Limits
from inferno_collector.sources.matrix import LabelBook, Series, read_matrix
from inferno_collector.sources.queries import Query
from inferno_shared.errors import UpstreamError
from inferno_shared.service import request_with_retry

_PATH: Final = "api/v1/query"
_ATTEMPTS: Final = 2
_TEXT_SHOWN: Final = 120


@dataclass(frozen=True, slots=True)
class Answer:
    """Series of one query (the reader may take them out), its warnings, and the server's own time."""

    series: list[Series]
    warnings: Sequence[str]
    server_time: datetime | None


class PrometheusApi:
    """Asks queries at the address of the moment. `transport` stands in for the network."""

    def __init__(self, limits: Limits, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._limits = limits
        self._admissions = Admissions(limits, transport)

    async def query(self, address: PrometheusAddress, query: Query, *, now: float, book: LabelBook) -> Answer:
        """Series of a range selector at `now`; `book` has the labels of earlier ones.

        Raises UpstreamError with what to do.
        """
        seconds = self._limits.timeout_seconds
        async with self._admissions.to(address) as admission:
            try:
                async with asyncio.timeout(seconds):
                    response = await self._ask(admission, query, now)
                # httpx leaves the response in a cycle with its stream: 60 MB would wait for the next search
                # for cycles.
                response.stream = httpx.ByteStream(b"")
            except TimeoutError as error:
                raise UpstreamError(
                    f"{address.base_url}/{_PATH}: no whole answer within {seconds:g} s"
                ) from error
            return await asyncio.to_thread(_answer, response, book)

    async def problems(self, address: PrometheusAddress) -> list[tuple[str, str]]:
        """(reason, message) of certificates and tokens that are not in force as configured."""
        async with self._admissions.to(address) as admission:
            return admission.problems()

    async def close(self) -> None:
        """Close the connections."""
        await self._admissions.close()

    async def _ask(self, admission: Admission, query: Query, now: float) -> httpx.Response:
        """Ask once more when a token was refused that has been replaced meanwhile."""
        shown = admission.authorization()
        try:
            return await self._send(admission, query, now, shown)
        except UpstreamError as error:
            fresh = admission.authorization()
            if error.status != HTTPStatus.UNAUTHORIZED or fresh == shown:
                raise
            return await self._send(admission, query, now, fresh)

    async def _send(
        self, admission: Admission, query: Query, now: float, headers: Mapping[str, str]
    ) -> httpx.Response:
        parameters = {
            "query": query.text,
            "time": f"{now:.3f}",
            "timeout": f"{self._limits.timeout_seconds:g}s",
            # Thanos: an answer with a warning is worth more than none; Prometheus knows neither parameter.
            "partial_response": "true",
            "dedup": "true",
        }
        # A tenancy port checks the verb of the HTTP method on the namespace, and `view` may only get.
        method, sent = ("POST", "data") if query.namespace is None else ("GET", "params")
        tenant = {} if query.namespace is None else {"namespace": query.namespace}
        request: dict[str, Any] = {sent: tenant | parameters}
        return await request_with_retry(
            admission.client,
            method,
            _PATH,
            safe=True,
            attempts=_ATTEMPTS,
            total_seconds=self._limits.timeout_seconds,
            headers=headers,
            extensions=admission.extensions,
            **request,
        )


def _answer(response: httpx.Response, book: LabelBook) -> Answer:
    """The series of a response that may be anything."""
    url = response.url.copy_with(query=None)
    try:
        document, series = read_matrix(response.content, book)
    except (ValueError, RecursionError) as error:
        kind = response.headers.get("content-type", "no content type")
        shown = response.text[:_TEXT_SHOWN].strip()
        raise UpstreamError(
            f"{url} answers {kind}, not a Prometheus API's JSON ({shown!r}): correct PROMETHEUS_BASE_URL"
        ) from error
    data = document.get("data") if isinstance(document, dict) else None
    if (
        not isinstance(data, dict)
        or data.get("resultType") != "matrix"
        or not isinstance(data.get("result"), list)
    ):
        raise UpstreamError(f"{url} answers JSON that is not a matrix of series")
    warnings = document.get("warnings")
    return Answer(
        series=series,
        warnings=[str(warning) for warning in warnings] if isinstance(warnings, list) else [],
        server_time=_date(response.headers.get("date")),
    )


def _date(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
