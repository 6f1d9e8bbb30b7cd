"""Decides whether a status is worth a write: it changed, its heartbeat is due, or neither.

What was decided (desired, applied, the status, reason and generation of a condition) always counts. What was
measured jitters with every scrape and counts only beyond a relative threshold, in `currentAlloc` and in the
numbers that stand in a condition's message alike. It is compared with what was last written, so a slow drift
is written as well, once it has summed up. Nothing here writes, and nothing reads a clock.

Worked example (threshold 10 %): 37.50 requests/min written, 40.10 measured: 6.9 % is noise; 41.30 is news.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Final

LAST_RUN_TIME: Final = "lastRunTime"
_NUMBER: Final = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")
_SMALLEST_NEWS: Final = 0.5
"""Differences below half a unit (ms, requests/min, tokens) are no news however small the number is."""


class Urgency(IntEnum):
    """How much a status wants to be written."""

    NONE = 0
    HEARTBEAT = 1
    CHANGE = 2


def urgency(
    previous: Mapping[str, Any],
    following: Mapping[str, Any],
    *,
    now: datetime,
    heartbeat_seconds: float,
    noise: float,
) -> Urgency:
    """What writing `following` over `previous` would tell.

    Args:
        previous: the status that is there.
        following: the status that this cycle makes.
        now: of this cycle.
        heartbeat_seconds: age of lastRunTime at which people would take the loop for dead.
        noise: relative threshold of measured numbers; 0: every number counts.
    """
    if not _alike(_comparable(previous), _comparable(following), noise):
        return Urgency.CHANGE
    if last_run(following) == last_run(previous):
        return Urgency.NONE
    before = last_run(previous)
    late = before is None or (now - before).total_seconds() >= heartbeat_seconds
    return Urgency.HEARTBEAT if late else Urgency.NONE


def last_run(status: Mapping[str, Any]) -> datetime | None:
    """When the desired allocation was last decided; None when the status does not say."""
    desired = status.get("desiredOptimizedAlloc")
    text = desired.get(LAST_RUN_TIME) if isinstance(desired, Mapping) else None
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def _comparable(status: Mapping[str, Any]) -> dict[str, Any]:
    desired = status.get("desiredOptimizedAlloc")
    if not isinstance(desired, Mapping):
        return dict(status)
    return {**status, "desiredOptimizedAlloc": {k: v for k, v in desired.items() if k != LAST_RUN_TIME}}


def _alike(before: object, after: object, noise: float) -> bool:
    """Equal, texts being equal also when only numbers in them differ by no more than noise."""
    if before == after:
        return True
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return before.keys() == after.keys() and all(_alike(before[k], after[k], noise) for k in after)
    if isinstance(before, str) and isinstance(after, str):
        return _texts_alike(before, after, noise)
    if isinstance(before, Sequence) and isinstance(after, Sequence):
        return len(before) == len(after) and all(map(lambda b, a: _alike(b, a, noise), before, after))
    return False


def _texts_alike(before: str, after: str, noise: float) -> bool:
    if _NUMBER.sub("#", before) != _NUMBER.sub("#", after):
        return False
    numbers = zip(_NUMBER.findall(before), _NUMBER.findall(after), strict=True)
    return all(_close(float(one), float(other), noise) for one, other in numbers)


def _close(before: float, after: float, noise: float) -> bool:
    if noise <= 0:
        return before == after
    difference = abs(after - before)
    return difference < _SMALLEST_NEWS or difference <= noise * abs(before)
