"""Judges a finished run: did it go 1 -> 4 -> 1 in time? Pure; the demo's exit code comes from here."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from demo.scenario import Scenario


@dataclass(frozen=True)
class Observation:
    """One line of the live table; None where nothing is known yet."""

    seconds: float
    loaded: bool
    arrival_rate_rpm: float | None
    desired: int | None
    followed: bool  # the statuses of VariantAutoscaling and HPA show the desired number as current
    replicas: int | None
    ready: int | None
    itl_p95_ms: float | None
    ttft_p95_ms: float | None
    cost_per_hour: float | None


@dataclass(frozen=True)
class Check:
    """One thing that had to happen."""

    passed: bool
    text: str


def path(values: Sequence[int | None]) -> str:
    """The values' changes: [1, 1, None, 4, 1] reads '1 → 4 → 1'."""
    known = [value for value in values if value is not None]
    return " → ".join(str(value) for value, _ in groupby(known)) or "nothing"


def judge(observations: Sequence[Observation], scenario: Scenario) -> list[Check]:
    """Every check of the run, in the order of the story."""
    desired = [o.desired for o in observations]
    ready = [o.ready for o in observations]
    first_desired = next((value for value in desired if value is not None), None)
    peak_desired = max((value for value in desired if value is not None), default=0)
    peak_ready = max((value for value in ready if value is not None), default=0)
    seconds = observations[-1].seconds if observations else 0.0
    allowed = f"{scenario.peak_replicas}"
    if scenario.peak_with_noise > scenario.peak_replicas:
        allowed += f" ({scenario.peak_with_noise} while the arrivals' noise justifies it)"
    return [
        Check(first_desired == 1, f"started with 1 desired replica: {path([first_desired])}"),
        Check(
            scenario.peak_replicas <= peak_desired <= scenario.peak_with_noise,
            f"desired replicas under load reach {allowed}: {path(desired)}",
        ),
        Check(
            peak_ready >= scenario.peak_replicas, f"the HPA and the Deployment followed: ready {path(ready)}"
        ),
        Check(
            bool(observations) and desired[-1] == 1 and ready[-1] == 1,
            f"back to 1 after the load: desired {path(desired[-1:])}, ready {path(ready[-1:])}",
        ),
        Check(
            seconds <= scenario.limit_seconds,
            f"within {scenario.limit_seconds} s: {seconds:.0f} s",
        ),
    ]


def finished(observations: Sequence[Observation]) -> bool:
    """True once there was load, it is over, and everything is back at one replica."""
    if not any(observation.loaded for observation in observations):
        return False
    last = observations[-1]
    return not last.loaded and last.followed and {last.desired, last.replicas, last.ready} == {1}
