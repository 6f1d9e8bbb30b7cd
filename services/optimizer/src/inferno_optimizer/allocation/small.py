"""Small problems without the program: as a knapsack of all choices written out, exact and in milliseconds.

That is possible where every demand has one variant, slots say all about the nodes and every objective is a
sum over the demands. It is tried with everybody served in full first, then with those of all priorities but
the last, and so on: the objectives of service before the first one that cannot be 0 are constraints, that one
is what the relaxation is made for, and those behind it decide among equals.
"""

from typing import Final

import numpy as np

from inferno_optimizer.allocation.choices import Choices
from inferno_optimizer.allocation.knapsack import Knapsack, NotSmallError
from inferno_optimizer.allocation.lexicographic import Effort
from inferno_optimizer.allocation.objectives import Objective, Places, value_of
from inferno_optimizer.allocation.problem import Priced, Problem, Rationing, Stage
from inferno_optimizer.allocation.program import Floats, Indices
from inferno_optimizer.allocation.saturation import choosing_steps, rationing_steps
from inferno_optimizer.allocation.search import Search
from inferno_optimizer.allocation.sequence import Outcome
from inferno_optimizer.allocation.slot_prices import SlotPrices, slot_prices
from inferno_optimizer.allocation.solver import InterruptedSolveError, Unsolved

MOST_DEMANDS: Final = 60
MOST_CHOICES: Final = 4_000
FIRST_GAP: Final = 1.5
"""In slots, at the highest price."""

WIDER_GAP: Final = 3.0
BEAM: Final = 100
WIDER_BEAM: Final = 6
SUMS: Final = (Rationing.ALL_OR_NOTHING, Rationing.PRIORITY)
"""Policies without max-min fairness."""


def by_knapsack(problem: Problem, places: Places, effort: Effort) -> Outcome | None:
    """The best outcome, all of it proven; None: not a small problem, or not even the minimums fit.

    Counting slots has to be exact for the problem.

    Raises:
        InterruptedSolveError: the interrupter was triggered.
    """
    serving = [step for step in rationing_steps(problem) if isinstance(step, Objective)]
    if effort.left_seconds <= 0 or not (effort.core.knapsacks and is_small(problem)):
        return None
    objectives = [*serving, *choosing_steps()]
    choices = Choices(problem, objectives, places)
    for served in range(len(serving), -1, -1):
        allowed = np.all(choices.values[:served] == 0, axis=0)
        knapsack = choices.knapsack(allowed, served)
        outline = choices.knapsack(allowed & choices.ends, served)
        if knapsack is None or outline is None:
            continue
        try:
            relaxed = _relaxed(outline, outline.values[0], effort)
            chosen = None if relaxed is None else _best(knapsack, outline, relaxed.prices, effort)
        except NotSmallError:
            return None
        if relaxed is not None and chosen is not None:
            assignments = choices.assignments(allowed, chosen)
            values = [(o.name, value_of(o, problem, assignments, places)) for o in objectives]
            stages = tuple(Stage(name, v, v, "optimal") for name, v in values)
            return Outcome(assignments, stages, (_priced(problem, objectives[served], choices, relaxed),))
    return None


def is_small(problem: Problem) -> bool:
    """Whether it is one of sums over few demands of one variant each."""
    if problem.rationing not in SUMS or problem.capacity is None or len(problem.demands) > MOST_DEMANDS:
        return False
    choices = 0
    for demand in problem.demands:
        if len(demand.variants) > 1:
            return False
        [variant] = demand.variants
        servable_rpm = demand.servable_rpm
        choices += sum(variant.most_replicas(c, servable_rpm) for c in variant.candidates)
    return choices <= MOST_CHOICES


def _best(knapsack: Knapsack, outline: Knapsack, prices: Floats, effort: Effort) -> Indices | None:
    """The option of every group in the best solution; None: there is no solution.

    `outline` has the options of which a relaxation mixes all others. Which gap is needed a first search
    tells: it keeps few partial solutions, and often proves the best one already.
    """
    search = Search(knapsack, prices)
    if not prices.any():
        room = _relaxed(outline, None, effort)
        if room is None:
            return None
        search.limit_waste(room.prices)
    gap, beam, paired, known = FIRST_GAP * float(prices.max(initial=0.0)), BEAM, False, False
    while True:
        _go_on(effort)
        found = search.within(gap, beam)
        if found.excess <= gap + search.noise and found.excess + search.noise < found.left_out:
            return found.chosen
        exact = found.left_out == np.inf
        if exact and gap >= search.widest:
            return None
        if found.chosen is not None:
            known, gap = True, found.excess
        elif not known:
            gap = max(WIDER_GAP * gap, search.next_gap(gap))
        if not (exact or paired):
            search.pair(gap)
            paired = True
        elif not exact:
            beam *= WIDER_BEAM


def _go_on(effort: Effort) -> None:
    if effort.interrupter is not None and effort.interrupter.interrupted:
        raise InterruptedSolveError
    if effort.left_seconds <= 0:
        raise NotSmallError


def _relaxed(knapsack: Knapsack, values: Floats | None, effort: Effort) -> SlotPrices | None:
    """`slot_prices`; None: there is no solution."""
    found = slot_prices(knapsack, values, effort.left_seconds, effort.interrupter)
    if found is Unsolved.NOT_IN_TIME:
        raise NotSmallError
    return found if isinstance(found, SlotPrices) else None


def _priced(problem: Problem, objective: Objective, choices: Choices, relaxed: SlotPrices) -> Priced:
    rows = zip(choices.rows, relaxed.prices.tolist(), strict=True)
    prices = tuple((device, slots, price) for (device, slots), price in rows)
    return Priced(tuple(d.key for d in problem.demands), objective.name, relaxed.value, prices)
