"""Who asks for what: groups the variants of a snapshot by the demand that they share.

A demand is the load of one (namespace, model, service class); its variants serve it together. A variant that
cannot take part, because its load is unknown or its configuration does not hold together, is set aside with
the reason and keeps what it has.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inferno_shared.contracts import Load, LoadState, PlanReason, ServiceClass, SloTarget, Snapshot, Variant

DemandKey = tuple[str, str, str]
"""(namespace, model, service class)."""


@dataclass(frozen=True, slots=True)
class Held:
    """A variant that keeps its current replicas, and why."""

    variant: Variant
    reason: PlanReason
    message: str


@dataclass(frozen=True, slots=True)
class GroupLoad:
    """Sum of the known loads of a group: requests/min, and tokens per request weighted by rate."""

    rate_rpm: float
    input_tokens: float
    output_tokens: float


@dataclass(frozen=True, slots=True)
class Group:
    """One demand. `members` have a known load; `unknown`: the load of some other variant is not known."""

    key: DemandKey
    priority: int
    target: SloTarget
    members: tuple[Variant, ...]
    load: GroupLoad
    unknown: bool

    def required_rpm(self, headroom: float) -> float:
        """What is to be provided for: the rate with head-room, or what a tokens/s target asks for if more.

        Example: 37.5 requests/min of 279 tokens and a target of 200 tokens/s are 200 / 279 * 60 = 43.01. An
        idle demand asks for nothing.
        """
        if self.load.rate_rpm <= 0:
            return 0.0
        required_rpm = self.load.rate_rpm * headroom
        target = self.target.tokens_per_second
        return required_rpm if target is None else max(required_rpm, target / self.load.output_tokens * 60)


@dataclass(frozen=True, slots=True)
class Demands:
    """The groups by importance and name, and the variants that were set aside."""

    groups: tuple[Group, ...]
    held: tuple[Held, ...]


def demands_of(snapshot: Snapshot) -> Demands:
    """Group the snapshot's variants; the order of its lists does not matter."""
    classes = {service_class.name: service_class for service_class in snapshot.service_classes}
    targets = targets_of(snapshot)
    held: list[Held] = []
    sharing: dict[DemandKey, list[Variant]] = defaultdict(list)
    for variant in sorted(snapshot.variants, key=lambda v: v.key):
        complaint = _complaint(variant, classes, targets)
        if complaint:
            held.append(Held(variant, PlanReason.INVALID_CONFIGURATION, complaint))
        else:
            sharing[variant.namespace, variant.model, variant.service_class].append(variant)
    groups = []
    for key, variants in sharing.items():
        unknown = [v for v in variants if v.load.state is LoadState.UNKNOWN]
        held += [Held(v, PlanReason.UNKNOWN_LOAD, _unknown_message(v)) for v in unknown]
        members = tuple(v for v in variants if v.load.state is not LoadState.UNKNOWN)
        target = targets[key[2], key[1]]
        load = _sum([variant.load for variant in members])
        groups.append(Group(key, classes[key[2]].priority, target, members, load, bool(unknown)))
    return Demands(tuple(sorted(groups, key=lambda g: (g.priority, g.key))), tuple(held))


def targets_of(snapshot: Snapshot) -> dict[tuple[str, str], SloTarget]:
    """Targets by (service class, model)."""
    return {(c.name, target.model): target for c in snapshot.service_classes for target in c.targets}


def _sum(loads: Sequence[Load]) -> GroupLoad:
    rate_rpm = sum(load.arrival_rate_rpm or 0.0 for load in loads)
    if not rate_rpm:
        # No requests: the tokens that were seen last still tell what one replica could take.
        return GroupLoad(
            0.0,
            max((load.input_tokens or 0.0 for load in loads), default=0.0),
            max((load.output_tokens or 0.0 for load in loads), default=0.0),
        )
    loads = [load for load in loads if load.arrival_rate_rpm]
    if len(loads) == 1:  # just as given, so that no rounding depends on the rate
        return GroupLoad(rate_rpm, loads[0].input_tokens or 0.0, loads[0].output_tokens or 0.0)
    input_tokens = sum((load.arrival_rate_rpm or 0.0) * (load.input_tokens or 0.0) for load in loads)
    output_tokens = sum((load.arrival_rate_rpm or 0.0) * (load.output_tokens or 0.0) for load in loads)
    return GroupLoad(rate_rpm, input_tokens / rate_rpm, output_tokens / rate_rpm)


def _complaint(
    variant: Variant, classes: Mapping[str, ServiceClass], targets: Mapping[tuple[str, str], SloTarget]
) -> str | None:
    service_class = classes.get(variant.service_class)
    if service_class is None:
        known = ", ".join(sorted(classes)) or "none"
        return (
            f"service_class {variant.service_class} is not among the service classes ({known}): add it, or"
            " correct the variant's reference"
        )
    if (service_class.name, variant.model) not in targets:
        return (
            f"service class {service_class.name} has no targets for model {variant.model}: add an entry for"
            " the model to the class, or correct model or service_class"
        )
    return None


def _unknown_message(variant: Variant) -> str:
    why = f" ({variant.load.message})" if variant.load.message else ""
    return f"the load is unknown{why}; nothing is scaled down on doubt"
