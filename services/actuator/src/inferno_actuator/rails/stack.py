"""The rails in their order, applied to every decision of a plan: decisions in, decisions with rulings out.

First what keeps replicas (hysteresis, stabilisation, the bound of a decrease), then the bound of an
increase, then the two floors that nothing may undercut. A held decision is passed through: it follows no
plan. Last, all decisions together are brought within the devices that exist. What the user bounds
(minReplicas, maxReplicas) is never exceeded by a rail.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from inferno_actuator.decisions import Decision, Decisions
from inferno_actuator.known import Desired, Key
from inferno_actuator.rails.devices import within_devices
from inferno_actuator.rails.floors import while_demand_is_unknown, zero_only_when_allowed
from inferno_actuator.rails.limits import RailLimits
from inferno_actuator.rails.memory import Memory, Run, Runs, extended
from inferno_actuator.rails.scale_down import stabilize, would_revert
from inferno_actuator.rails.situation import Situation
from inferno_actuator.rails.steps import bound_step_down, bound_step_up
from inferno_actuator.ruling import Ruling
from inferno_shared.contracts import DeviceCapacity, Snapshot, Variant

RAILS: Final[tuple[Callable[[int, Situation], Ruling | None], ...]] = (
    would_revert,
    stabilize,
    bound_step_down,
    bound_step_up,
    while_demand_is_unknown,
    zero_only_when_allowed,
)


def guard(
    decisions: Decisions,
    snapshot: Snapshot,
    memory: Memory,
    limits: RailLimits,
    *,
    interval_seconds: float,
    now: float,
    capacity: Sequence[DeviceCapacity] = (),
) -> tuple[Decisions, Memory]:
    """Every decision after the rails, and the memory with these decisions in it.

    Args:
        decisions: of this cycle.
        snapshot: that they were made from.
        memory: of the cycles before.
        limits: of the rails.
        interval_seconds: of the loop.
        now: monotonic seconds.
        capacity: limits by device, of the plan.
    """
    keep_seconds = max(limits.stabilization_seconds, interval_seconds)
    past = {key: memory.of(key) or _seeded(it, now) for key, it in decisions.by_key.items()}
    alone = {
        key: _guarded(decision, snapshot, past[key], limits, interval_seconds, now)
        for key, decision in decisions.by_key.items()
    }
    guarded = within_devices(alone, snapshot, capacity)
    remembered: dict[Key, Runs] = {}
    for key, runs in past.items():
        decision, after = decisions.by_key[key], guarded[key]
        if after.desired is not None:
            planned = decision.desired.replicas if decision.desired else after.desired.replicas
            remembered[key] = extended(
                runs, now=now, planned=planned, allowed=after.desired.replicas, keep_seconds=keep_seconds
            )
    return Decisions(guarded, decisions.unknown), Memory(remembered)


def _seeded(decision: Decision, now: float) -> Runs:
    """After a restart the last desired value counts as planned just now: no window is cut short."""
    if decision.previous is None:
        return ()
    replicas = decision.previous.replicas
    return (Run(now, now, replicas, replicas),)


def _guarded(
    decision: Decision,
    snapshot: Snapshot,
    runs: Runs,
    limits: RailLimits,
    interval_seconds: float,
    now: float,
) -> Decision:
    if decision.held or decision.variant is None or decision.desired is None:
        return decision
    situation = Situation(
        decision=decision,
        variant=decision.variant,
        desired=decision.desired,
        runs=runs,
        limits=limits,
        headroom=snapshot.policy.headroom,
        interval_seconds=interval_seconds,
        now=now,
    )
    replicas, rulings = decision.desired.replicas, []
    for rail in RAILS:
        ruling = _within_maximum(rail(replicas, situation), decision.variant)
        if ruling is not None:
            rulings.append(ruling)
            replicas = ruling.allowed
    if not rulings:
        return decision
    desired = Desired(decision.desired.accelerator, replicas)
    return replace(decision, desired=desired, rulings=tuple(rulings))


def _within_maximum(ruling: Ruling | None, variant: Variant) -> Ruling | None:
    """The ruling cut to maxReplicas, which wins over every rail; None when nothing is left of it."""
    maximum = variant.max_replicas
    if ruling is None or maximum is None or ruling.allowed <= maximum:
        return ruling
    return replace(ruling, allowed=maximum) if ruling.wanted < maximum else None
