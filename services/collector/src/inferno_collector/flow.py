"""What one pod did between two moments, from its counters and gauges, whatever happened to it meanwhile.

A container that restarts begins again at zero and loses what it had in flight; a pod that was created within
the window began at zero. Neither is load, neither is a negative rate.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from operator import add, le
from typing import Final, NamedTuple

from inferno_collector.samples import ABSENT, GAUGES, History, Metric, usable

_COUNTERS: Final = tuple(metric for metric in Metric if metric not in GAUGES)

# Any of these falling means that the process began anew: requests finish, tokens and first tokens come at
# different times, so together they notice a restart that one of them could miss.
_RESTART_WITNESSES: Final = (Metric.COMPLETED, Metric.GENERATION_TOKENS_SUM, Metric.TTFT_SECONDS_COUNT)


class Mean(NamedTuple):
    """A sum and the count that it is over."""

    total: float = 0.0
    over: float = 0.0

    @property
    def value(self) -> float | None:
        """The mean; None over nothing."""
        return self.total / self.over if self.over > 0 else None

    def plus(self, other: "Mean") -> "Mean":
        """Both together."""
        return Mean(self.total + other.total, self.over + other.over)


class Means(NamedTuple):
    """What was measured per request or token."""

    input_tokens: Mean = Mean()
    output_tokens: Mean = Mean()
    queue_seconds: Mean = Mean()
    ttft_seconds: Mean = Mean()
    itl_seconds: Mean = Mean()

    def plus(self, other: "Means") -> "Means":
        """Both together, field by field."""
        return Means(*(mine.plus(theirs) for mine, theirs in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class Flow:
    """One pod from `begin` to `end` (seconds since the epoch).

    `born` says that the pod did not exist before `begin`. `arrived` counts requests that came in: completions
    plus the change of what is in flight. `completed` is None when the engine does not tell.
    """

    begin: float
    end: float
    born: bool
    rows: int
    completed: float | None
    arrived: float | None
    running: float | None
    waiting: float | None
    in_flight_at_begin: float
    means: Means
    history: History

    @property
    def lifetime(self) -> Means:
        """Means since the process started, from its counters as they stand."""
        return _means({metric: _number(self.history.value(metric, -1)) for metric in _COUNTERS})

    @property
    def in_flight(self) -> float:
        """Requests in the engine at the end, running and waiting."""
        return (self.running or 0.0) + (self.waiting or 0.0)


def pod_flow(history: History, *, window_begin: float, born_at: float | None = None) -> Flow:
    """Read a history from the last row at or before `window_begin` (else its first row) to its newest row.

    A pod with `born_at` later than `window_begin` and earlier than its first row began with zeros then.

    Example: rows (0 s: 10 done, 2 running) and (60 s: 30 done, 8 running) give 20 completions and
    20 + (8 - 2) = 26 arrivals in 60 s.
    """
    times = history.times
    first = max(bisect_right(times, window_begin) - 1, 0)
    born = born_at is not None and window_begin < born_at < times[first]
    restarts = restarted_rows(history, first)
    increases = {metric: _increase(history, metric, first, restarts, born=born) for metric in _COUNTERS}
    completed = increases[Metric.COMPLETED]
    in_flight = in_flight_by_row(history, first)
    at_begin = 0.0 if born else next(filter(usable, in_flight), 0.0)
    return Flow(
        begin=born_at if born and born_at is not None else times[first],
        end=history.newest_at,
        born=born,
        rows=len(times) - first + born,
        completed=completed,
        arrived=_arrived(completed, in_flight, at_begin, restarts),
        running=_number(history.value(Metric.RUNNING, -1)),
        waiting=_number(history.value(Metric.WAITING, -1)),
        in_flight_at_begin=at_begin,
        means=_means(increases),
        history=history,
    )


def restarted_rows(history: History, first: int) -> Sequence[int]:
    """Rows, counted from `first`, in which the process had begun anew since the row before."""
    found: set[int] = set()
    for metric in _RESTART_WITNESSES:
        column = history.column(metric, first)
        if not all(map(le, column, islice(column, 1, None))):
            present = [(row, value) for row, value in enumerate(column) if usable(value)]
            found.update(row for (_, before), (row, after) in pairwise(present) if after < before)
    return sorted(found)


def _increase(
    history: History, metric: Metric, first: int, restarts: Sequence[int], *, born: bool
) -> float | None:
    """Growth of a counter; after a restart it grows from zero. None when no row has the metric."""
    begin, end = history.value(metric, first), history.value(metric, -1)
    if not restarts and not born and begin <= end < math.inf:
        return end - begin
    present = [(row, value) for row, value in enumerate(history.column(metric, first)) if usable(value)]
    if not present:
        return None
    grown = present[0][1] if born else 0.0
    pending = iter(restarts)
    next_restart = next(pending, None)
    for (_, before), (row, after) in pairwise(present):
        restarted = False
        while next_restart is not None and next_restart <= row:
            restarted = True
            next_restart = next(pending, None)
        grown += after if restarted or after < before else after - before
    return grown


def in_flight_by_row(history: History, first: int) -> Sequence[float]:
    """Running plus waiting of each row; ABSENT where the engine did not say how many run."""
    running = history.column(Metric.RUNNING, first)
    waiting = history.column(Metric.WAITING, first)
    sums = list(map(add, running, waiting))
    if all(map(math.isfinite, sums)):
        return sums
    return [
        run + (wait if usable(wait) else 0.0) if usable(run) else ABSENT
        for run, wait in zip(running, waiting, strict=True)
    ]


def _arrived(
    completed: float | None, in_flight: Sequence[float], at_begin: float, restarts: Sequence[int]
) -> float | None:
    """Completions, plus what is in flight now, minus what was at the start, plus what restarts have lost."""
    if completed is None:
        return None
    if not usable(in_flight[-1]):
        return completed
    lost = sum(before for before in _before(in_flight, restarts) if usable(before))
    return completed + in_flight[-1] - at_begin + lost


def _before(in_flight: Sequence[float], restarts: Sequence[int]) -> Iterator[float]:
    return (in_flight[row - 1] for row in restarts if row > 0)


def _means(values: Mapping[Metric, float | None]) -> Means:
    def mean(total: Metric, count: Metric) -> Mean:
        return Mean(values[total] or 0.0, values[count] or 0.0)

    return Means(
        input_tokens=mean(Metric.PROMPT_TOKENS_SUM, Metric.PROMPT_TOKENS_COUNT),
        output_tokens=mean(Metric.GENERATION_TOKENS_SUM, Metric.GENERATION_TOKENS_COUNT),
        queue_seconds=mean(Metric.QUEUE_SECONDS_SUM, Metric.QUEUE_SECONDS_COUNT),
        ttft_seconds=mean(Metric.TTFT_SECONDS_SUM, Metric.TTFT_SECONDS_COUNT),
        itl_seconds=mean(Metric.ITL_SECONDS_SUM, Metric.ITL_SECONDS_COUNT),
    )


def _number(value: float) -> float | None:
    return value if usable(value) else None
