"""What each variant could run on: every usable accelerator, sized for the demand's tokens and SLO.

All pairs (variant, accelerator) of a snapshot are sized in one vectorised call. A variant without any usable
accelerator, or on which no accelerator meets the SLO, is set aside with the reason; the others go on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from inferno_optimizer.allocation.nodes import NO_NODES, Nodes
from inferno_optimizer.demands import Group, Held
from inferno_optimizer.queueing import Pair, Sizing, SizingPolicy, batch_size, size
from inferno_shared.contracts import Accelerator, PlanReason, Policy, Problem, Profile, Variant

MOST_REPLICAS: Final = 1_000_000
"""More replicas than this for one variant are a mistake in profile or load, not a plan."""


Size = Callable[[Sequence[Pair], SizingPolicy], list[Sizing]]


@dataclass(frozen=True, slots=True)
class Sized:
    """One variant on one accelerator: `sizing` and `cost_per_hour` (cents) are per replica."""

    accelerator: Accelerator
    profile: Profile
    pair: Pair
    sizing: Sizing
    cost_per_hour: float

    @property
    def units(self) -> int:
        """Devices per replica."""
        return self.profile.acc_count * self.accelerator.multiplicity


@dataclass(frozen=True, slots=True)
class Member:
    """A variant that takes part in its demand: the accelerators that it may run on, by name.

    `locked`: another variant's load of the same demand is unknown, so this one may grow but not shrink.
    `minimum` replicas come before any load (`least_replicas`).
    """

    variant: Variant
    choices: tuple[Sized, ...]
    locked: bool
    minimum: int


@dataclass(frozen=True, slots=True)
class SizedGroup:
    """A demand with the variants that can serve it, none if all were set aside."""

    group: Group
    required_rpm: float
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Candidates:
    """All that can be chosen from; `infeasible`: sizings of variants whose SLO no accelerator meets."""

    groups: tuple[SizedGroup, ...]
    held: tuple[Held, ...]
    infeasible: Mapping[tuple[str, str], tuple[Sized, ...]]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    """A pair still to be sized."""

    variant: Variant
    accelerator: Accelerator
    profile: Profile
    pair: Pair


def candidates_of(
    groups: Sequence[Group],
    accelerators: Sequence[Accelerator],
    policy: Policy,
    nodes: Mapping[str, Nodes] | None,
    size: Size = size,
) -> Candidates:
    """Size every usable (variant, accelerator) of the groups; `nodes` None: unlimited."""
    catalogue = {accelerator.name: accelerator for accelerator in accelerators}
    choices: list[_Choice] = []
    held: list[Held] = []
    problems: list[Problem] = []
    for group in groups:
        for variant in group.members:
            usable = list(_usable(variant, group, catalogue))
            complaint = None if usable else _no_accelerator(variant, group, catalogue)
            problems += _skipped(variant, catalogue) if usable else []
            if complaint:
                held.append(Held(variant, PlanReason.INVALID_CONFIGURATION, complaint))
            choices += usable
    sizings = size([choice.pair for choice in choices], SizingPolicy.of(policy))
    sized: dict[tuple[str, str], list[Sized]] = {}
    for choice, sizing in zip(choices, sizings, strict=True):
        cost = replica_cost(choice.variant, choice.accelerator, choice.profile)
        found = Sized(choice.accelerator, choice.profile, choice.pair, sizing, cost)
        sized.setdefault(choice.variant.key, []).append(found)
    return _assembled(groups, sized, held, problems, policy, nodes)


def least_replicas(variant: Variant, room: int | None) -> int:
    """Replicas that a variant gets before anybody's load is served: its minimum.

    One that not even empty nodes have room for is a mistake, or nodes are lost: nobody else is to pay for
    that. Then it is what runs, or one replica, without which a variant would have no metrics.
    """
    minimum = variant.min_replicas
    return minimum if room is None or minimum <= room else min(minimum, max(1, variant.current.replicas))


def replica_cost(variant: Variant, accelerator: Accelerator, profile: Profile) -> float:
    """Cents per hour and replica: the catalogue's, unless the variant states its own for what it runs on."""
    own = variant.cost_per_replica_hour
    if own is not None and accelerator.name == variant.current.accelerator:
        return own
    return accelerator.cost_per_hour * profile.acc_count


def _assembled(
    groups: Sequence[Group],
    sized: Mapping[tuple[str, str], Sequence[Sized]],
    held: list[Held],
    problems: list[Problem],
    policy: Policy,
    nodes: Mapping[str, Nodes] | None,
) -> Candidates:
    assembled = []
    infeasible: dict[tuple[str, str], tuple[Sized, ...]] = {}
    for group in groups:
        required_rpm = group.required_rpm(policy.headroom)
        members = []
        for variant in group.members:
            tried = sized.get(variant.key, ())
            able = tuple(choice for choice in tried if _miss(choice, required_rpm) is None)
            if able:
                room = None if nodes is None else max(_room(choice, nodes) for choice in able)
                minimum = least_replicas(variant, room)
                members.append(Member(variant, able, group.unknown, minimum))
                problems += _minimum_not_kept(variant, minimum, room)
            elif tried:
                infeasible[variant.key] = tuple(tried)
                held.append(Held(variant, PlanReason.INFEASIBLE_SLO, _misses(tried, required_rpm)))
        assembled.append(SizedGroup(group, required_rpm, tuple(members)))
    return Candidates(tuple(assembled), tuple(held), infeasible, tuple(problems))


def _room(choice: Sized, nodes: Mapping[str, Nodes]) -> int:
    """Replicas that empty nodes hold."""
    return nodes.get(choice.accelerator.device, NO_NODES).slots(choice.units)


def _minimum_not_kept(variant: Variant, minimum: int, room: int | None) -> Iterator[Problem]:
    if minimum < variant.min_replicas:
        yield Problem(
            subject=f"VariantAutoscaling {variant.namespace}/{variant.name}",
            reason=PlanReason.INVALID_CONFIGURATION.value,
            message=(
                f"min_replicas {variant.min_replicas} is more than the {room} for which all nodes have room:"
                f" it counts as {minimum}, so that nobody else goes short for it; lower it, or add devices"
            ),
        )


def _usable(variant: Variant, group: Group, catalogue: Mapping[str, Accelerator]) -> Iterator[_Choice]:
    for profile in sorted(variant.profiles, key=lambda p: p.accelerator):
        accelerator = catalogue.get(profile.accelerator)
        if accelerator is not None and profile.accelerator in _allowed(variant, group):
            yield _Choice(variant, accelerator, profile, _pair(variant, profile, group))


def _allowed(variant: Variant, group: Group) -> set[str]:
    """Accelerators that the variant may run on, whether usable or not."""
    bound = variant.keep_accelerator or group.unknown
    if bound and variant.current.accelerator is not None:
        return {variant.current.accelerator}
    return {profile.accelerator for profile in variant.profiles}


def _pair(variant: Variant, profile: Profile, group: Group) -> Pair:
    return Pair(
        parameters=profile.parameters,
        max_batch_size=batch_size(
            profile.max_batch_size, profile.at_tokens, variant.max_batch_size, group.load.output_tokens
        ),
        max_queue_size=profile.max_queue_size,
        input_tokens=group.load.input_tokens,
        output_tokens=group.load.output_tokens,
        itl_ms=group.target.itl_ms,
        ttft_ms=group.target.ttft_ms,
        tokens_per_second=group.target.tokens_per_second,
    )


def _no_accelerator(variant: Variant, group: Group, catalogue: Mapping[str, Accelerator]) -> str:
    profiled = ", ".join(sorted(profile.accelerator for profile in variant.profiles))
    allowed = _allowed(variant, group)
    if not allowed & {profile.accelerator for profile in variant.profiles}:
        return (
            f"profiles has no entry for {variant.current.accelerator}, the accelerator in use (there is"
            f" {profiled}): add its profile, or set keep_accelerator to false"
        )
    known = ", ".join(sorted(catalogue)) or "none"
    missing = ", ".join(sorted(allowed))
    return f"accelerators has no entry for {missing} (there is {known}): add its device and cost"


def _skipped(variant: Variant, catalogue: Mapping[str, Accelerator]) -> Iterator[Problem]:
    for profile in sorted(variant.profiles, key=lambda p: p.accelerator):
        if profile.accelerator not in catalogue:
            yield Problem(
                subject=f"VariantAutoscaling {variant.namespace}/{variant.name}",
                reason=PlanReason.INVALID_CONFIGURATION.value,
                message=(
                    f"the profile for {profile.accelerator} is not used: accelerators has no entry of that"
                    " name; add its device and cost, or remove the profile"
                ),
            )


def _miss(choice: Sized, required_rpm: float) -> str | None:
    """Why a sized accelerator cannot be chosen; an idle demand breaks no promise."""
    if not required_rpm:
        return None
    if choice.sizing.miss is not None:
        return choice.sizing.miss
    if required_rpm > MOST_REPLICAS * choice.sizing.capacity_rpm:
        asked, check = f"{required_rpm:.6g} requests/min", "the load"
        tokens_per_second, tokens = choice.pair.tokens_per_second, choice.pair.output_tokens
        if (
            tokens_per_second is not None
            and tokens
            and required_rpm * (1 - 1e-9) <= tokens_per_second * 60 / tokens
        ):
            asked, check = f"a target of {tokens_per_second:.6g} tokens/s, {asked}", "the target"
        return (
            f"{asked} at {choice.sizing.capacity_rpm:.3g} per replica need more than {MOST_REPLICAS:,}"
            f" replicas; check {check} and the profile's parameters"
        )
    return None


def _misses(tried: Sequence[Sized], required_rpm: float) -> str:
    reasons = "; ".join(f"{choice.accelerator.name}: {_miss(choice, required_rpm)}" for choice in tried)
    return f"no accelerator that the variant may use meets its SLO ({reasons})"
