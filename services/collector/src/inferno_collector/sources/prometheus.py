"""Load from Prometheus or Thanos: a fixed number of batched queries per reading, however many variants.

What is said about failure: one query for details costs the details, one tenant's query that tenant, and only
when no query for load answers has the source failed. Failures in a row open a circuit breaker.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from inferno_collector.configuration import PrometheusAddress
from inferno_collector.reasons import Reason
from inferno_collector.roster import Roster
from inferno_collector.sources import LoadReading
from inferno_collector.sources.breaker import Breaker, Circuit
from inferno_collector.sources.matrix import LabelBook, Series
from inferno_collector.sources.prometheus_api import Answer, PrometheusApi
from inferno_collector.sources.queries import Query, QueryOptions, WholeReading, queries_of_a_reading
from inferno_collector.sources.series import Kept, place_series
from inferno_shared.contracts import Problem
from inferno_shared.errors import UpstreamError
from inferno_shared.service import get_logger

_SKEW_SECONDS: Final = 10.0

# An answer of 10,000 pods is 60 MB: one at a time. A tenant's is small, and tenants are many.
_TENANTS_AT_ONCE: Final = 8
_SUBJECT: Final = "Prometheus"

_Results = Mapping[Query, Answer | UpstreamError]

log = get_logger(__name__)


class PrometheusSource:
    """Reads all vLLM series of the window at once.

    `address` and `namespaces` (those that have variants) are asked at each reading: they may change. Readings
    that follow each other within `min_interval_seconds` are one.
    """

    name = "prometheus"

    def __init__(
        self,
        api: PrometheusApi,
        address: Callable[[], PrometheusAddress],
        namespaces: Callable[[], Collection[str]],
        options: QueryOptions,
        *,
        min_interval_seconds: float = 0.0,
        breaker: Breaker | None = None,
    ) -> None:
        self._api = api
        self._address = address
        self._namespaces = namespaces
        self._options = options
        self._min_interval_seconds = min_interval_seconds
        self._breaker = breaker or Breaker()
        self._last: asyncio.Task[LoadReading] | None = None
        self._last_at = 0.0
        self._last_namespaces: frozenset[str] = frozenset()
        self._whole: WholeReading | None = None
        self._kept: Kept = {}
        self._placing = asyncio.Lock()
        self._book = LabelBook()

    async def run(self) -> None:
        """Nothing is done between readings; ends by closing the connections."""
        try:
            await asyncio.Event().wait()
        finally:
            await self._api.close()

    async def read(self, roster: Roster, now: float) -> LoadReading:
        """Ask everything and place the series, or give the last reading again while it is young enough."""
        namespaces = frozenset(self._namespaces())
        age = now - self._last_at
        young = 0 <= age < self._min_interval_seconds and namespaces <= self._last_namespaces
        if self._last is None or not young:
            self._last_at, self._last_namespaces = now, namespaces
            self._last = asyncio.create_task(self._read(roster, namespaces, now))
        reading = self._last
        if not self._min_interval_seconds:
            self._last = None  # it is never given again: what it holds may go
        return await asyncio.shield(reading)

    async def _read(self, roster: Roster, namespaces: frozenset[str], now: float) -> LoadReading:
        circuit = self._breaker.circuit(now)
        if circuit is Circuit.OPEN:
            return LoadReading(self.name, failure=self._refusal(now), circuit=circuit)
        address = self._address()
        longest = self._options.range_seconds
        seconds = self._whole.seconds_since(now, address, namespaces, longest) if self._whole else None
        queries = queries_of_a_reading(namespaces, self._options, seconds)
        self._book.turn()
        results = await self._ask(queries, address, now, probe=circuit is Circuit.HALF_OPEN)
        self._judge(results, now)
        reading = await self._reading(results, roster, now, continued=seconds is not None)
        whole = reading.incomplete is None and all(isinstance(found, Answer) for found in results.values())
        if whole and queries:
            self._whole = WholeReading(now, address, namespaces) if self._kept else None
        return replace(
            reading,
            problems=(*reading.problems, *await self._problems_of_admission(address, results)),
            circuit=self._breaker.circuit(now),
        )

    async def _ask(
        self, queries: Sequence[Query], address: PrometheusAddress, now: float, *, probe: bool
    ) -> _Results:
        """Answers or errors of `queries`; a probe sends the first one alone, and the rest when it answers."""
        at_once = asyncio.Semaphore(_TENANTS_AT_ONCE if self._options.tenancy else 1)

        async def ask(query: Query) -> Answer | UpstreamError:
            async with at_once:
                try:
                    return await self._api.query(address, query, now=now, book=self._book)
                except UpstreamError as error:
                    return error

        first = {query: await ask(query) for query in queries[:1]} if probe else {}
        if any(isinstance(result, UpstreamError) for result in first.values()):
            return first
        rest = queries[len(first) :]
        return first | dict(zip(rest, await asyncio.gather(*map(ask, rest)), strict=True))

    async def _reading(
        self, results: _Results, roster: Roster, now: float, *, continued: bool
    ) -> LoadReading:
        """What the answers say, and what the missing ones cost."""
        problems: list[Problem] = []
        failures: dict[str | None, str] = {}
        warnings: list[str] = []
        answers: list[list[Series]] = []
        for query, result in results.items():
            if isinstance(result, Answer):
                answers.append(result.series)
                warnings.extend(result.warnings)
                problems.extend(_quality(query, result, now))
            elif query.needed:
                failures[query.namespace] = str(result)
            else:
                message = f"the query for {_named(query)} failed: {result}"
                problems.append(Problem(subject=_SUBJECT, reason=Reason.PROMETHEUS_ERROR, message=message))
        count = len(results)
        if failures and len(failures) == sum(query.needed for query in results):
            return LoadReading(self.name, failure=next(iter(failures.values())), queries=count)
        since = now - self._options.range_seconds
        some = any(answers)
        series = _taken_out(answers)
        async with self._placing:  # it uses up what was kept, and another reading may be continuing that too
            # A Prometheus that has lost everything is believed: what it said before is no better.
            kept = self._kept if continued and some else {}
            whole, self._whole, self._kept = self._whole, None, {}  # if placing fails, all is asked for again
            placed = await asyncio.to_thread(place_series, series, roster, kept, since=since)
            self._whole, self._kept = whole, placed.kept
        return LoadReading(
            self.name,
            by_pod=placed.by_pod,
            by_model=placed.by_model,
            problems=tuple(problems),
            failures={namespace: why for namespace, why in failures.items() if namespace is not None},
            incomplete=f"the answer may be incomplete: {warnings[0]}" if warnings else None,
            queries=count,
        )

    def _judge(self, results: _Results, now: float) -> None:
        """Tell the breaker: it is for a server that is down, slow or overloaded, not for one that refuses."""
        needed = [result for query, result in results.items() if query.needed]
        errors = [result for result in needed if isinstance(result, UpstreamError)]
        before = self._breaker.circuit(now)
        if errors and len(errors) == len(needed) and all(map(_is_the_servers_trouble, errors)):
            self._breaker = self._breaker.failed(now, str(errors[0]))
        elif needed:
            self._breaker = self._breaker.succeeded()
        after = self._breaker.circuit(now)
        if before is not after:
            log.warning("circuit to Prometheus", circuit=after.value, before=before.value)

    def _refusal(self, now: float) -> str:
        return (
            f"Prometheus failed {self._breaker.failures} times in a row and is asked again in "
            f"{self._breaker.seconds_left(now):.0f} s (circuit open): {self._breaker.reason}"
        )

    async def _problems_of_admission(self, address: PrometheusAddress, results: _Results) -> list[Problem]:
        if not any(isinstance(result, Answer) for result in results.values()):
            return []
        return [
            Problem(subject=_SUBJECT, reason=reason, message=message)
            for reason, message in await self._api.problems(address)
        ]


def _taken_out(answers: Sequence[list[Series]]) -> Iterator[Series]:
    """The series, each left to the taker alone: of a large cluster they are 60 MB."""
    for series in answers:
        series.reverse()
        while series:
            yield series.pop()


def _is_the_servers_trouble(error: UpstreamError) -> bool:
    return (
        error.status is None
        or error.status
        in {
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.TOO_MANY_REQUESTS,
        }
        or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    )


def _quality(query: Query, answer: Answer, now: float) -> list[Problem]:
    """What lowers the quality of an answer that came: warnings (a store is missing), clocks that differ."""
    problems = []
    if answer.warnings:
        message = f"the answer for {_named(query)} may be incomplete: {answer.warnings[0]}"
        problems.append(Problem(subject=_SUBJECT, reason=Reason.PARTIAL_RESPONSE, message=message))
    if query.needed and answer.server_time is not None:
        skew = now - answer.server_time.timestamp()
        if abs(skew) > _SKEW_SECONDS:
            message = (
                f"our clock and Prometheus' differ by {skew:.0f} s: ages of samples are wrong by as much; "
                "synchronise the nodes' clocks"
            )
            problems.append(Problem(subject=_SUBJECT, reason=Reason.CLOCK_SKEW, message=message))
    return problems


def _named(query: Query) -> str:
    return f"{query.what} in {query.namespace}" if query.namespace else query.what
