"""Runs a sequence of objectives over one model and keeps the assignments that are best in that order."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Final

import numpy as np

from inferno_optimizer.allocation.blocks import Block
from inferno_optimizer.allocation.fairness import DISTINCT_SHARE, guarantee, shares_between
from inferno_optimizer.allocation.lexicographic import Effort, Minimizer, Minimum
from inferno_optimizer.allocation.linear import Linear, total
from inferno_optimizer.allocation.model import AllocationModel, Shape
from inferno_optimizer.allocation.objectives import (
    Assignments,
    Kind,
    Objective,
    Places,
    is_full,
    served_share,
    value_of,
)
from inferno_optimizer.allocation.problem import Demand, Priced, Problem, Stage
from inferno_optimizer.allocation.rivals import Deviations
from inferno_optimizer.allocation.saturation import Fairness, Step

FAIRNESS_LEVELS: Final = 12
"""Levels of max-min fairness that are told apart; the unserved rate decides among what remains."""

TRIAL_SHARE_OF_TIME: Final = 0.2
"""Part of the time left that may go into trying to serve all of a priority."""

WORSE: Final = 1e-6
"""Relative loss of an earlier objective from which on a later solution is refused."""

Measure = Callable[[Assignments], float]


class InfeasibleError(Exception):
    """The model has no solution, proven."""


class NoSolutionInTimeError(Exception):
    """The time was over before the first solution."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Best assignments, the stages that led to them, and relaxations that were solved on the way."""

    assignments: Assignments
    stages: tuple[Stage, ...]
    priced: tuple[Priced, ...] = ()


class Lexicographic:
    """Minimises objective after objective for one problem and one shape of its model.

    `start` are assignments made without the solver: where they already reach the least possible value, 0, the
    solver is not asked, and when it finds nothing in time they are the answer.
    """

    def __init__(
        self,
        problem: Problem,
        shape: Shape,
        places: Places,
        effort: Effort,
        start: Assignments | None = None,
    ) -> None:
        self._problem = problem
        self._places = places
        self._shape = shape
        self._effort = effort
        self._assignments = start
        self._solved = False
        self._kept: int | None = None
        self._minimum: Minimum | None = None
        self._stages: list[tuple[Measure, Stage]] = []

    def run(self, steps: Iterable[Step]) -> Outcome:
        """Minimise step by step.

        Raises:
            InfeasibleError: nothing satisfies the constraints.
            NoSolutionInTimeError: nothing was found within the budget, and there was nothing to start from.
        """
        for step in steps:
            if isinstance(step, Fairness):
                self._be_fair(step)
            else:
                self._minimize(step)
        return Outcome(self._assignments or {}, tuple(self._final_stages()))

    @cached_property
    def _model(self) -> AllocationModel:
        """Built when it is first needed: not at all where the time is over already."""
        return AllocationModel(self._problem, self._shape, self._places)

    @cached_property
    def _minimizer(self) -> Minimizer:
        return Minimizer(self._model.program, self._effort)

    @property
    def _finished(self) -> bool:
        """Whether the time is over, and there is something to show for it."""
        return self._effort.left_seconds <= 0 and self._assignments is not None

    def _minimize(self, objective: Objective) -> None:
        measure = partial(_value, objective=objective, problem=self._problem, places=self._places)
        if self._finished:
            self._stand(objective.name, measure)
            return
        serves = objective.kind in (Kind.NOT_FULL, Kind.UNSERVED)
        if serves and self._assignments is not None and measure(self._assignments) > 0:
            self._try_to_serve_all(objective)
        settled = self._stage(objective.name, lambda: self._model.expression(objective), measure)
        if settled and serves:
            self._settle_fullness(objective, measure)
        self._model.drop_excluded()

    def _settle_fullness(self, objective: Objective, measure: Measure) -> None:
        """Fix who is served in full, where no other choice is as good.

        Rates are added up by no other stage; a row that keeps their sum makes each later relaxation weak, and
        goes. A choice that is as good and another one serves somebody who is not served in full now.
        """
        assignments = self._assignments or {}
        if measure(assignments) == 0:
            self._model.require_full(objective)
        elif objective.kind is Kind.NOT_FULL and self._without_rival(objective, measure(assignments)):
            for block in self._model.concerned(objective):
                self._model.settle_fullness(block, full=is_full(block.demand, assignments))
        else:
            return
        if self._kept is not None:
            self._model.program.remove(self._kept)

    def _without_rival(self, objective: Objective, value: float) -> bool:
        """Whether it is proven that nobody else could be served in full at this value."""
        exclusion = None if self._minimum is None else self._minimum.exclusion
        if exclusion is None or self._stages[-1][1].status != "optimal":
            return False
        blocks = self._model.concerned(objective)
        costs = exclusion.costs(self._model.program.upper)
        full, other = np.array([block.fullness_costs(costs) for block in blocks]).T
        rates = np.array([block.demand.servable_rpm for block in blocks])
        return Deviations.of(full, other, rates).only_one(value, exclusion.width)

    def _try_to_serve_all(self, objective: Objective) -> None:
        """Look for a plan in which an objective of service is 0, at least cost.

        Whether there is one is a question that gives the solver no direction; cost does.
        """
        self._model.require_full(objective)
        self._accept(
            self._minimizer.minimize(self._model.expression(Objective(Kind.COST)), TRIAL_SHARE_OF_TIME)
        )
        self._model.require_full(objective, required=False)

    def _stage(self, name: str, build: Callable[[], Linear], measure: Measure) -> bool:
        """Minimise one expression; whether it ended with a solution of its own or needed none."""
        self._kept = self._minimum = None
        if self._finished:
            return self._stand(name, measure)
        if self._assignments is not None and measure(self._assignments) == 0:
            self._kept = self._minimizer.keep(build(), 0.0)
            self._record(name, measure, bound=0.0, proven=True)
            return True
        expression = build()
        minimum = self._minimizer.minimize(expression)
        accepted = self._accept(minimum)
        if accepted:
            self._minimum = minimum
            self._kept = self._minimizer.keep(expression, minimum.value, minimum.exclusion)
        self._record(name, measure, bound=minimum.bound, proven=accepted and minimum.proven)
        return accepted

    def _stand(self, name: str, measure: Measure) -> bool:
        """Leave a stage as it is, without the solver; whether it has the least possible value, 0."""
        proven = measure(self._assignments or {}) == 0
        self._record(name, measure, bound=0.0 if proven else None, proven=proven)
        return proven

    def _accept(self, minimum: Minimum) -> bool:
        """Take over the assignments of a minimum unless rounding made an earlier objective worse."""
        if minimum.values is None:
            if self._assignments is not None:
                return False
            raise InfeasibleError if minimum.infeasible else NoSolutionInTimeError
        found = self._model.assignments(minimum.values)
        for measure, stage in self._stages:
            if measure(found) > stage.value + WORSE * max(1.0, abs(stage.value)):
                return False
        self._assignments = found
        self._solved = True
        return True

    def _record(self, name: str, measure: Measure, *, bound: float | None, proven: bool) -> None:
        value = measure(self._assignments or {})
        known = bound if bound is not None and math.isfinite(bound) else None
        stage = Stage(name, value, value if proven else known, "optimal" if proven else "feasible")
        self._stages.append((measure, stage))

    def _final_stages(self) -> Iterable[Stage]:
        """Every stage with the value of the final plan, which may be better than it was at that stage."""
        for measure, stage in self._stages:
            value = measure(self._assignments or {})
            if stage.status == "optimal":
                yield replace(stage, value=value, bound=value)
            else:
                bound = None if stage.bound is None else min(stage.bound, value)
                yield replace(
                    stage, value=value, bound=bound, status="feasible" if self._solved else "fallback"
                )

    def _be_fair(self, fairness: Fairness) -> None:
        """Raise the least served share, then exempt as few demands as must stay there, and repeat."""
        if self._finished:
            demands = [d for d in self._problem.demands if fairness.concerns(d)]
            self._stand(f"{fairness.name}, level 1", partial(_largest_unserved, demands=demands, exempted=0))
            return
        blocks = [block for block in self._model.blocks if fairness.concerns(block.demand)]
        exempt: Sequence[Linear] = [Linear()] * len(blocks)
        exempted = 0
        for level in range(1, FAIRNESS_LEVELS + 1):
            if exempted >= len(blocks):
                return
            name = f"{fairness.name}, level {level}"
            least = self._raise_least_share(blocks, exempt, exempted, name)
            if least is None or least >= 1 - DISTINCT_SHARE:
                return
            exempt = [self._model.program.binary() for _ in blocks]
            guarantee(self._model, blocks, exempt, least + DISTINCT_SHARE)
            demands = [block.demand for block in blocks]
            count = partial(_served_at_most, demands=demands, share=least + DISTINCT_SHARE / 2)
            if not self._stage(f"demands at {name}", partial(total, exempt), count):
                return
            exempted = round(count(self._assignments or {}))

    def _raise_least_share(
        self, blocks: Sequence[Block], exempt: Sequence[Linear], exempted: int, name: str
    ) -> float | None:
        """Largest least share among the demands that are not exempt, by halving; None if time ran out."""
        measure = partial(_largest_unserved, demands=[b.demand for b in blocks], exempted=exempted)
        if self._assignments is None:
            self._accept(self._minimizer.minimize(Linear()))
        low = 1.0 - measure(self._assignments or {})
        shares = shares_between(blocks, low, 1.0)
        infeasible_from, proven = 1.0, True
        while proven and shares:
            middle = len(shares) // 2
            rows = guarantee(self._model, blocks, exempt, shares[middle])
            minimum = self._minimizer.minimize(Linear())
            for row in rows:
                self._model.program.remove(row)
            if minimum.infeasible:
                infeasible_from = shares[middle]
                shares = shares[:middle]
            elif self._accept(minimum):
                low = 1.0 - measure(self._assignments or {})
                shares = [share for share in shares[middle + 1 :] if share > low + DISTINCT_SHARE]
            else:
                proven = False
        guarantee(self._model, blocks, exempt, low)
        self._record(name, measure, bound=1.0 - infeasible_from, proven=proven)
        return low if proven else None


def _value(assignments: Assignments, objective: Objective, problem: Problem, places: Places) -> float:
    return value_of(objective, problem, assignments, places)


def _largest_unserved(assignments: Assignments, demands: Sequence[Demand], exempted: int) -> float:
    """Unserved share of the demand that is served worst but for `exempted` ones."""
    shares = sorted(served_share(demand, assignments) for demand in demands)
    return 1.0 - shares[exempted]


def _served_at_most(assignments: Assignments, demands: Sequence[Demand], share: float) -> int:
    """How many demands are served at most that share."""
    return sum(1 for demand in demands if served_share(demand, assignments) <= share)
