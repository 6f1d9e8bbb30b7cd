"""Load from Prometheus or Thanos: three batched queries per cycle, however many variants there are.

Range selectors bring the raw samples, so that rates come from the same code as when scraping, and no function
of the query language extrapolates or hides a reset.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from inferno_collector.configuration import PrometheusAddress
from inferno_collector.roster import Roster
from inferno_collector.sources import LoadReading
from inferno_collector.sources.prometheus_api import Answer, PrometheusApi
from inferno_collector.sources.series import Placed, place_series
from inferno_shared.contracts import Problem
from inferno_shared.errors import UpstreamError

# Beyond the window, so that a sample at or before its beginning is there with scrape intervals of up to 60 s.
_EARLIER_SECONDS: Final = 60.0
_SKEW_SECONDS: Final = 10.0
_SUBJECT: Final = "Prometheus"


@dataclass(frozen=True, slots=True)
class _Batch:
    """One query; `needed` batches make the load, the others its details."""

    what: str
    names: str
    needed: bool = False

    def query(self, seconds: float) -> str:
        return f'{{__name__=~"{self.names}"}}[{seconds:.0f}s]'


_BATCHES: Final = (
    _Batch("requests", "vllm:(request_success_total|num_requests_running|num_requests_waiting)", needed=True),
    _Batch("tokens", "vllm:request_(prompt|generation)_tokens_(sum|count)"),
    _Batch(
        "latencies",
        "vllm:(request_queue_time|time_to_first_token|inter_token_latency|time_per_output_token)"
        "_seconds_(sum|count)",
    ),
)


class PrometheusSource:
    """Reads all vLLM series of the window at once. `address` is asked at each reading: it may change."""

    name = "prometheus"

    def __init__(
        self, api: PrometheusApi, address: Callable[[], PrometheusAddress], *, window_seconds: float
    ) -> None:
        self._api = api
        self._address = address
        self._range_seconds = window_seconds + _EARLIER_SECONDS

    async def run(self) -> None:
        """Nothing is done between readings; ends by closing the connections."""
        try:
            await asyncio.Event().wait()
        finally:
            await self._api.close()

    async def read(self, roster: Roster, now: float) -> LoadReading:
        """Query all batches at once and place their series."""
        address = self._address()
        answers = await asyncio.gather(*(self._ask(batch, address, now) for batch in _BATCHES))
        problems: list[Problem] = []
        series = []
        for batch, answer in zip(_BATCHES, answers, strict=True):
            if isinstance(answer, UpstreamError):
                if batch.needed:
                    return LoadReading(self.name, failure=str(answer), queries=len(_BATCHES))
                message = f"the query for {batch.what} failed: {answer}"
                problems.append(Problem(subject=_SUBJECT, reason="PrometheusError", message=message))
                continue
            series.append(answer.series)
            problems.extend(_quality(batch, answer, now))
        placed: Placed = await asyncio.to_thread(
            place_series, [entry for listed in series for entry in listed], roster
        )
        return LoadReading(
            self.name,
            by_pod=placed.by_pod,
            by_model=placed.by_model,
            problems=tuple(problems),
            queries=len(_BATCHES),
        )

    async def _ask(self, batch: _Batch, address: PrometheusAddress, now: float) -> Answer | UpstreamError:
        try:
            return await self._api.query(address, batch.query(self._range_seconds), now=now)
        except UpstreamError as error:
            return error


def _quality(batch: _Batch, answer: Answer, now: float) -> Sequence[Problem]:
    """What lowers the quality of an answer that came: warnings (a store is missing), clocks that differ."""
    problems = []
    if answer.warnings:
        message = f"the answer for {batch.what} may be incomplete: {answer.warnings[0]}"
        problems.append(Problem(subject=_SUBJECT, reason="PartialResponse", message=message))
    if batch.needed and answer.server_time is not None:
        skew = now - answer.server_time.timestamp()
        if abs(skew) > _SKEW_SECONDS:
            message = (
                f"our clock and Prometheus' differ by {skew:.0f} s: ages of samples are wrong by as much; "
                "synchronise the nodes' clocks"
            )
            problems.append(Problem(subject=_SUBJECT, reason="ClockSkew", message=message))
    return problems
