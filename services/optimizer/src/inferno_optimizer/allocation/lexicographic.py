"""Minimises one linear expression after the other over one MathOpt model, each with a proof or a gap.

Every solve is single-threaded and seeded, so that only a time limit can make two runs differ. A model of some
size is not handed to the solver whole: its linear relaxation gives a bound b and reduced costs; a variable
whose reduced cost exceeds v - b, for an incumbent of value v, cannot move in any better solution. So a small
core of variables is solved, which yields v, and if need be the core is widened to reduced costs of v - b,
which proves v optimal. The same exclusions hold for all later objectives, which may not give up any of v.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from ortools.math_opt.python import mathopt
from ortools.math_opt.solvers.gscip import gscip_pb2
from ortools.util.python.solve_interrupter import SolveInterrupter

CORE_GROWTH: Final = 8
CORE_ROUNDS: Final = 8
STAGE_SHARE_OF_TIME: Final = 0.6
SLACK: Final = 1e-7
FEASIBILITY_TOLERANCE: Final = 1e-9

Values = Mapping[Any, float]
Reasons: Final = mathopt.TerminationReason


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Variables whose reduced cost is above `width` stay at their bound in every solution that is as good."""

    free: Sequence[Any]
    reduced: Values
    width: float


@dataclass(frozen=True, slots=True)
class Minimum:
    """Outcome of one minimisation: `values` is None when no solution was found."""

    values: Values | None
    value: float
    bound: float
    proven: bool
    infeasible: bool = False
    exclusion: Exclusion | None = None


INFEASIBLE: Final = Minimum(None, math.inf, math.inf, proven=True, infeasible=True)


class SolverError(RuntimeError):
    """The solver ended in a state that the models of this package cannot be in."""


class InterruptedSolveError(Exception):
    """Nobody waits for the solution any more."""


@dataclass(frozen=True, slots=True)
class Core:
    """When a core is solved first, and how large it is; no optimum depends on it.

    `above` so many free integer variables the relaxation is asked; the core then has the `first` movable ones
    of least reduced cost, besides those that are basic.
    """

    above: int = 100
    first: int = 60


DEFAULT_CORE: Final = Core()


@dataclass(slots=True)
class Effort:
    """How hard to try: solver seconds left, who may interrupt, and how large cores are."""

    left_seconds: float
    interrupter: SolveInterrupter | None = None
    core: Core = DEFAULT_CORE


class Minimizer:
    """One model, and the best solution so far.

    Raises `InterruptedSolveError` from any minimisation once the interrupter is triggered.
    """

    def __init__(self, model: Any, effort: Effort) -> None:  # noqa: ANN401 - MathOpt ships no types
        self.model = model
        self._effort = effort
        self._incumbent: Values = {}

    @property
    def out_of_time(self) -> bool:
        """Whether the budget is used up."""
        return self._effort.left_seconds <= 0

    def minimize(self, expression: Any, share_of_time: float = STAGE_SHARE_OF_TIME) -> Minimum:  # noqa: ANN401
        """Smallest value of the expression; its solution is where the next minimisation starts from."""
        self.model.minimize(expression)
        limit_seconds = self._effort.left_seconds * share_of_time
        free = [v for v in self.model.variables() if v.integer and v.lower_bound < v.upper_bound]
        if len(free) > self._effort.core.above:
            return self._by_core(free, limit_seconds)
        return self._branch_and_bound(limit_seconds)

    def keep(self, expression: Any, value: float, exclusion: Exclusion | None = None) -> None:  # noqa: ANN401
        """No later minimisation may make the expression larger than this value.

        `exclusion` must come from the minimisation of this very expression.
        """
        if exclusion is not None:
            self._fix(exclusion.free, exclusion.reduced, exclusion.width)
        self.model.add_linear_constraint(expression <= value + SLACK * max(1.0, abs(value)))

    def _by_core(self, free: Sequence[Any], limit_seconds: float) -> Minimum:
        relaxed = self._relaxation(limit_seconds)
        if relaxed.termination.reason is Reasons.INFEASIBLE:
            return INFEASIBLE
        if relaxed.termination.reason is not Reasons.OPTIMAL:
            return self._branch_and_bound(limit_seconds)
        bound, reduced = relaxed.objective_value(), relaxed.reduced_costs()
        noise = SLACK * max(1.0, max(map(abs, reduced.values()), default=0.0))
        movable = sorted(abs(reduced[v]) for v in free if abs(reduced[v]) > noise)
        first = self._effort.core.first
        size = min(first, len(movable))
        best = Minimum(None, math.inf, bound, proven=False)
        for _ in range(CORE_ROUNDS):
            width = movable[size - 1] if size else noise
            beyond = movable[size] if size < len(movable) else math.inf
            found = self._core(free, reduced, width, limit_seconds)
            if found.values is not None:
                gap = found.value - bound
                if found.proven and gap <= beyond:
                    exclusion = Exclusion(free, reduced, gap + SLACK * max(1.0, abs(found.value)))
                    return replace(found, bound=found.value, exclusion=exclusion)
                reached = max(bound, min(found.bound, bound + beyond))
                best = Minimum(found.values, found.value, reached, proven=False)
                size = min(sum(1 for cost in movable if cost <= gap), max(first, CORE_GROWTH * size))
            elif size == len(movable):
                return found
            else:
                size = min(len(movable), CORE_GROWTH * size)
            if not found.proven or self.out_of_time:
                break
        return best

    def _relaxation(self, limit_seconds: float) -> Any:  # noqa: ANN401
        """Solve the linear relaxation.

        Choices among 0 and 1 lose their upper bound, which (2) implies, so that the whole price of deviating
        from the best choice shows in one reduced cost.
        """
        whole = [variable for variable in self.model.variables() if variable.integer]
        choices = [v for v in whole if (v.lower_bound, v.upper_bound) == (0.0, 1.0)]
        for variable in whole:
            variable.integer = False
        for variable in choices:
            variable.upper_bound = math.inf
        try:
            return self._run(mathopt.SolverType.GLOP, limit_seconds)
        finally:
            for variable in whole:
                variable.integer = True
            for variable in choices:
                variable.upper_bound = 1.0

    def _core(self, free: Sequence[Any], reduced: Values, width: float, limit_seconds: float) -> Minimum:
        """The minimum with every variable fixed whose reduced cost exceeds `width`."""
        former = self._fix(free, reduced, width)
        try:
            return self._branch_and_bound(limit_seconds)
        finally:
            for variable, lower, upper in former:
                variable.lower_bound, variable.upper_bound = lower, upper

    @staticmethod
    def _fix(free: Sequence[Any], reduced: Values, width: float) -> list[tuple[Any, float, float]]:
        """Fix variables at the bound that the relaxation has them at; returns their former bounds."""
        former = []
        for variable in free:
            cost = reduced[variable]
            if abs(cost) > width:
                lower, upper = variable.lower_bound, variable.upper_bound
                former.append((variable, lower, upper))
                if cost > 0:
                    variable.upper_bound = lower
                else:
                    variable.lower_bound = upper
        return former

    def _branch_and_bound(self, limit_seconds: float) -> Minimum:
        result = self._run(mathopt.SolverType.GSCIP, limit_seconds)
        reason = result.termination.reason
        if reason in (Reasons.INFEASIBLE, Reasons.INFEASIBLE_OR_UNBOUNDED):
            return INFEASIBLE
        if reason is Reasons.NO_SOLUTION_FOUND:
            return Minimum(None, math.inf, result.dual_bound(), proven=False)
        if reason not in (Reasons.OPTIMAL, Reasons.FEASIBLE):
            raise SolverError(f"the solver ended with {reason}: {result.termination.detail}")
        self._incumbent = result.variable_values()
        value = result.objective_value()
        proven = reason is Reasons.OPTIMAL
        bound = value if proven else min(value, result.dual_bound())
        return Minimum(self._incumbent, value, bound, proven=proven)

    def _run(self, solver: Any, limit_seconds: float) -> Any:  # noqa: ANN401
        seconds = max(0.05, min(limit_seconds, self._effort.left_seconds))
        params = mathopt.SolveParameters(time_limit=timedelta(seconds=seconds), threads=1)
        model_params = mathopt.ModelSolveParameters()
        if solver is mathopt.SolverType.GSCIP:
            params.random_seed = 1
            params.relative_gap_tolerance = 0.0
            # Cuts and heuristics took most of the time on knapsacks that branching alone settles at once.
            params.cuts = params.heuristics = mathopt.Emphasis.OFF
            params.gscip = gscip_pb2.GScipParameters(real_params={"numerics/feastol": FEASIBILITY_TOLERANCE})
            known = {v: self._incumbent[v] for v in self.model.variables() if v in self._incumbent}
            if known:
                model_params.solution_hints.append(mathopt.SolutionHint(variable_values=known))
        try:
            result = mathopt.solve(
                self.model,
                solver,
                params=params,
                model_params=model_params,
                interrupter=self._effort.interrupter,
            )
        except (RuntimeError, ValueError, AttributeError) as error:
            # AttributeError: OR-Tools 9.15 raises it while it translates the solver's own status.
            raise SolverError(f"{solver.name} failed: {error}") from error
        if self._effort.interrupter is not None and self._effort.interrupter.interrupted:
            raise InterruptedSolveError
        self._effort.left_seconds -= result.solve_stats.solve_time.total_seconds()
        return result
