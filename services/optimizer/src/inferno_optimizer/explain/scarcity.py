"""What a lack of devices cost a variant, who holds them, and what more of them would change."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from inferno_optimizer.allocation import Assignment
from inferno_optimizer.decisions import Decision
from inferno_optimizer.demands import DemandKey
from inferno_optimizer.explain.growth import NOTHING, Growth
from inferno_optimizer.explain.wishes import Wish
from inferno_optimizer.explain.wording import replicas_of
from inferno_optimizer.placement import room_words
from inferno_shared.contracts import Outcome, Placement, Policy, SaturationPolicy

HOLDERS_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Holder:
    """Who uses how many units of a device; held variants have no priority: they come before all others.

    `by_minimum`: with no more replicas than its minimum, which comes before any load.
    """

    name: str
    priority: int | None
    gpus: int
    by_minimum: bool = False


@dataclass(frozen=True, slots=True)
class Scarcity:
    """Limits and holders of every device, the most important holder first; `limits` None: unlimited."""

    limits: Mapping[str, int] | None
    holders: Mapping[str, Sequence[Holder]]
    used: Mapping[str, int]
    wishes: Mapping[DemandKey, Wish] = field(default_factory=dict)
    growth: Mapping[str, Growth] = field(default_factory=dict)
    placement: Mapping[str, Placement] = field(default_factory=dict)


def shortage(decision: Decision, policy: Policy, scarcity: Scarcity) -> Iterator[str]:
    """Sentences for a variant whose demand is not served in full, or that misses its minimum."""
    minimum, wanted = decision.member.minimum, decision.variant.min_replicas
    short = not decision.service.required_met or decision.replicas < minimum
    if minimum < wanted:
        yield (
            f"min_replicas {wanted} is more than all nodes have room for: it counts as {minimum}, so that"
            " nobody else goes short for it."
        )
    if short:
        yield _room_for(decision, policy, scarcity)
    choices = [decision.choice] if decision.choice else decision.member.choices
    yield from _devices(sorted({choice.accelerator.device for choice in choices}), decision, scarcity)
    helps = ["Add devices", *(["free some"] if short else [])]
    helps += ["lower minReplicas"] if wanted > decision.replicas else []
    helps += [] if decision.service.required_met else ["relax the SLO"]
    yield f"{', '.join(helps[:-1])}, or {helps[-1]}."


def dearer(decision: Decision, scarcity: Scarcity) -> Iterator[str]:
    """Sentences for a variant that is served, but dearer than it would be if devices were not scarce."""
    service = decision.service
    wish = scarcity.wishes.get(service.sized.group.key)
    if wish is None or not wish.dearer or not service.required_met:
        return
    own = wish.assignments[decision.variant.key]
    wished = _device_of(own, decision)
    if decision.shared:
        would = f"the {len(service.sized.members)} variants of this demand would cost"
    else:
        would = f"{replicas_of(own.replicas)} on {own.accelerator} would cost"
    yield (
        f"With enough devices {would} {wish.cost_alone:.6g} cents/h instead of {wish.cost_in_plan:.6g}:"
        f" scarcity costs {wish.cost_in_plan - wish.cost_alone:.6g} cents/h."
    )
    yield from _devices([wished] if wished else [], decision, scarcity)


def growth_sentence(device: str, growth: Growth) -> str:
    """What more units would change: one that a node gets in addition, or a new node with several."""
    if growth.basis == "price":
        return _estimate(device, growth)
    one = f"One more unit of {device} would"
    if growth.nothing:
        also = f", nor would a new node with {growth.units} of them" if growth.units > 1 else ""
        return f"{one} change nothing{also}."
    if growth.units > 1:
        return f"{one} change nothing, a new node with {growth.units} of them would {_change(growth)}."
    return f"{one} {_change(growth)}."


def _estimate(device: str, growth: Growth) -> str:
    """A price, told as what it is."""
    if growth.saves_cents_per_hour is None:
        would = f"serve about {sum(growth.serves_rpm.values()):.4g} requests/min more"
    else:
        would = f"save about {growth.saves_cents_per_hour:.4g} cents/h"
    return (
        f"One more unit of {device} would {would}, by its price in the linear relaxation; one unit alone may"
        " change nothing, as replicas are whole."
    )


def _change(growth: Growth) -> str:
    """What changes, the most important first: minimums, requests/min, cents/h."""
    saves = growth.saves_cents_per_hour or 0.0
    told = []
    if growth.minimum_replicas > 0:
        told.append(f"give {replicas_of(growth.minimum_replicas)} more of the minimums")
    changed = {p: change for p, change in growth.serves_rpm.items() if abs(change) > NOTHING}
    if changed and all(change > 0 for change in changed.values()):
        told.append(f"serve {sum(changed.values()):.6g} requests/min more")
    elif changed:
        told.append(
            "serve "
            + " and ".join(
                f"{abs(change):.6g} requests/min {'more' if change > 0 else 'fewer'} of priority {priority}"
                for priority, change in changed.items()
            )
        )
    if saves > NOTHING:
        return " and ".join([*told, f"save {saves:.6g} cents/h"])
    price = f" for {-saves:.6g} cents/h" if saves < -NOTHING else ""
    return (" and ".join(told) or "serve more evenly") + price


def _room_for(decision: Decision, policy: Policy, scarcity: Scarcity) -> str:
    """What there is room for, what is too few, and what of the load is not served."""
    service, minimum = decision.service, decision.member.minimum
    got = f"There is room for {replicas_of(decision.replicas) if decision.replicas else 'no replica'}"
    needed = _needed(decision, scarcity)
    if max(needed, minimum) > decision.replicas:
        got += f", {max(needed, minimum) - decision.replicas} too few"
    if minimum > max(needed, decision.replicas):
        got += f" for the minimum of {minimum}"
    stopped = decision.outcome is Outcome.UNSERVED and decision.replicas >= minimum
    if stopped and policy.saturation_policy is SaturationPolicy.NONE:
        got += ", as saturation policy None serves a demand in full or not beyond its minimum"
    unserved_rpm = service.rate_rpm - service.served_rpm
    if unserved_rpm > NOTHING:
        by = f" by the {len(service.sized.members)} variants of this demand" if decision.shared else ""
        got += f": {service.served_rpm:.6g} requests/min are served within the SLO{by},"
        got += f" {unserved_rpm:.6g} are not"
    return f"{got}."


def _devices(devices: Sequence[str], decision: Decision, scarcity: Scarcity) -> Iterator[str]:
    for device in devices:
        limit = (scarcity.limits or {}).get(device, 0)
        units = "1 unit" if limit == 1 else f"{limit} units"
        yield f"{device} has {units}{_holders(device, decision, scarcity)}."
        yield from _room(device, decision, scarcity)
        if device in scarcity.growth:
            yield growth_sentence(device, scarcity.growth[device])


def _room(device: str, decision: Decision, scarcity: Scarcity) -> Iterator[str]:
    here = [choice for choice in decision.member.choices if choice.accelerator.device == device]
    sizes = [choice.units for choice in here if decision.choice in (None, choice)] or [c.units for c in here]
    if sizes and device in scarcity.placement:
        words = room_words(scarcity.placement[device], min(sizes))
        if words:
            yield words


def _holders(device: str, decision: Decision, scarcity: Scarcity) -> str:
    own = "/".join(decision.variant.key)
    holders = scarcity.holders.get(device, ())
    named = [h for h in holders[: HOLDERS_NAMED + 1] if h.name != own and h.gpus][:HOLDERS_NAMED]
    if not named:
        return ""
    choice = decision.choice
    mine = decision.replicas * choice.units if choice and choice.accelerator.device == device else 0
    rest = scarcity.used[device] - mine - sum(h.gpus for h in named)
    told = ", ".join(f"{h.gpus} by {h.name} ({_why(h)})" for h in named)
    return f", of which {told}" + (f" and {rest} by others" if rest else "") + " are used"


def _why(holder: Holder) -> str:
    if holder.priority is None:
        return "held"
    return f"priority {holder.priority}" + (", its minimum" if holder.by_minimum else "")


def _needed(decision: Decision, scarcity: Scarcity) -> int:
    """Replicas on what it has, or would have, that serve it all; 0 where its other variants have a say."""
    if decision.shared:
        return 0
    if decision.choice is not None and decision.needed_alone is not None:
        maximum = decision.variant.max_replicas
        return decision.needed_alone if maximum is None else min(decision.needed_alone, maximum)
    wish = scarcity.wishes.get(decision.service.sized.group.key)
    return wish.assignments[decision.variant.key].replicas if wish else 0


def _device_of(assignment: Assignment, decision: Decision) -> str | None:
    for choice in decision.member.choices:
        if choice.accelerator.name == assignment.accelerator and assignment.replicas:
            return choice.accelerator.device
    return None
