"""Decides how far back arrivals are like the newest ones: the longest recent window of one steady rate.

A short window follows noise, a long one is late. So the window is long while the counts per scrape interval
allow one rate for all of it, and begins at the most likely change of the rate when they do not.

Test, for each split of the window into its newest k intervals and the rest: when arrivals are Poisson of one
rate, then of the N requests in the window the newest part, which is p = t / T of its time, has a number that
is binomial (N, p). With x observed,

    G = x ln(x / (N p)) + (N - x) ln((N - x) / (N (1 - p)))      log-likelihood ratio of "two rates"
    z = sqrt(2 G), x taken half a request nearer to N p           P(as far out, same side) = 1 - Phi(z)

which meets the exact binomial tail to within a factor of 1.5 from 1 in 100 down to 1 in 10 million, for any
N and p (Zubkov and Serov, 2013, prove that taking x as it is and a whole request nearer enclose the tail).

Level: split k is rejected at a / (k H), H = 1 + 1/2 + ... + 1/(number of splits). So by Bonferroni a look at
steady arrivals sees a change with a probability of at most a, a = (false changes per hour) x (seconds between
looks) / 3600. Neighbouring looks share most of their data: what happens is less than half of that bound (the
table of tests/bench/bench_demand.py). Caution is not the same both ways: a rise that is none costs a replica
for minutes, a fall that is none costs requests their latency. The bounds are six false rises per hour and one
false fall: what is read in the end moves less, since the last reading stands against noise (`holding.py`).

A server that has just begun is known for less than the window, idle at first, and that idle time must not
hide its first requests. With N requests, all after an empty time t of T known seconds, one rate for all of it
has the probability (1 - t/T)^N (the least of N uniform moments). Below 1 in 20 the window begins after it:
with 12 empty seconds of 24 from the 5th request on. Asked only while less than the window is known.

Of the splits that are rejected the one with the largest z is the most likely change: the window begins there,
and is tested again, until nothing in it is rejected.

Arrivals in bursts (agents that fan out, batch jobs) vary more than Poisson's. Neighbouring counts a, b of one
Poisson rate have (a - b)^2 / (a + b) = 1 on average. When the mean of these exceeds 1 by more than 2.5 of its
standard deviations, z is divided by its square root; the two largest are left out of it (a step makes two).

Worked example: 19 intervals of 15 s with 10 requests each, then one with 25. N = 215, p = 1/20, N p = 10.75,
x = 24.5: G = 24.5 ln(24.5/10.75) + 190.5 ln(190.5/204.25) = 6.91, z = 3.72. Looks every 15 s with six
false rises per hour have a = 1/40, H = 3.548, so k = 1 needs 1 - Phi(z) < 0.00705, which is z > 2.45: the
rate rose, and the window is the last 15 s. With 19 in the newest interval z = 2.32: the window stays whole.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()
_SECONDS_PER_HOUR: Final = 3_600.0

# Below this square of the plain normal score no level in use rejects: saves two logarithms per split.
_NEVER_REJECTED: Final = 4.0

_PAIRS_LEFT_OUT: Final = 2
_PAIRS_NEEDED: Final = 8
_SIGNIFICANT_DEVIATIONS: Final = 2.5


@dataclass(frozen=True, slots=True)
class Caution:
    """How many changes per hour may be seen, on average, where there are none: upwards and downwards.

    `false_starts`: probability that an empty beginning is left out although the rate was the same in it.
    """

    false_rises_per_hour: float = 6.0
    false_falls_per_hour: float = 1.0
    false_starts: float = 0.05


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Requests that arrived in consecutive intervals, oldest first, and how long these are.

    `look_seconds`: time from one new sample to the next, which is how often these are looked at.
    `from_the_start`: nothing is known of the time before the first interval, though the window is longer.
    """

    counts: Sequence[float]
    seconds: Sequence[float]
    look_seconds: float
    from_the_start: bool = False

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.seconds):
            raise ValueError(f"{len(self.counts)} counts have {len(self.seconds)} durations")


@dataclass(frozen=True, slots=True)
class Steady:
    """The steady part: intervals from `first` on; `rose` tells the change before it, None without one.

    `dispersion`: how many times more than Poisson's the counts vary.
    """

    first: int
    rose: bool | None = None
    dispersion: float = 1.0


def steady_part(arrivals: Arrivals, caution: Caution) -> Steady:
    """The longest newest part of one rate; the whole of it when nothing contradicts."""
    found = _after_empty_start(arrivals, caution)
    varying = dispersion(arrivals.counts)
    while (change := _change_after(found.first, arrivals, caution, math.sqrt(varying))) is not None:
        found = change
    return replace(found, dispersion=varying)


def _after_empty_start(arrivals: Arrivals, caution: Caution) -> Steady:
    """From the first request on, when the empty time before it cannot be of the same rate."""
    first = next((place for place, count in enumerate(arrivals.counts) if count > 0), 0)
    if not first or not arrivals.from_the_start:
        return Steady(0)
    share = sum(arrivals.seconds[:first]) / sum(arrivals.seconds)
    same_rate = (1 - share) ** sum(arrivals.counts)
    return Steady(first, rose=True) if same_rate < caution.false_starts else Steady(0)


def score(recent: float, count: float, share: float) -> float:
    """How far `recent` of `count` requests are from a `share` of them: z as above, negative when fewer."""
    expected = count * share
    rose = recent > expected
    x = recent - 0.5 if rose else recent + 0.5
    if count <= 0 or (x <= expected) is rose:
        return 0.0
    x = min(x, count)
    ratio = _term(x, expected) + _term(count - x, count - expected)
    z = math.sqrt(2 * max(ratio, 0.0))
    return z if rose else -z


def dispersion(counts: Sequence[float]) -> float:
    """How many times more than Poisson's the counts vary from one to the next; 1 unless it is significant."""
    pairs = sorted((a - b) ** 2 / (a + b) for a, b in pairwise(counts) if a + b > 0)
    kept = len(pairs) - _PAIRS_LEFT_OUT
    if kept < _PAIRS_NEEDED:
        return 1.0
    found = sum(pairs[:kept]) / kept / _mean_of_smallest(kept, len(pairs))
    return found if found > 1 + _SIGNIFICANT_DEVIATIONS * math.sqrt(3 / kept) else 1.0


def _change_after(first: int, arrivals: Arrivals, caution: Caution, scale: float) -> Steady | None:
    """The most likely change of the rate after interval `first`, if any is beyond doubt."""
    counts, seconds = arrivals.counts, arrivals.seconds
    splits = len(counts) - first - 1
    if splits < 1:
        return None
    count, span = sum(counts[first:]), sum(seconds[first:])
    hours = arrivals.look_seconds / _SECONDS_PER_HOUR
    level_of_rise = _two_digits(caution.false_rises_per_hour * hours)
    level_of_fall = _two_digits(caution.false_falls_per_hour * hours)
    change, largest, recent, recent_seconds = None, 0.0, 0.0, 0.0
    for k in range(1, splits + 1):
        recent += counts[-k]
        recent_seconds += seconds[-k]
        share = recent_seconds / span
        excess = recent - count * share
        if excess * excess < _NEVER_REJECTED * count * share * (1 - share):
            continue
        z = abs(score(recent, count, share)) / scale
        if z <= largest:
            continue
        if z > _least_score(k, splits, level_of_rise if excess > 0 else level_of_fall):
            change, largest = Steady(len(counts) - k, rose=excess > 0), z
    return change


@lru_cache(maxsize=4_096)
def _least_score(k: int, splits: int, level: float) -> float:
    """The z from which split k of so many is rejected, at the level of one look."""
    harmonic = sum(1 / split for split in range(1, splits + 1))
    return -_NORMAL.inv_cdf(min(max(level / (k * harmonic), 1e-15), 0.5))


@lru_cache(maxsize=1_024)
def _mean_of_smallest(kept: int, count: int) -> float:
    """Mean of the `kept` smallest of `count` squares of standard normal numbers."""
    quantiles = (_NORMAL.inv_cdf(0.5 + 0.5 * (place + 0.5) / count) for place in range(kept))
    return sum(quantile**2 for quantile in quantiles) / kept


def _two_digits(level: float) -> float:
    """Scrapes are never apart by exactly the same time: levels next to each other are one in the cache."""
    return float(f"{level:.1e}")


def _term(x: float, expected: float) -> float:
    return x * math.log(x / expected) if x > 0 else 0.0
