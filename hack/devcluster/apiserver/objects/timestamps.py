"""Times as the API writes them and ages as kubectl's tables show them."""

from datetime import UTC, datetime

MINUTE_SECONDS = 60
HOUR_SECONDS = 60 * MINUTE_SECONDS
DAY_SECONDS = 24 * HOUR_SECONDS
YEAR_DAYS = 365


def rfc3339(moment: datetime) -> str:
    """A time with whole seconds, such as 2025-09-04T18:37:23Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_rfc3339(text: str) -> datetime | None:
    """The time that a field holds, or None when it holds none."""
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def age(since: object, now: datetime) -> str:
    """The age column: how long ago a timestamp field was, `<unknown>` when it is missing or no time."""
    moment = parse_rfc3339(since) if isinstance(since, str) else None
    if moment is None:
        return "<unknown>"
    return human_duration((now - moment).total_seconds())


def human_duration(duration_seconds: float) -> str:  # noqa: PLR0911 - one return per unit
    """A duration with at most two units, rounded down the way kubectl does.

    Worked examples: 119 s is `119s`, 150 s `2m30s`, 11 min `11m`, 3 h 41 min `3h41m`, 50 h `2d2h`.
    """
    seconds = int(duration_seconds)
    if seconds < -1:
        return "<invalid>"
    seconds = max(seconds, 0)
    if seconds < 2 * MINUTE_SECONDS:
        return f"{seconds}s"
    if seconds < 10 * MINUTE_SECONDS:
        return _two_units(seconds, MINUTE_SECONDS, "m", 1, "s")
    if seconds < 3 * HOUR_SECONDS:
        return f"{seconds // MINUTE_SECONDS}m"
    if seconds < 8 * HOUR_SECONDS:
        return _two_units(seconds, HOUR_SECONDS, "h", MINUTE_SECONDS, "m")
    if seconds < 2 * DAY_SECONDS:
        return f"{seconds // HOUR_SECONDS}h"
    if seconds < 8 * DAY_SECONDS:
        return _two_units(seconds, DAY_SECONDS, "d", HOUR_SECONDS, "h")
    if seconds < 2 * YEAR_DAYS * DAY_SECONDS:
        return f"{seconds // DAY_SECONDS}d"
    if seconds < 8 * YEAR_DAYS * DAY_SECONDS:
        return _two_units(seconds, YEAR_DAYS * DAY_SECONDS, "y", DAY_SECONDS, "d")
    return f"{seconds // (YEAR_DAYS * DAY_SECONDS)}y"


def _two_units(seconds: int, big_seconds: int, big: str, small_seconds: int, small: str) -> str:
    rest = seconds % big_seconds // small_seconds
    head = f"{seconds // big_seconds}{big}"
    return f"{head}{rest}{small}" if rest else head
