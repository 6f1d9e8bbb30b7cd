"""What a solution means for each variant: outcome, reason, the rate that it gets, and latencies there."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from inferno_optimizer.allocation import Assignment
from inferno_optimizer.candidates import Member, Sized, SizedGroup
from inferno_optimizer.choosing import Chosen
from inferno_optimizer.devices import Keeping
from inferno_optimizer.queueing import Pair, Performance, SizingPolicy, predict
from inferno_shared.contracts import Outcome, PlanReason, Policy, Variant

FULL = 1 - 1e-6
"""Share of a rate from which on it counts as served: the tolerance of the allocation."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a whole demand gets: `capacity_rpm` within the SLO, of `rate_rpm` that arrive."""

    sized: SizedGroup
    capacity_rpm: float

    @property
    def rate_rpm(self) -> float:
        """Requests per minute that arrive, without head-room."""
        return self.sized.group.load.rate_rpm

    @property
    def served_rpm(self) -> float:
        """The part of the arrivals that is served within the SLO."""
        full = self.capacity_rpm >= self.rate_rpm * FULL
        return self.rate_rpm if full else self.capacity_rpm

    @property
    def required_met(self) -> bool:
        """Whether head-room and throughput targets are covered too."""
        return self.capacity_rpm >= self.sized.required_rpm * FULL


@dataclass(frozen=True, slots=True)
class Decision:
    """One variant that takes part in its demand.

    `choice` is None only without replicas. `rate_rpm` is the variant's part of the arrivals, spread in
    proportion to capacity; `performance` is at that rate, `with_one_less` at the same with a replica less.
    """

    member: Member
    service: Service
    choice: Sized | None
    replicas: int
    rate_rpm: float
    outcome: Outcome
    reason: PlanReason
    performance: Performance | None = None
    with_one_less: Performance | None = None

    @property
    def variant(self) -> Variant:
        """The variant decided upon."""
        return self.member.variant

    @property
    def capacity_rpm(self) -> float:
        """What this variant's replicas complete within the SLO."""
        return self.choice.sizing.capacity_rpm * self.replicas if self.choice else 0.0

    @property
    def shared(self) -> bool:
        """Whether other variants serve the same demand."""
        return len(self.service.sized.members) > 1

    @property
    def needed_alone(self) -> int | None:
        """Replicas with which this accelerator alone would serve all that is required."""
        if self.choice is None or not self.service.sized.required_rpm:
            return None
        return replicas_alone(self.service.sized, self.choice)

    @property
    def kept_on_doubt(self) -> bool:
        """Whether only the unknown load of another variant of the demand keeps it from shrinking."""
        current = self.variant.current.replicas
        if not self.member.locked or self.replicas != current or current <= self.member.minimum:
            return False
        return self.shared or (self.needed_alone or 0) < current


def replicas_alone(sized: SizedGroup, choice: Sized) -> int:
    """Replicas with which one accelerator would serve all that a demand requires."""
    return math.ceil(sized.required_rpm / choice.sizing.capacity_rpm * FULL)


@dataclass(frozen=True, slots=True)
class HeldDecision:
    """One variant that keeps what it has; `performance` where load and accelerator are known."""

    keeping: Keeping
    choice: Sized | None
    rate_rpm: float | None
    performance: Performance | None = None


def decisions_of(groups: Sequence[SizedGroup], chosen: Chosen, policy: Policy) -> list[Decision]:
    """One decision per variant that took part, in the order of the groups, latencies included."""
    decisions: list[Decision] = []
    for sized in groups:
        decisions += _group_decisions(sized, chosen.solution.assignments)
    return _with_performance(decisions, SizingPolicy.of(policy))


def held_decisions(
    kept: Sequence[Keeping],
    infeasible: Mapping[tuple[str, str], tuple[Sized, ...]],
    groups: Sequence[SizedGroup],
    policy: Policy,
) -> list[HeldDecision]:
    """Held variants; where the SLO is infeasible, the latencies that the current replicas will show."""
    rates = _rates_of_infeasible(kept, infeasible, groups)
    held = [HeldDecision(k, _current_choice(k, infeasible), rates.get(k.held.variant.key)) for k in kept]
    asked = [(h.choice.pair, h.rate_rpm / h.keeping.replicas) for h in held if h.choice and h.rate_rpm]
    pairs, rates_rpm = [pair for pair, _ in asked], [rate for _, rate in asked]
    answers = iter(predict(pairs, rates_rpm, SizingPolicy.of(policy)))
    return [replace(h, performance=next(answers)) if h.choice and h.rate_rpm else h for h in held]


def _group_decisions(
    sized: SizedGroup, assignments: Mapping[tuple[str, str], Assignment]
) -> Iterator[Decision]:
    picked = []
    for member in sized.members:
        assignment = assignments[member.variant.key]
        choices = [c for c in member.choices if c.accelerator.name == assignment.accelerator]
        picked.append((member, choices[0] if choices and assignment.replicas else None, assignment.replicas))
    capacities = [c.sizing.capacity_rpm * n if c else 0.0 for _, c, n in picked]
    weights = capacities if any(capacities) else [float(n) for _, _, n in picked]
    service = Service(sized, sum(capacities) if sized.required_rpm else 0.0)
    for (member, choice, replicas), weight in zip(picked, weights, strict=True):
        rate_rpm = service.rate_rpm * weight / sum(weights) if any(weights) else 0.0
        decision = Decision(member, service, choice, replicas, rate_rpm, Outcome.SERVED, PlanReason.SLO_BINDS)
        yield replace(decision, outcome=_outcome(decision), reason=_reason(decision))


def _outcome(decision: Decision) -> Outcome:
    if decision.service.served_rpm >= decision.service.rate_rpm:
        return Outcome.SERVED
    return Outcome.PARTIAL if decision.replicas > decision.member.minimum else Outcome.UNSERVED


def _reason(decision: Decision) -> PlanReason:
    minimum, service = decision.member.minimum, decision.service
    if not service.required_met and _at_maximum(decision):
        return PlanReason.MAXIMUM_REPLICAS
    if not service.required_met or decision.replicas < decision.variant.min_replicas:
        return PlanReason.INSUFFICIENT_CAPACITY
    if decision.kept_on_doubt:
        return PlanReason.UNKNOWN_LOAD
    if not service.sized.required_rpm or (not decision.shared and decision.replicas == minimum):
        return PlanReason.MINIMUM_REPLICAS
    return PlanReason.SHARED_DEMAND if decision.shared else PlanReason.SLO_BINDS


def _at_maximum(decision: Decision) -> bool:
    """Whether the variant's own maximum, not a lack of devices, is what keeps it from serving more."""
    maximum = decision.variant.max_replicas
    return maximum is not None and decision.replicas >= maximum


def _with_performance(decisions: Sequence[Decision], policy: SizingPolicy) -> list[Decision]:
    """Predict all decisions in one call: at the rate per replica, and with one replica less."""
    pairs: list[Pair] = []
    rates_rpm: list[float] = []
    for decision in decisions:
        for rate_rpm in _predicted_rates(decision):
            if decision.choice is not None:
                pairs.append(decision.choice.pair)
                rates_rpm.append(rate_rpm)
    answers = iter(predict(pairs, rates_rpm, policy))
    told = []
    for decision in decisions:
        found = [next(answers) for _ in _predicted_rates(decision)]
        told.append(
            replace(
                decision,
                performance=found[0] if found else None,
                with_one_less=found[1] if len(found) > 1 else None,
            )
        )
    return told


def _predicted_rates(decision: Decision) -> list[float]:
    """Rates per replica to predict for: as decided, and with one replica less where that says something.

    The rest of a shared demand takes its part of what the missing replica leaves, so that all are equally
    busy: of 60 rpm, with 1 replica of 14.3 and 4 of 13.2 rpm (67.1 in all) and one of the four less, each
    of the other three gets 60 13.2 / (67.1 - 13.2) = 14.7.
    """
    if decision.choice is None:
        return []
    rates_rpm = [decision.rate_rpm / decision.replicas]
    if decision.reason in (PlanReason.SLO_BINDS, PlanReason.SHARED_DEMAND) and decision.replicas > 1:
        own_rpm = decision.choice.sizing.capacity_rpm
        left_rpm = decision.service.capacity_rpm - own_rpm
        rates_rpm.append(decision.service.rate_rpm * own_rpm / left_rpm)
    return rates_rpm


def _current_choice(kept: Keeping, infeasible: Mapping[tuple[str, str], tuple[Sized, ...]]) -> Sized | None:
    variant = kept.held.variant
    tried = infeasible.get(variant.key, ())
    if not kept.replicas:
        return None
    return next((c for c in tried if c.accelerator.name == variant.current.accelerator), None)


def _rates_of_infeasible(
    kept: Sequence[Keeping],
    infeasible: Mapping[tuple[str, str], tuple[Sized, ...]],
    groups: Sequence[SizedGroup],
) -> dict[tuple[str, str], float]:
    """The demand's rate over its infeasible variants by replicas, where nobody else can serve it."""
    replicas = {k.held.variant.key: k.replicas for k in kept}
    rates: dict[tuple[str, str], float] = {}
    for sized in groups:
        if sized.members:
            continue
        keys = [v.key for v in sized.group.members if v.key in infeasible]
        total = sum(replicas[key] for key in keys)
        for key in keys:
            if total:
                rates[key] = sized.group.load.rate_rpm * replicas[key] / total
    return rates
