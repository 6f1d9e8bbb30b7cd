"""Reads durations as Kubernetes users write them (`60s`, `1m30s`, `500ms`): GLOBAL_OPT_INTERVAL is one."""

import re
from typing import Final

_SECONDS_PER_UNIT: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_WHOLE: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+")

MIN_INTERVAL_SECONDS: Final = 1.0
MAX_INTERVAL_SECONDS: Final = 86_400.0


def parse_duration_seconds(text: str) -> float:
    """Seconds in a duration of Go's notation.

    Example: `1m30s` is 90.0.

    Raises:
        ValueError: the text is not a duration; the message says what one looks like.
    """
    stripped = text.strip()
    if not _WHOLE.fullmatch(stripped):
        raise ValueError(f"{text!r} is not a duration: write it like 60s, 1m30s or 500ms")
    return sum(float(number) * _SECONDS_PER_UNIT[unit] for number, unit in _PART.findall(stripped))


def parse_interval_seconds(text: str) -> float:
    """Seconds between two runs of the loop.

    Raises:
        ValueError: not a duration, or outside one second to one day.
    """
    seconds = parse_duration_seconds(text)
    if not MIN_INTERVAL_SECONDS <= seconds <= MAX_INTERVAL_SECONDS:
        raise ValueError(f"{text!r} is outside 1s to 24h")
    return seconds


def parse_window_seconds(text: str) -> float:
    """Seconds of a time window; `none` and `0` are none.

    Raises:
        ValueError: not a duration, or above one day.
    """
    if text.strip().lower() in ("", "0", "none", "off"):
        return 0.0
    seconds = parse_duration_seconds(text)
    if seconds > MAX_INTERVAL_SECONDS:
        raise ValueError(f"{text!r} is above 24h")
    return seconds
