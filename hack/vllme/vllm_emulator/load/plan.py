"""When requests are sent: stages of constant rate, with Poisson or evenly spaced arrivals. Pure."""

import dataclasses
import enum
import json
import math
import random
from collections.abc import Iterator, Sequence

FORM = "a list of [seconds, requests per minute], for example '[[180, 50]]'"

NO_ARRIVAL = 1e-9  # a stage that expects fewer requests than this has none


class Mode(enum.StrEnum):
    """How arrivals are spread within a stage."""

    POISSON = "poisson"
    DETERMINISTIC = "deterministic"


@dataclasses.dataclass(frozen=True, slots=True)
class Stage:
    """So many seconds at one rate."""

    seconds: float
    rate_rpm: float


def parse_stages(text: str) -> tuple[Stage, ...]:
    """Read the value of --rate.

    Raises:
        ValueError: it is not as FORM says.
    """
    try:
        pairs = json.loads(text)
    except ValueError:
        raise ValueError(f"must be {FORM}, not {text}") from None
    if not isinstance(pairs, list) or not pairs:
        raise ValueError(f"must be {FORM}, not {text}")
    return tuple(_stage(pair) for pair in pairs)


def _stage(pair: object) -> Stage:
    match pair:
        case [int() | float() as seconds, int() | float() as rate_rpm] if (
            0 < seconds < math.inf and 0 <= rate_rpm < math.inf and not isinstance(rate_rpm, bool)
        ):
            return Stage(seconds, rate_rpm)
        case _:
            raise ValueError(f"must be {FORM}; seconds above 0, rate at least 0; {json.dumps(pair)} is not")


def duration_seconds(stages: Sequence[Stage]) -> float:
    """Length of the whole plan."""
    return sum(stage.seconds for stage in stages)


def rate_rpm_at(stages: Sequence[Stage], elapsed_seconds: float) -> float:
    """The rate that is planned at this moment; 0 afterwards."""
    ends = 0.0
    for stage in stages:
        ends += stage.seconds
        if elapsed_seconds < ends:
            return stage.rate_rpm
    return 0.0


def arrivals(stages: Sequence[Stage], mode: Mode, chance: random.Random) -> Iterator[float]:
    """Seconds from the start at which requests are sent.

    Evenly spaced, 50 requests/min are 150 in 180 s, at 0, 1.2, 2.4 …; Poisson arrivals are 150 ± 12.
    """
    begins = 0.0
    for stage in stages:
        if stage.rate_rpm > 0:
            for at in _within(stage, mode, chance):
                yield begins + at
        begins += stage.seconds


def _within(stage: Stage, mode: Mode, chance: random.Random) -> Iterator[float]:
    rate_per_second = stage.rate_rpm / 60
    if rate_per_second * stage.seconds < NO_ARRIVAL:  # also where dividing by the rate would overflow
        return
    if mode is Mode.DETERMINISTIC:
        count = math.ceil(stage.seconds * rate_per_second - 1e-9)
        yield from (number / rate_per_second for number in range(count))
        return
    at = chance.expovariate(rate_per_second)
    while at < stage.seconds:
        yield at
        at += chance.expovariate(rate_per_second)
