"""Times that do not count how long this machine kept its programs waiting for a processor.

A bound on a time is about the product. On a machine that others use too, programs wait for a processor, and
Linux counts the time in which at least one of them did (pressure stall information). That is taken off, up to
half of the time: a busy machine gets at most twice the bound. On an idle machine it is little; where Linux
counts nothing, nothing is taken off.
"""

import time
from pathlib import Path

CPU = Path("/proc/pressure/cpu")
MICROSECONDS = 1e6


def stalled_seconds(pressure: Path = CPU) -> float:
    """Seconds since the machine's start in which a program waited for a processor."""
    try:
        some = pressure.read_text().splitlines()[0]
    except OSError:
        return 0.0
    total = dict(word.split("=") for word in some.split()[1:])["total"]
    return int(total) / MICROSECONDS


def own_seconds(seconds: float, stalled: float) -> float:
    """What is left of `seconds` without waiting."""
    return seconds - min(stalled, seconds / 2)


class Stopwatch:
    """Runs from its making on."""

    def __init__(self) -> None:
        self._started, self._stalled = time.monotonic(), stalled_seconds()

    def seconds(self) -> float:
        """Seconds since then, without those of waiting for a processor."""
        return own_seconds(time.monotonic() - self._started, stalled_seconds() - self._stalled)
