"""Decides whether the rate that was read last still stands, or the window has moved away from it.

However long the window, its rate goes on moving by its own noise, and where a replica more or less is decided
by a hair the plan would follow it. So the last reading stands as long as the window agrees with it: with R
read last, the window's T seconds have a number of arrivals that is Poisson (R T), so its rate r obeys

    z = (r - R) / sqrt(v R / T),   v the dispersion of `steadiness.py`; |z| <= 1.2: the reading stands.

What is read is never further from the window's own rate than that, and within it as often above as below: no
guess downwards, and no drift. The bound is narrower the lower R is, so a rise from little is taken at once
and a fall from much with care. A reading from before a change of the rate never stands, and none is idle.
Nor does a reading from a young window outlive its evidence: when the window has grown by half, it is read
anew. Soon after a step the first reading may be far off by chance, and must not be what the plan stays at.

Worked example: 100 requests/min read last, a window of 300 s: 500 arrivals, whose standard deviation is 22.4,
so any rate from 94.6 to 105.4 leaves it at 100; at 106 the reading is 106.
"""

import math
from dataclasses import dataclass
from typing import Final

EVIDENCE_GROWTH: Final = 1.5
"""A reading stands until the window is this many times as long as the one that it was read from."""


@dataclass(frozen=True, slots=True)
class RateRead:
    """Arrivals per second as they were read, the time of the newest sample then and the window's seconds."""

    rate: float
    at: float
    seconds: float


def stands(read: RateRead, rate: float, *, seconds: float, dispersion: float, deviations: float) -> bool:
    """Whether `read` agrees with `rate`, measured over `seconds`; 0 is idle and agrees with none."""
    if rate <= 0 or seconds <= 0 or seconds > EVIDENCE_GROWTH * read.seconds:
        return False
    return abs(rate - read.rate) <= deviations * math.sqrt(dispersion * read.rate / seconds)
