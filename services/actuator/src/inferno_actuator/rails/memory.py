"""What was planned and what was allowed for one variant lately, in runs of equal values: small for ever.

Worked example: planned 4, 4, 4, 2 at 0, 60, 120, 180 s are two runs, (4 from 0 to 120) and (2 at 180).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from inferno_actuator.known import Key


@dataclass(frozen=True, slots=True)
class Run:
    """The same plan and the same outcome from one moment to another (monotonic seconds, both inclusive)."""

    since: float
    until: float
    planned: int
    allowed: int


Runs = tuple[Run, ...]


def highest_plan(runs: Runs, since: float) -> int:
    """The most replicas that were planned since a moment; 0 when nothing was."""
    return max((run.planned for run in runs if run.until >= since), default=0)


def in_force(runs: Runs, since: float) -> tuple[int, ...]:
    """Every number of replicas that was allowed at some time after `since`, the last one included."""
    ends = [following.since for following in runs[1:]]
    return tuple(
        run.allowed for index, run in enumerate(runs) if index == len(runs) - 1 or ends[index] > since
    )


def extended(runs: Runs, *, now: float, planned: int, allowed: int, keep_seconds: float) -> Runs:
    """The runs after one more decision; what ended before `keep_seconds` ago is forgotten."""
    kept = tuple(run for run in runs[:-1] if run.until >= now - keep_seconds) + runs[-1:]
    if kept and (kept[-1].planned, kept[-1].allowed) == (planned, allowed):
        return (*kept[:-1], replace(kept[-1], until=now))
    return (*kept, Run(now, now, planned, allowed))


@dataclass(frozen=True, slots=True)
class Memory:
    """The runs of every variant that exists; lost at a restart, when the status' last value stands in."""

    by_key: Mapping[Key, Runs] = field(default_factory=dict)

    def of(self, key: Key) -> Runs:
        """The runs of one variant, oldest first."""
        return self.by_key.get(key, ())
