"""Who gets the devices when they do not suffice: the saturation policies as sequences of objectives.

| policy | what is minimised, before cost |
|---|---|
| None | by priority: the rate of demands not served in full (they keep their minimum and get nothing more) |
| PriorityExhaustive | by priority: the unserved rate |
| PriorityRoundRobin | by priority: the largest unserved share, the next largest, ..., the unserved rate |
| RoundRobin | the same over all demands at once |

With `delayed_best_effort` every policy first minimises what None does, by priority, and only then its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from inferno_optimizer.allocation.objectives import Kind, Objective
from inferno_optimizer.allocation.problem import Demand, Problem, Rationing


@dataclass(frozen=True, slots=True)
class Fairness:
    """Max-min fairness of the served shares among demands of one priority, or of all (None)."""

    priority: int | None

    @property
    def name(self) -> str:
        """As the certificate shows it, before the level."""
        scope = "" if self.priority is None else f", priority {self.priority}"
        return f"largest unserved share{scope}"

    def concerns(self, demand: Demand) -> bool:
        """Whether the demand takes part: one that asks for nothing has no share."""
        return bool(demand.servable_rpm) and self.priority in (None, demand.priority)


Step = Objective | Fairness


def rationing_steps(problem: Problem) -> Iterator[Step]:
    """What decides under scarcity, most important first; nothing without limits."""
    if problem.capacity is None:
        return
    priorities = sorted({demand.priority for demand in problem.demands})
    rationing = problem.rationing
    if rationing is Rationing.ALL_OR_NOTHING or problem.delayed_best_effort:
        yield from (Objective(Kind.NOT_FULL, priority) for priority in priorities)
    match rationing:
        case Rationing.ALL_OR_NOTHING:
            return
        case Rationing.PRIORITY:
            yield from (Objective(Kind.UNSERVED, priority) for priority in priorities)
        case Rationing.FAIR_WITHIN_PRIORITY:
            for priority in priorities:
                yield Fairness(priority)
                yield Objective(Kind.UNSERVED, priority)
        case Rationing.FAIR:
            yield Fairness(None)
            yield Objective(Kind.UNSERVED)


def minimum_steps(problem: Problem) -> Iterator[Objective]:
    """Before all else, when not even the minimums fit: keep those of the most important demands."""
    for priority in sorted({demand.priority for demand in problem.demands}):
        yield Objective(Kind.MINIMUM_MISSED, priority)


def choosing_steps() -> Iterator[Objective]:
    """What decides among plans that serve equally well."""
    yield Objective(Kind.COST)
    yield Objective(Kind.CHANGES)
    yield Objective(Kind.NAME_ORDER)
