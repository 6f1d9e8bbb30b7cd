"""What every demand would get if it had all devices for itself: what scarcity costs is told against that."""

from collections.abc import Mapping
from dataclasses import dataclass

from inferno_optimizer.allocation import Assignment, Demand, Key
from inferno_optimizer.allocation.alone import best_alone
from inferno_optimizer.allocation.objectives import cost_per_hour, cost_with_switching, places_of
from inferno_optimizer.choosing import Chosen
from inferno_optimizer.demands import DemandKey


@dataclass(frozen=True, slots=True)
class Wish:
    """A demand's best assignments without limits, and its cost with them and in the plan, in cents per hour.

    `dearer`: whether the plan costs more, switching charges included, so that limits are what it pays for.
    """

    assignments: Mapping[Key, Assignment]
    cost_alone: float
    cost_in_plan: float
    dearer: bool


def wishes_of(chosen: Chosen) -> dict[DemandKey, Wish]:
    """By demand: those that limits keep from their best choice. Too many combinations: not listed."""
    problem = chosen.problem
    if problem.capacity is None:
        return {}
    places = places_of(problem)
    found = {}
    for demand in problem.demands:
        alone = chosen.solution.alone.get(demand.key) or best_alone(demand, places)
        if alone is not None and any(chosen.solution.assignments[key] != alone[key] for key in alone):
            found[demand.key] = _wish(demand, alone, chosen.solution.assignments)
    return found


def _wish(demand: Demand, alone: Mapping[Key, Assignment], planned: Mapping[Key, Assignment]) -> Wish:
    variants = demand.variants
    charged = [sum(cost_with_switching(v, plan[v.key]) for v in variants) for plan in (alone, planned)]
    return Wish(
        assignments=alone,
        cost_alone=sum(cost_per_hour(v, alone[v.key]) for v in variants),
        cost_in_plan=sum(cost_per_hour(v, planned[v.key]) for v in variants),
        dearer=charged[1] > charged[0] * (1 + 1e-9),
    )
