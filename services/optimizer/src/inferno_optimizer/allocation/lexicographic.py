"""Minimises one linear expression after the other over one program, each with a proof or a gap.

A program of some size is not handed to the solver whole: a small core of columns is solved (`cores`), which
yields a value v, and if need be the core is widened to all columns that could improve on v, which proves it
optimal. What is excluded so stays excluded for all later objectives, which may not give up any of v.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from ortools.util.python.solve_interrupter import SolveInterrupter

from inferno_optimizer.allocation.alike import Merged
from inferno_optimizer.allocation.cores import SLACK, Exclusion, Prices
from inferno_optimizer.allocation.linear import Linear
from inferno_optimizer.allocation.program import Flags, Floats, OpenPart, Program
from inferno_optimizer.allocation.sifting import relax_large
from inferno_optimizer.allocation.solver import Branched, Relaxed, Unsolved, branch

CORE_GROWTH: Final = 8
TRIAL_NODES: Final = 50
NODES_WITHOUT_CUTS: Final = 100
STAGE_SHARE_OF_TIME: Final = 0.6
HALF: Final = 0.5
ROUNDING: Final = 1e-9


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
    """What is tried before the whole program; no optimum depends on it.

    `knapsacks`: small problems are solved without the program (`small`). A core of it is solved first
    `above` so many free integer columns, for which the relaxation is asked; it has the movable ones of least
    reduced cost, `first` of them, besides those that are basic: the larger the program, the denser its good
    solutions lie around its relaxation.
    """

    knapsacks: bool = True
    above: int = 30
    first: int = 20


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

    def keep(self, objective: Linear, value: float, exclusion: Exclusion | None = None) -> int:
        """No later minimisation may make the objective larger than this; the answer is the number of the row.

        `exclusion` must come from the minimisation of this very objective.
        """
        if exclusion is not None:
            lower, upper = self.program.lower, self.program.upper
            exclusion.fix(lower, upper)
            self.program.settle(lower, upper)
            self.program.set_bounds(lower, upper)
        return self.program.add(objective <= value + SLACK * max(1.0, abs(value)))

    def _by_core(
        self, objective: Linear, free: Flags, lower: Floats, upper: Floats, effort: Effort
    ) -> Minimum:
        relaxed = self._relaxation(objective, lower, upper, effort)
        if relaxed is Unsolved.INFEASIBLE:
            return INFEASIBLE
        if relaxed is Unsolved.NOT_IN_TIME:
            return self._branch_and_bound(objective, lower, upper, effort)
        costs = self.program.costs(objective)
        prices = Prices.of(relaxed, free, costs, self.program.integer)
        best = self._known(relaxed, lower, upper, objective.constant, costs)
        size, cuts, hard = effort.core.first, False, False
        while not prices.settles(best.value):
            needed = prices.needed(best.value)
            last = size >= needed
            core = prices.core(min(size, needed))
            nodes = None if last else TRIAL_NODES
            found = self._core(
                objective, core, best.values, lower, upper, effort, nodes, cuts=cuts or (last and hard)
            )
            if found.value <= best.value:
                best = replace(found, bound=max(prices.bound, min(found.bound, prices.beyond(size))))
            if found.proven and size >= prices.needed(best.value):
                break
            best = replace(best, proven=False)
            if last or self.out_of_time:
                return best
            hard = hard or not (cuts or found.proven)
            cuts = not (cuts or found.proven) and prices.needed(best.value) > CORE_GROWTH * size
            size *= 1 if cuts else CORE_GROWTH
        if best.values is None:
            return INFEASIBLE
        return replace(best, bound=best.value, proven=True, exclusion=prices.exclusion(best.value))

    def _known(
        self, relaxed: Relaxed, lower: Floats, upper: Floats, constant: float, costs: Floats
    ) -> Minimum:
        """The best solution that is at hand: the relaxation's, if it is whole, else the incumbent."""
        for values in (self._whole(relaxed.values), self._incumbent):
            if values is None:
                continue
            padded = self.program.completed(values)
            if self._allowed(padded, lower, upper):
                self._incumbent = padded
                return Minimum(padded.tolist(), constant + float(costs @ padded), relaxed.bound, proven=False)
        return Minimum(None, math.inf, relaxed.bound, proven=False)

    def _core(
        self,
        objective: Linear,
        core: Exclusion,
        known: Sequence[float] | None,
        lower: Floats,
        upper: Floats,
        effort: Effort,
        nodes: int | None,
        *,
        cuts: bool,
    ) -> Minimum:
        """The minimum over a core, in which the known solution is one too."""
        core_lower, core_upper = lower.copy(), upper.copy()
        if known is None:
            core.fix(core_lower, core_upper)
        else:
            at_bound = np.where(core.reduced > 0, lower, upper)
            core.fix(core_lower, core_upper, spared=np.abs(np.array(known) - at_bound) > HALF)
        return self._branch_and_bound(objective, core_lower, core_upper, effort, nodes, cuts=cuts)

    def _relaxation(
        self, objective: Linear, lower: Floats, upper: Floats, effort: Effort
    ) -> Relaxed | Unsolved:
        """Solve the linear relaxation.

        Choices among 0 and 1 lose their upper bound, which (2) implies, so that the whole price of deviating
        from the best choice shows in one reduced cost.
        """
        choices = self.program.integer & (lower == 0.0) & (upper == 1.0)
        part = self.program.open_part(
            objective, lower, np.where(choices, np.inf, upper), np.zeros(len(lower), bool)
        )
        if part is None:
            return Unsolved.INFEASIBLE
        relaxed = relax_large(part, lambda: effort.left_seconds, effort.interrupter)
        if isinstance(relaxed, Unsolved):
            return relaxed
        reduced, values = np.zeros(len(lower)), lower.copy()
        reduced[part.columns], values[part.columns] = relaxed.reduced, relaxed.values
        return Relaxed(relaxed.bound, reduced, values)

    def _whole(self, values: Floats) -> Floats | None:
        """The values rounded, where they were whole but for noise."""
        rounded = np.where(self.program.integer, np.round(values), values)
        return rounded if np.all(np.abs(values - rounded) <= ROUNDING) else None

    def _allowed(self, values: Floats, lower: Floats, upper: Floats) -> bool:
        """Whether values are within their bounds, and satisfy all rows."""
        within = (values >= lower - ROUNDING) & (values <= upper + ROUNDING)
        return bool(np.all(within)) and self.program.allows(values)

    def _branch_and_bound(
        self,
        objective: Linear,
        lower: Floats,
        upper: Floats,
        effort: Effort,
        nodes: int | None = None,
        *,
        cuts: bool = False,
    ) -> Minimum:
        lower, upper = lower.copy(), upper.copy()
        self.program.settle(lower, upper)
        part = self.program.open_part(objective, lower, upper)
        if part is None:
            return INFEASIBLE
        values, merged = lower.copy(), Merged.of(part)
        if len(part.columns):
            hint = None
            if self._incumbent is not None:
                hint = merged.summed(self.program.completed(self._incumbent)[part.columns])
            found = _branch(merged.part, hint, effort, nodes, cuts=cuts)
        else:
            found = Branched(np.zeros(0), part.constant, part.constant, proven=True)
        if found.infeasible:
            return INFEASIBLE
        if found.values is None:
            return Minimum(None, math.inf, found.bound, proven=False)
        values[part.columns] = merged.spread(found.values, len(part.columns))
        self._incumbent = values
        return Minimum(values.tolist(), found.value, found.bound, proven=found.proven)


def _branch(
    part: OpenPart, hint: Floats | None, effort: Effort, nodes: int | None, *, cuts: bool
) -> Branched:
    """So many nodes; without a limit some without cuts first, unless these are asked for, then with cuts."""
    search = partial(branch, part, interrupter=effort.interrupter)
    if nodes is not None or cuts:
        return search(effort.left_seconds, hint=hint, nodes=nodes, cuts=cuts)
    found = search(effort.left_seconds, hint=hint, nodes=NODES_WITHOUT_CUTS)
    if found.proven or effort.left_seconds <= 0:
        return found
    final = search(effort.left_seconds, hint=hint if found.values is None else found.values, cuts=True)
    if final.value <= found.value:
        return final
    bound = max(found.bound, min(final.bound, found.value))
    return replace(found, bound=bound, proven=final.proven)
