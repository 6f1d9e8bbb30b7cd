"""The rail that looks at all variants at once: what is exported never asks for more devices than there are.

The other rails keep what a plan gives to somebody else: A stays at 4 for a while although the plan has 2,
and B is to get the two. Both exported would be more than exist, and B's pods would be pending, perhaps in
place of somebody's more important. So on each device that is short, least important variants first:
(1) a delayed decrease gives up what does not run yet, (2) increases wait at what runs, (3) delayed decreases
are delayed no longer. What remains above the limit then is what the plan itself says, or what really runs:
pods of variants in mode `off`, pods on the accelerator that a variant is to leave.

Worked example: 8 devices, A planned 2, kept at 4 and running 4; B planned 6, running 4: B waits at 4.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from inferno_actuator.decisions import Decision
from inferno_actuator.known import Desired, Key, counted
from inferno_actuator.modes import Mode
from inferno_actuator.ruling import Rail, Ruling
from inferno_shared.contracts import DeviceCapacity, Snapshot, Variant

_HOLDERS_NAMED: Final = 3


@dataclass(slots=True)
class _Claim:
    """What one variant has of one device.

    Args:
        units: devices per replica.
        priority: of its class; a higher number gives way first.
        replicas: that are exported or, when it is fixed, run.
        planned: replicas that the plan has room for.
        fixed: nothing that is exported changes it.
    """

    decision: Decision
    variant: Variant
    units: int
    priority: int
    replicas: int
    planned: int
    fixed: bool = False
    ruling: Ruling | None = None

    @property
    def devices(self) -> int:
        return self.replicas * self.units

    @property
    def name(self) -> str:
        return "/".join(self.decision.key)

    @property
    def minimum(self) -> int:
        return min(self.variant.min_replicas, self.planned)


def within_devices(
    decisions: Mapping[Key, Decision], snapshot: Snapshot, capacity: Sequence[DeviceCapacity]
) -> Mapping[Key, Decision]:
    """The decisions after this rail.

    Args:
        decisions: after the rails that look at one variant.
        snapshot: that they were made from; without limits in its policy nothing changes.
        capacity: of the plan, limits by device.
    """
    if snapshot.policy.unlimited:
        return decisions
    claims = _claims(decisions.values(), snapshot)
    ruled: dict[Key, Decision] = {}
    for device in capacity:
        if device.limit is not None:
            ruled.update(_ruled(claims.get(device.device, []), device.limit, device.device))
    return {key: ruled.get(key, decision) for key, decision in decisions.items()}


def _claims(decisions: Iterable[Decision], snapshot: Snapshot) -> Mapping[str, list[_Claim]]:
    catalogue = {accelerator.name: accelerator for accelerator in snapshot.accelerators}
    priorities = {it.name: it.priority for it in snapshot.service_classes}
    least = max(priorities.values(), default=0)
    found: dict[str, list[_Claim]] = defaultdict(list)
    for decision in decisions:
        variant = decision.variant
        if variant is None:  # the collector counts its pods as nobody's
            continue
        units = {
            profile.accelerator: profile.acc_count * catalogue[profile.accelerator].multiplicity
            for profile in variant.profiles
            if profile.accelerator in catalogue
        }
        priority = priorities.get(variant.service_class or "", least)
        for accelerator, replicas, planned, fixed in _wanted(decision, variant):
            if accelerator in units:
                claim = _Claim(decision, variant, units[accelerator], priority, replicas, planned, fixed)
                found[catalogue[accelerator].device].append(claim)
    return found


def _wanted(decision: Decision, variant: Variant) -> Iterator[tuple[str, int, int, bool]]:
    """(accelerator, replicas, those planned, whether fixed) of one variant."""
    desired, current = decision.desired, variant.current
    runs_elsewhere = desired is None or current.accelerator != desired.accelerator
    advised = decision.known.mode is Mode.OFF
    if current.accelerator is not None and (runs_elsewhere or advised):
        yield current.accelerator, current.replicas, current.replicas, True
    if desired is not None and not advised:
        yield desired.accelerator, desired.replicas, _room(decision, variant), False


def _room(decision: Decision, variant: Variant) -> int:
    """Replicas for which the plan has devices; on doubt at least those that run, whatever the plan says."""
    doubted = any(ruling.rail is Rail.DEMAND_UNKNOWN for ruling in decision.rulings)
    if not decision.held:
        return max(decision.planned_replicas or 0, variant.current.ready_replicas if doubted else 0)
    return decision.allocation.replicas if decision.allocation else variant.current.replicas


def _ruled(claims: list[_Claim], limit: int, device: str) -> Iterator[tuple[Key, Decision]]:
    excess = sum(claim.devices for claim in claims) - limit
    if excess <= 0:
        return
    before = list(claims)
    giving = sorted((c for c in claims if not c.fixed), key=lambda c: (-c.priority, c.decision.key))
    wanted = {claim.name: claim.replicas for claim in giving}
    for floor in (_what_runs_of_a_delay, _what_runs, _what_is_planned):
        for claim in giving:
            excess -= _give(claim, floor, excess)
    for claim in giving:
        if claim.replicas < wanted[claim.name]:
            yield claim.decision.key, _decided(claim, wanted[claim.name], before, limit, device)


def _give(claim: _Claim, floor: Callable[[_Claim], int], excess: int) -> int:
    """Lower a claim by what is needed and may go; the devices that this frees."""
    if excess <= 0:
        return 0
    fewer = min(math.ceil(excess / claim.units), max(0, claim.replicas - floor(claim)))
    claim.replicas -= fewer
    return fewer * claim.units


def _what_runs_of_a_delay(claim: _Claim) -> int:
    if claim.replicas <= claim.planned:
        return claim.replicas
    return max(claim.planned, _running(claim))


def _what_runs(claim: _Claim) -> int:
    return max(_asked_for(claim), claim.minimum)


def _what_is_planned(claim: _Claim) -> int:
    return max(claim.planned, claim.minimum)


def _running(claim: _Claim) -> int:
    """Ready replicas; of a held variant all that it has, because nothing is taken from it on doubt."""
    current = claim.variant.current
    return _asked_for(claim) if claim.decision.held else min(current.ready_replicas, _asked_for(claim))


def _asked_for(claim: _Claim) -> int:
    """Replicas that its target has on this accelerator."""
    desired, current = claim.decision.desired, claim.variant.current
    return current.replicas if desired and current.accelerator == desired.accelerator else 0


def _decided(claim: _Claim, wanted: int, claims: Sequence[_Claim], limit: int, device: str) -> Decision:
    decision, desired = claim.decision, claim.decision.desired
    accelerator = desired.accelerator if desired else ""
    holders = [c for c in claims if c is not claim and (c.fixed or c.replicas > c.planned)]
    holders.sort(key=lambda c: (-c.devices, c.name))
    named = ", ".join(_holding(holder) for holder in holders[:_HOLDERS_NAMED])
    more = f" and {len(holders) - _HOLDERS_NAMED} more" if len(holders) > _HOLDERS_NAMED else ""
    kept = f"; devices are still held by {named}{more}" if named else ""
    message = (
        f"{counted(wanted)} would ask for more than the {limit} devices {device} that there are{kept}: "
        f"{claim.replicas} for now, the rest as soon as they are free"
    )
    ruling = Ruling(Rail.WAITS_FOR_DEVICES, wanted, claim.replicas, message)
    return replace(
        decision,
        desired=Desired(accelerator, claim.replicas),
        rulings=(*decision.rulings, ruling),
    )


def _holding(claim: _Claim) -> str:
    rails = ", ".join(ruling.rail for ruling in claim.decision.rulings)
    if claim.fixed:
        return f"{claim.name} ({counted(claim.replicas)} running)"
    why = rails or "held"
    return f"{claim.name} ({claim.replicas} instead of {claim.planned}: {why})"
