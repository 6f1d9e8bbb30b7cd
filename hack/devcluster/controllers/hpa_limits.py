"""How fast an HPA may follow its metric: stabilisation windows and change policies, as Kubernetes does it.

The recommendation of the metric passes two gates: the window (wait until a change has been wanted for
a while) and the policies (no more than so many pods per period, counted from the events of the period).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from devcluster.controllers.hpa_spec import (
    DEFAULT_SCALE_DOWN_STABILIZATION_SECONDS,
    Behavior,
    Hpa,
    PolicyKind,
    ScalingRules,
    Select,
)

LEGACY_SCALE_UP_FACTOR = 2
LEGACY_SCALE_UP_MINIMUM = 4


@dataclass(frozen=True, slots=True)
class TimedCount:
    """A number of replicas (wanted, or changed by) at a moment."""

    at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What the controller remembers of one HPA between syncs."""

    recommendations: tuple[TimedCount, ...] = ()
    scale_ups: tuple[TimedCount, ...] = ()
    scale_downs: tuple[TimedCount, ...] = ()


@dataclass(frozen=True, slots=True)
class Limited:
    """A number of replicas and, when it is not the one asked for, why."""

    replicas: int
    reason: str
    message: str
    limited: bool = False


_READY = ("ReadyForNewScale", "recommended size matches current size")
_DOWN_STABILIZED = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
_UP_STABILIZED = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
_TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_UP_LIMIT = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
_DOWN_LIMIT = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
_WITHIN = ("DesiredWithinRange", "the desired count is within the acceptable range")


def stabilize(
    wanted: int, current: int, behavior: Behavior | None, memory: Memory, now: datetime
) -> tuple[Limited, Memory]:
    """Apply the windows to what the metric wants, and remember what it wanted.

    Down 300 s, recommendations 5, 3, 4 within the window, current 5, wanted 3: stays at 5, the highest.
    """
    up_seconds = behavior.scale_up.stabilization_seconds if behavior else 0
    down_seconds = (
        behavior.scale_down.stabilization_seconds if behavior else DEFAULT_SCALE_DOWN_STABILIZATION_SECONDS
    )
    lowest = min([wanted, *_since(memory.recommendations, now, up_seconds)])
    highest = max([wanted, *_since(memory.recommendations, now, down_seconds)])
    replicas = highest if behavior is None else min(max(current, lowest), highest)
    if replicas == wanted:
        reason, message = _READY
    elif behavior is not None and wanted >= current:
        reason, message = _UP_STABILIZED
    else:
        reason, message = _DOWN_STABILIZED
    kept = _keep(memory.recommendations, now, max(up_seconds, down_seconds))
    remembered = replace(memory, recommendations=(*kept, TimedCount(now, wanted)))
    return Limited(replicas, reason, message, limited=replicas != wanted), remembered


def limit_rate(hpa: Hpa, wanted: int, current: int, memory: Memory, now: datetime) -> Limited:
    """Apply minimum, maximum and the change policies."""
    if hpa.behavior is None:
        return _legacy_limit(hpa, wanted, current)
    if wanted > current:
        ceiling = max(current, _scale_up_limit(current, memory, hpa.behavior.scale_up, now))
        bound, why = (ceiling, _UP_LIMIT) if ceiling < hpa.max_replicas else (hpa.max_replicas, _TOO_MANY)
        if wanted > bound:
            return Limited(bound, *why, limited=True)
    elif wanted < current:
        floor = min(current, _scale_down_limit(current, memory, hpa.behavior.scale_down, now))
        bound, why = (floor, _DOWN_LIMIT) if floor > hpa.min_replicas else (hpa.min_replicas, _TOO_FEW)
        if wanted < bound:
            return Limited(bound, *why, limited=True)
    return Limited(wanted, *_WITHIN)


def remember_rescale(memory: Memory, behavior: Behavior | None, change: int, now: datetime) -> Memory:
    """Record a rescale that was carried out: later policies count it. `change` is signed, in replicas."""
    if behavior is None or change == 0:
        return memory
    event = TimedCount(now, abs(change))
    if change > 0:
        longest = max(policy.period_seconds for policy in behavior.scale_up.policies)
        return replace(memory, scale_ups=(*_keep(memory.scale_ups, now, longest), event))
    longest = max(policy.period_seconds for policy in behavior.scale_down.policies)
    return replace(memory, scale_downs=(*_keep(memory.scale_downs, now, longest), event))


def _scale_up_limit(current: int, memory: Memory, rules: ScalingRules, now: datetime) -> int:
    if rules.select is Select.DISABLED:
        return current
    allowed = []
    for policy in rules.policies:
        start = _period_start(current, memory, now, policy.period_seconds)
        if policy.kind is PolicyKind.PODS:
            allowed.append(start + policy.value)
        else:
            allowed.append(math.ceil(start * (100 + policy.value) / 100))
    return min(allowed) if rules.select is Select.MIN else max(allowed)


def _scale_down_limit(current: int, memory: Memory, rules: ScalingRules, now: datetime) -> int:
    if rules.select is Select.DISABLED:
        return current
    allowed = []
    for policy in rules.policies:
        start = _period_start(current, memory, now, policy.period_seconds)
        if policy.kind is PolicyKind.PODS:
            allowed.append(start - policy.value)
        else:
            allowed.append(int(start * (100 - policy.value) / 100))
    return max(allowed) if rules.select is Select.MIN else min(allowed)


def _period_start(current: int, memory: Memory, now: datetime, period_seconds: int) -> int:
    """How many replicas there were when the period began, from the changes made since."""
    added = sum(_since(memory.scale_ups, now, period_seconds))
    deleted = sum(_since(memory.scale_downs, now, period_seconds))
    return current - added + deleted


def _legacy_limit(hpa: Hpa, wanted: int, current: int) -> Limited:
    """Without behaviour: at most double (or 4), no limit downwards."""
    ceiling = max(LEGACY_SCALE_UP_FACTOR * current, LEGACY_SCALE_UP_MINIMUM)
    if wanted < hpa.min_replicas:
        return Limited(hpa.min_replicas, *_TOO_FEW, limited=True)
    bound, why = (ceiling, _UP_LIMIT) if ceiling < hpa.max_replicas else (hpa.max_replicas, _TOO_MANY)
    if wanted > bound:
        return Limited(bound, *why, limited=True)
    return Limited(wanted, *_WITHIN)


def _since(events: Iterable[TimedCount], now: datetime, seconds: int) -> list[int]:
    return [event.count for event in _keep(events, now, seconds)]


def _keep(events: Iterable[TimedCount], now: datetime, seconds: int) -> list[TimedCount]:
    oldest = now - timedelta(seconds=seconds)
    return [event for event in events if event.at > oldest]
