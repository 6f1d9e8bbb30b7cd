"""Serving in simulation: Poisson arrivals at any rate, and replicas behind one queue that are scraped."""

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from inferno_collector.samples import ABSENT, Metric

PLACES_PER_REPLICA: Final = 4
OUTPUT_TOKENS: Final = 279
SERVICE_SECONDS: Final = 6.2

Rate = Callable[[float], float]
"""Requests per minute at a time in seconds."""


class Engine:
    """Replicas behind one queue: requests start in the order of their arrival and take the same time each."""

    def __init__(self) -> None:
        self.places = PLACES_PER_REPLICA
        self._done = 0
        self._ends: list[float] = []
        self._waiting: deque[float] = deque()

    def arrive(self, now: float) -> None:
        self.work_until(now)
        self._waiting.append(now)
        self._start(now)

    def work_until(self, now: float) -> None:
        self._start(now)
        while self._ends and self._ends[0] <= now:
            end = heapq.heappop(self._ends)
            self._done += 1
            self._start(end)

    def cells(self) -> list[float]:
        """A scrape."""
        cells = [ABSENT] * len(Metric)
        cells[Metric.COMPLETED] = self._done
        cells[Metric.GENERATION_TOKENS_SUM] = self._done * OUTPUT_TOKENS
        cells[Metric.GENERATION_TOKENS_COUNT] = self._done
        cells[Metric.RUNNING] = len(self._ends)
        cells[Metric.WAITING] = len(self._waiting)
        return cells

    def _start(self, now: float) -> None:
        while self._waiting and len(self._ends) < self.places:
            self._waiting.popleft()
            heapq.heappush(self._ends, now + SERVICE_SECONDS)


def arrival_times(
    rate_rpm: Rate, random_numbers: random.Random, begin: float, until: float, batch: int
) -> Iterator[float]:
    """Poisson arrivals of batches, whose sizes are geometric with the given mean; rates by thinning.

    The rate is highest at one of the ends.
    """
    now, fastest = begin, max(rate_rpm(begin), rate_rpm(until)) / 60 / batch
    while now < until:
        now += random_numbers.expovariate(fastest)
        if random_numbers.random() * fastest * 60 * batch <= rate_rpm(now):
            yield now
            while random_numbers.random() > 1 / batch:
                yield now
