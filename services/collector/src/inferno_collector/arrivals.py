"""How many requests arrived in each scrape interval, at all pods of a group together.

The pods of a group are scraped at different moments, and load moves between them when one starts or stops:
only their sum says whether the demand changed. Each pod that answers is read backwards from its own newest
scrape, one that is gone from the moment that the group's newest scrape was made.
"""

import math
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import add, sub
from typing import Final

from inferno_collector.flow import in_flight_by_row, restarted_rows
from inferno_collector.samples import History, Metric, usable
from inferno_collector.steadiness import Arrivals

_MOST_INTERVALS: Final = 60

# Scrapes of one round differ by less than this part of the interval: taken as made at the same moment.
_SAME_MOMENT: Final = 0.1


@dataclass(frozen=True, slots=True)
class Ledger:
    """Requests that had arrived at one pod by each of its scrapes; at least two, times rising strictly.

    `born`: the pod did not exist before the first time.
    """

    times: Sequence[float]
    totals: Sequence[float]
    born: bool = False

    def at(self, moments: Sequence[float]) -> Sequence[float]:
        """Totals at other moments, in order: on the line between two scrapes; after the last the newest.

        Before its first scrape a pod had the mean rate that it has since; before its birth it had none.
        """
        interval = (self.times[-1] - self.times[0]) / (len(self.times) - 1)
        if len(moments) == len(self.times):
            apart = list(map(sub, moments, self.times))
            if max(apart) <= interval * _SAME_MOMENT and min(apart) >= -interval * _SAME_MOMENT:
                return self.totals
        return [self._at(moment) for moment in moments]

    def _at(self, moment: float) -> float:
        after = bisect_right(self.times, moment)
        if after == len(self.times):
            return self.totals[-1]
        if after == 0 and self.born:
            return self.totals[0]
        first, last = (after - 1, after) if after else (0, -1)
        slope = (self.totals[last] - self.totals[first]) / (self.times[last] - self.times[first])
        return self.totals[first] + slope * (moment - self.times[first])

    def later_by(self, seconds: float) -> "Ledger":
        """The same with all times so much later."""
        return Ledger([at + seconds for at in self.times], self.totals, self.born) if seconds else self


def ledger(history: History, *, begin: float, born_at: float | None = None) -> Ledger | None:
    """The pod from its last scrape at or before `begin` on; None when there are no two moments to compare.

    Example: rows (0 s: 10 done, 2 running), (15 s: 14 done, 3 running), (30 s, restarted: 1 done, 4 running)
    have the totals 12, 17 and 22: five requests came in each of the intervals.
    """
    times = history.times
    first = max(bisect_right(times, begin) - 1, 0)
    done = history.column(Metric.COMPLETED, first)
    in_flight = in_flight_by_row(history, first)
    sums = list(map(add, done, in_flight)) if usable(in_flight[-1]) else done
    restarts = restarted_rows(history, first)
    born = born_at is not None and begin < born_at < times[first]
    at, totals = times[first:], sums
    if restarts or not all(map(math.isfinite, sums)):
        points = list(_points(sums, frozenset(restarts)))
        at, totals = [at[row] for row, _ in points], [total for _, total in points]
    if born and born_at is not None:
        at, totals = [born_at, *at], [0.0, *totals]
    return Ledger(at, totals, born=born) if len(at) > 1 else None


def pooled(answering: Sequence[Ledger], gone: Sequence[Ledger]) -> tuple[Arrivals, Sequence[float]]:
    """Arrivals of all pods by intervals, and how many seconds before the newest scrape each interval begins.

    The intervals are those between the scrapes of the pod with most of them, several in one when there are
    many. At least one pod answers.
    """
    guide = max(answering, key=lambda pod: len(pod.times))
    newest = max(pod.times[-1] for pod in answering)
    moments = [at + newest - guide.times[-1] for at in guide.times]
    look_seconds = (moments[-1] - moments[0]) / (len(moments) - 1)
    together = -(-(len(moments) - 1) // _MOST_INTERVALS)
    moments = moments[::-1][::together][::-1]
    totals: Sequence[float] = [0.0] * len(moments)
    for pod in (*(pod.later_by(newest - pod.times[-1]) for pod in answering), *gone):
        totals = list(map(add, totals, pod.at(moments)))
    # A scrape may catch a request between two of the engine's numbers; nothing arrives less than never.
    counts = [max(after - before, 0.0) for before, after in pairwise(totals)]
    seconds = [after - before for before, after in pairwise(moments)]
    return Arrivals(counts, seconds, look_seconds), [newest - at for at in moments[:-1]]


def _points(sums: Sequence[float], restarts: Collection[int]) -> Iterator[tuple[int, float]]:
    """Rows that have a number, and their totals; what a process did that began anew is added to what was."""
    total = before = 0.0
    restarted = False
    for row, now in enumerate(sums):
        restarted = restarted or row in restarts
        if usable(now):
            total += now if restarted else now - before
            before, restarted = now, False
            yield row, total
