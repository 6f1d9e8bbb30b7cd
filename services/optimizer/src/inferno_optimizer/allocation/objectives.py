"""What a plan is judged by: each objective as a number that can be computed from the assignments alone.

The solver minimises linear expressions of the same quantities (`model`); every value that a certificate
states is computed here, from the whole replicas of the plan, never from the solver's own objective.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from inferno_optimizer.allocation.problem import (
    RELATIVE_TOLERANCE,
    SWITCHING_SHARE,
    Assignment,
    Demand,
    Key,
    Problem,
    Variant,
)

Assignments = Mapping[Key, Assignment]
Places = Mapping[Key, int]


class Kind(StrEnum):
    """The objectives of `domain`, in the order in which they may appear in a sequence."""

    MINIMUM_MISSED = "replicas below minimum"
    NOT_FULL = "rate of demands not served in full"
    UNSERVED = "unserved rate"
    COST = "cost"
    CHANGES = "replicas changed"
    NAME_ORDER = "name order"


@dataclass(frozen=True, slots=True)
class Objective:
    """One stage; `priority` narrows it to the demands of that priority, None means all of them."""

    kind: Kind
    priority: int | None = None

    @property
    def name(self) -> str:
        """As the certificate shows it."""
        return self.kind.value if self.priority is None else f"{self.kind.value}, priority {self.priority}"

    def concerns(self, demand: Demand) -> bool:
        """Whether the demand contributes."""
        return self.priority in (None, demand.priority)


def value_of(objective: Objective, problem: Problem, assignments: Assignments, places: Places) -> float:
    """The objective's value: sum over the demands that it concerns."""
    return sum(
        demand_value(objective.kind, demand, assignments, places)
        for demand in problem.demands
        if objective.concerns(demand)
    )


def demand_value(kind: Kind, demand: Demand, assignments: Assignments, places: Places) -> float:
    """One demand's part of an objective."""
    if kind is Kind.UNSERVED:
        return unserved_rpm(demand, assignments)
    if kind is Kind.NOT_FULL:
        return 0.0 if is_full(demand, assignments) else demand.servable_rpm
    value = 0.0
    for variant in demand.variants:
        value += _variant_value(kind, variant, assignments[variant.key], places)
    return value


def _variant_value(kind: Kind, variant: Variant, assignment: Assignment, places: Places) -> float:
    """One variant's part of an objective that is a sum over variants."""
    if kind is Kind.COST:
        return cost_with_switching(variant, assignment)
    if kind is Kind.CHANGES:
        return replicas_changed(variant, assignment)
    if kind is Kind.NAME_ORDER:
        return _order(variant, assignment, places[variant.key])
    return max(0, variant.minimum - assignment.replicas)


def capacity_rpm(demand: Demand, assignments: Assignments) -> float:
    """What the assigned replicas complete within the SLO: sum of r_vj y_vj."""
    total = 0.0
    for variant in demand.variants:
        assignment = assignments[variant.key]
        candidate = variant.candidate(assignment.accelerator)
        if candidate is not None:
            total += candidate.rate_rpm * assignment.replicas
    return total


def is_full(demand: Demand, assignments: Assignments) -> bool:
    """Whether all that the variants' maximums allow is served."""
    return capacity_rpm(demand, assignments) >= demand.servable_rpm * (1 - RELATIVE_TOLERANCE)


def unserved_rpm(demand: Demand, assignments: Assignments) -> float:
    """Rate [u_d] that scarcity leaves unserved; what a variant's own maximum cuts off does not count."""
    if is_full(demand, assignments):
        return 0.0
    return demand.servable_rpm - capacity_rpm(demand, assignments)


def served_share(demand: Demand, assignments: Assignments) -> float:
    """Served part of what could be served, 0 to 1; 1 when nothing is asked for."""
    return 1.0 - unserved_rpm(demand, assignments) / demand.servable_rpm if demand.servable_rpm else 1.0


def cost_per_hour(variant: Variant, assignment: Assignment) -> float:
    """Cents per hour of an assignment."""
    candidate = variant.candidate(assignment.accelerator)
    return candidate.cost_per_hour * assignment.replicas if candidate is not None else 0.0


def cost_with_switching(variant: Variant, assignment: Assignment) -> float:
    """Cost plus what changing the accelerator is charged.

    The objective is cost + transition, where the transition is the change in cost, plus 0.1 (old + new) when
    the accelerator changes: new + (new - old) [+ 0.1 (old + new)]. As old is constant, this is smallest just
    where new [+ 0.05 (old + new)] is, the form used here: it is the plan's cost when no accelerator changes.
    """
    new = cost_per_hour(variant, assignment)
    if assignment.replicas and variant.switches_to(assignment.accelerator):
        return new + SWITCHING_SHARE * (variant.current_cost_per_hour + new)
    return new


def replicas_changed(variant: Variant, assignment: Assignment) -> int:
    """Replicas started plus replicas ended; a change of accelerator restarts them all."""
    if assignment.replicas and variant.switches_to(assignment.accelerator):
        return variant.current_replicas + assignment.replicas
    return abs(assignment.replicas - variant.current_replicas)


def _order(variant: Variant, assignment: Assignment, place: int) -> int:
    """Later names pay more per replica, later accelerators more at all: ties go to the first by name."""
    if not assignment.replicas:
        return 0
    names = [c.accelerator for c in variant.candidates]
    return place * assignment.replicas + names.index(str(assignment.accelerator))


def places_of(problem: Problem) -> dict[Key, int]:
    """Each variant's place, from 1, in the order of (namespace, name)."""
    return {key: place for place, key in enumerate(sorted(v.key for v in problem.variants()), start=1)}
