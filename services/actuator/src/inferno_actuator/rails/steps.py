"""Rails that bound how far the desired replicas move within one interval, however often the loop turns."""

from typing import Final

from inferno_actuator.known import counted
from inferno_actuator.rails.memory import in_force
from inferno_actuator.rails.situation import Situation
from inferno_actuator.ruling import Rail, Ruling

_INTERVAL_SHARE: Final = 0.9
"""A turn of the loop comes a little early at times; that must not cost a whole interval."""


def bound_step_up(wanted: int, at: Situation) -> Ruling | None:
    """At most `step_up` more than the fewest replicas in force within the interval; never fewer than run.

    Worked example: 3 in force, bound 4, the plan wants 12: 7 now, 11 an interval later, then 12.
    """
    step = at.limits.step_up
    if step is None or at.changes_accelerator:
        return None
    base = min(_in_interval(at))
    allowed = max(base + step.of(base), min(wanted, at.variant.current.replicas), at.variant.min_replicas)
    if wanted <= allowed:
        return None
    message = (
        f"{counted(wanted)} are wanted, at most {step} more than {base} are allowed per interval: "
        f"{allowed} for now (MAX_SCALE_UP)"
    )
    return Ruling(Rail.STEP_UP_BOUND, wanted, allowed, message)


def bound_step_down(wanted: int, at: Situation) -> Ruling | None:
    """At most `step_down` fewer than the most replicas in force within the interval.

    Worked example: 12 in force, bound 50 %, the plan wants 1: 6 now, then 3, then 1.
    """
    step = at.limits.step_down
    if step is None or at.changes_accelerator or at.yields_to_scarcity:
        return None
    base = max(_in_interval(at))
    allowed = min(base - step.of(base), at.before)
    if wanted >= allowed:
        return None
    message = (
        f"{counted(wanted)} are enough, at most {step} fewer than {base} are allowed per interval: "
        f"{allowed} for now (MAX_SCALE_DOWN)"
    )
    return Ruling(Rail.STEP_DOWN_BOUND, wanted, allowed, message)


def _in_interval(at: Situation) -> tuple[int, ...]:
    return in_force(at.runs, at.now - _INTERVAL_SHARE * at.interval_seconds) or (at.before,)
