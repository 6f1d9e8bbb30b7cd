"""Rails against scaling down too soon. They never scale up: the most that they do is to keep what is.

A plan that takes replicas for lack of devices is not delayed: somebody more important waits for them.
"""

import math

from inferno_actuator.known import counted
from inferno_actuator.rails.memory import highest_plan
from inferno_actuator.rails.situation import Situation
from inferno_actuator.ruling import Rail, Ruling


def would_revert(wanted: int, at: Situation) -> Ruling | None:
    """Refuse a decrease that a little more load would revert at once, in terms of lambda*.

    With lambda* requests/min per replica at the SLO, d replicas carry d * lambda*. A decrease must leave them
    able to carry the rate times (1 + margin); else as many are kept as can, at most those in force.

    Worked example (the seed's replica, lambda* = 14.31, margin 5 %): from 4 replicas at 42.0 requests/min the
    plan wants 3 (3 * 14.31 = 42.93), but 42.0 * 1.05 = 44.1 > 42.93, so 4 stay. At 40.0 requests/min
    40.0 * 1.05 = 42.0 fits and the decrease to 3 goes through.
    """
    margin, allocation = at.limits.scale_down_margin, at.allocation
    if wanted >= at.before or margin <= 0 or allocation is None or _free_to_fall(at):
        return None
    capacity_rpm = allocation.predicted.max_rate_rpm_per_replica
    rate_rpm = allocation.rate_rpm if allocation.rate_rpm is not None else at.variant.load.arrival_rate_rpm
    if not capacity_rpm or not rate_rpm:
        return None
    sized_rpm = rate_rpm * at.headroom
    needed = math.ceil(sized_rpm * (1 + margin) / capacity_rpm - 1e-9)
    allowed = min(needed, at.before)
    if allowed <= wanted:
        return None
    message = (
        f"{counted(wanted)} carry {wanted * capacity_rpm:.2f} requests/min within the SLO, {margin:.0%} more "
        f"than the present {sized_rpm:.2f} would bring back the {_ordinal(wanted + 1)}: {allowed} stay until "
        f"the load is below {wanted * capacity_rpm / (1 + margin):.2f} (SCALE_DOWN_MARGIN)"
    )
    return Ruling(Rail.WOULD_REVERT, wanted, allowed, message)


def stabilize(wanted: int, at: Situation) -> Ruling | None:
    """A decrease goes no further than the highest plan within the stabilisation window.

    Worked example: window 300 s, plans 4 (200 s ago), 2 and now 1, 4 in force: 4 stay for 100 s more.
    """
    window = at.limits.stabilization_seconds
    if wanted >= at.before or window <= 0 or _free_to_fall(at):
        return None
    allowed = min(at.before, highest_plan(at.runs, at.now - window))
    if allowed <= wanted:
        return None
    message = (
        f"{counted(allowed)} were planned within the last {window:g} s, {counted(wanted)} are enough now; "
        f"the decrease waits for the window to pass (SCALE_DOWN_STABILIZATION)"
    )
    return Ruling(Rail.STABILIZING, wanted, allowed, message)


def _free_to_fall(at: Situation) -> bool:
    return at.changes_accelerator or at.yields_to_scarcity


def _ordinal(number: int) -> str:
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else suffix}"
