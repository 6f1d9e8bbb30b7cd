"""Minimises one linear expression after the other over one program, each with a proof or a gap.

A program of some size is not handed to the solver whole: its linear relaxation gives a bound b and reduced
costs; a column whose reduced cost exceeds v - b, for an incumbent of value v, cannot move in any better
solution. So a small core of columns is solved, which yields v, and if need be the core is widened to reduced
costs of v - b, which proves v optimal. The same exclusions hold for all later objectives, which may not give
up any of v.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from ortools.util.python.solve_interrupter import SolveInterrupter

from inferno_optimizer.allocation.linear import Linear
from inferno_optimizer.allocation.program import Flags, Floats, Program
from inferno_optimizer.allocation.solver import Branched, Relaxed, branch, relax

CORE_GROWTH: Final = 8
CORE_ROUNDS: Final = 8
STAGE_SHARE_OF_TIME: Final = 0.6
SLACK: Final = 1e-7


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Columns whose reduced cost is above `width` stay at their bound in every solution that is as good."""

    free: Flags
    reduced: Floats
    width: float


@dataclass(frozen=True, slots=True)
class Minimum:
    """Outcome of one minimisation: `values` of all columns, None when no solution was found."""

    values: Sequence[float] | None
    value: float
    bound: float
    proven: bool
    infeasible: bool = False
    exclusion: Exclusion | None = None


INFEASIBLE: Final = Minimum(None, math.inf, math.inf, proven=True, infeasible=True)


@dataclass(frozen=True, slots=True)
class Core:
    """When a core is solved first, and how large it is; no optimum depends on it.

    `above` so many free integer columns the relaxation is asked; the core then has the `first` movable ones
    of least reduced cost, besides those that are basic.
    """

    above: int = 100
    first: int = 60


DEFAULT_CORE: Final = Core()


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to try: until when on which clock, who may interrupt, and how large cores are."""

    deadline: float
    clock: Callable[[], float]
    interrupter: SolveInterrupter | None = None
    core: Core = DEFAULT_CORE

    @property
    def left_seconds(self) -> float:
        """Seconds until the deadline, negative behind it."""
        return self.deadline - self.clock()

    def part(self, share: float) -> "Effort":
        """The same for only a share of the time that is left."""
        now = self.clock()
        return replace(self, deadline=now + share * (self.deadline - now))


class Minimizer:
    """One program, and the best solution so far.

    Raises `InterruptedSolveError` from any minimisation once the interrupter is triggered.
    """

    def __init__(self, program: Program, effort: Effort) -> None:
        self.program = program
        self._effort = effort
        self._incumbent: Floats | None = None

    @property
    def out_of_time(self) -> bool:
        """Whether the budget is used up."""
        return self._effort.left_seconds <= 0

    def minimize(self, objective: Linear, share_of_time: float = STAGE_SHARE_OF_TIME) -> Minimum:
        """Smallest value of the objective; its solution is where the next minimisation starts from."""
        effort = self._effort.part(share_of_time)
        lower, upper = self.program.lower, self.program.upper
        free = self.program.integer & (lower < upper)
        if int(free.sum()) > effort.core.above:
            return self._by_core(objective, free, lower, upper, effort)
        return self._branch_and_bound(objective, lower, upper, effort)

    def keep(self, objective: Linear, value: float, exclusion: Exclusion | None = None) -> None:
        """No later minimisation may make the objective larger than this value.

        `exclusion` must come from the minimisation of this very objective.
        """
        if exclusion is not None:
            lower, upper = self.program.lower, self.program.upper
            _fix(lower, upper, exclusion)
            self.program.set_bounds(lower, upper)
        self.program.add(objective <= value + SLACK * max(1.0, abs(value)))

    def _by_core(
        self, objective: Linear, free: Flags, lower: Floats, upper: Floats, effort: Effort
    ) -> Minimum:
        relaxed = self._relaxation(objective, lower, upper, effort)
        if relaxed is False:
            return INFEASIBLE
        if relaxed is True:
            return self._branch_and_bound(objective, lower, upper, effort)
        bound, reduced = relaxed.bound, relaxed.reduced
        noise = SLACK * max(1.0, float(np.abs(reduced).max(initial=0.0)))
        movable = np.sort(np.abs(reduced[free]))
        movable = movable[movable > noise]
        size = min(effort.core.first, len(movable))
        best = Minimum(None, math.inf, bound, proven=False)
        for _ in range(CORE_ROUNDS):
            width = float(movable[size - 1]) if size else noise
            beyond = float(movable[size]) if size < len(movable) else math.inf
            core_lower, core_upper = lower.copy(), upper.copy()
            _fix(core_lower, core_upper, Exclusion(free, reduced, width))
            found = self._branch_and_bound(objective, core_lower, core_upper, effort)
            if found.values is not None:
                gap = found.value - bound
                if found.proven and gap <= beyond:
                    exclusion = Exclusion(free, reduced, gap + SLACK * max(1.0, abs(found.value)))
                    return replace(found, bound=found.value, exclusion=exclusion)
                reached = max(bound, min(found.bound, bound + beyond))
                best = Minimum(found.values, found.value, reached, proven=False)
                needed = int(np.searchsorted(movable, gap, side="right"))
                size = min(needed, max(effort.core.first, CORE_GROWTH * size))
            elif size == len(movable):
                return found
            else:
                size = min(len(movable), CORE_GROWTH * size)
            if not found.proven or self.out_of_time:
                break
        return best

    def _relaxation(self, objective: Linear, lower: Floats, upper: Floats, effort: Effort) -> Relaxed | bool:
        """Solve the linear relaxation.

        Choices among 0 and 1 lose their upper bound, which (2) implies, so that the whole price of deviating
        from the best choice shows in one reduced cost.
        """
        choices = self.program.integer & (lower == 0.0) & (upper == 1.0)
        part = self.program.open_part(
            objective, lower, np.where(choices, np.inf, upper), np.zeros(len(lower), bool)
        )
        if part is None:
            return False
        relaxed = relax(part, effort.left_seconds, effort.interrupter)
        if isinstance(relaxed, bool):
            return relaxed
        reduced = np.zeros(len(lower))
        reduced[part.columns] = relaxed.reduced
        return Relaxed(relaxed.bound, reduced)

    def _branch_and_bound(self, objective: Linear, lower: Floats, upper: Floats, effort: Effort) -> Minimum:
        part = self.program.open_part(objective, lower, upper)
        if part is None:
            return INFEASIBLE
        values = lower.copy()
        if len(part.columns):
            hint = self._hint(part.columns, values)
            found = branch(part, effort.left_seconds, effort.interrupter, hint)
        else:
            found = Branched(np.zeros(0), part.constant, part.constant, proven=True)
        if found.infeasible:
            return INFEASIBLE
        if found.values is None:
            return Minimum(None, math.inf, found.bound, proven=False)
        values[part.columns] = found.values
        self._incumbent = values
        return Minimum(values.tolist(), found.value, found.bound, proven=found.proven)

    def _hint(self, columns: NDArray[np.int64], start: Floats) -> Floats | None:
        """What the incumbent has in these columns; columns that were added since begin at their bound."""
        if self._incumbent is None:
            return None
        known = start.copy()
        known[: len(self._incumbent)] = self._incumbent
        return known[columns]


def _fix(lower: Floats, upper: Floats, exclusion: Exclusion) -> None:
    """Fix columns at the bound that the relaxation has them at, in place."""
    reduced, count = exclusion.reduced, len(exclusion.free)
    at_lower = exclusion.free & (reduced > exclusion.width)
    at_upper = exclusion.free & (reduced < -exclusion.width)
    upper[:count][at_lower] = lower[:count][at_lower]
    lower[:count][at_upper] = upper[:count][at_upper]
