"""Chooses accelerators and replicas: the cheapest plan that serves all it can, most important demands first.

Data
    demands d with rate lambda_d and priority P_d, variants v in V_d, candidates j in C_v;
    r_vj  requests per minute that one replica completes within the SLO        `Candidate.rate_rpm`
    a_vj mult_j  devices per replica                                           `Candidate.units`
    c_vj  cents per hour and replica                                           `Candidate.cost_per_hour`
    lo_v, hi_vj  fewest and most replicas                                      `Variant`
    W_k  nodes of device k with their free units, absent when unlimited        `Problem.capacity`

Variables
    z_vj in {0, 1}  variant v runs on accelerator j
    y_vj in N       its replicas there
    u_d >= 0        rate of demand d that is not served

Model
    (1) sum_{v in V_d, j} r_vj y_vj + u_d >= lambda_d                          for every demand d
    (2) sum_j z_vj <= 1,  lo_v z_vj <= y_vj <= hi_vj z_vj                      for every variant v
    (3) y_vj replicas of a_vj mult_j units can be placed on the nodes W_k      for every device k (`limits`)
    (4) sum_j y_vj >= lo_v                                                     for every variant v

Objective, lexicographic: what `saturation` prescribes, then cost with the charge for switching accelerators,
then replicas changed, then name order. When not even the minimums (4) fit, they come before all else.

A demand is first solved alone (`alone`); only demands that compete for devices reach the program, and only
those that are connected through a scarce device reach it together.

Example: at most 4 G and 2 H, one model with a variant on each, 60 rpm to serve, 10 rpm per G at 10 cents and
20 rpm per H at 25 cents: 6 G would cost 60 and 3 H 75, but neither fits; the optimum is 4 G + 1 H for 65.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from ortools.util.python.solve_interrupter import SolveInterrupter

from inferno_optimizer.allocation.alone import best_alone, part_of
from inferno_optimizer.allocation.components import components
from inferno_optimizer.allocation.construct import construct, keeps_minimums
from inferno_optimizer.allocation.lexicographic import DEFAULT_CORE, Core, Effort
from inferno_optimizer.allocation.limits import inexact_devices, slots_suffice_for
from inferno_optimizer.allocation.model import Shape
from inferno_optimizer.allocation.objectives import (
    Assignments,
    Kind,
    Objective,
    Places,
    places_of,
    value_of,
)
from inferno_optimizer.allocation.placing import placement_of
from inferno_optimizer.allocation.problem import Assignment, Key, Problem, Rationing, Solution, Stage
from inferno_optimizer.allocation.saturation import (
    Fairness,
    Step,
    choosing_steps,
    minimum_steps,
    rationing_steps,
)
from inferno_optimizer.allocation.sequence import (
    InfeasibleError,
    Lexicographic,
    NoSolutionInTimeError,
    Outcome,
)
from inferno_optimizer.allocation.small import by_knapsack
from inferno_optimizer.allocation.solver import SolverError

DEFAULT_TIME_LIMIT_SECONDS: Final = 30.0
FULL_SHARE_OF_TIME: Final = 0.5
"""Part of the budget that may go into looking for a plan that serves everybody in full."""

SLOTS_SHARE_OF_TIME: Final = 0.4
"""Part of the budget that may go into a plan with slots alone, which may turn out not to be placeable."""

SAME: Final = 1e-6
"""Relative difference up to which a stage has the value of its bound."""

ORDER: Final = ("optimal", "feasible", "fallback")
"""How good a stage is, best first."""

SEPARABLE: Final = (Rationing.ALL_OR_NOTHING, Rationing.PRIORITY)


def solve(
    problem: Problem,
    *,
    time_limit_seconds: float = DEFAULT_TIME_LIMIT_SECONDS,
    interrupter: SolveInterrupter | None = None,
    clock: Callable[[], float] = time.monotonic,
    core: Core = DEFAULT_CORE,
    scarce: set[str] | None = None,
) -> Solution:
    """Best plan for the problem. Same problem, same plan, unless the time limit cuts in.

    Every variant has an assignment in the answer. `Stage.status` tells proven optima from incumbents
    ("feasible", with bound and gap) and from plans made without the solver ("fallback"). `scarce` are the
    problem's `components.scarce_devices`, where they are known; `core` is for tests.

    Raises:
        InterruptedSolveError: the interrupter was triggered; from any thread, at any time.
    """
    places = places_of(problem)
    effort = Effort(clock() + time_limit_seconds, clock, interrupter, core)
    alone = {d.key: best_alone(d, places) if effort.left_seconds > 0 else None for d in problem.demands}
    outcomes: list[Outcome] = []
    parts = _parts(problem, scarce)
    for part in parts:
        outcome = _together(part, [alone[d.key] for d in part.demands], places, effort)
        outcomes.append(outcome or _placed(part, places, effort))
    solution = _solution(problem, outcomes, effort)
    if solution is None:  # the time was over before the packing was found: a plan that needs no search
        over = effort.part(0.0)
        solution = _solution(problem, [_by_program(p, places, over) for p in parts], over)
    if solution is None:
        raise SolverError("the solver's plan cannot be placed on the nodes")
    return replace(solution, alone={key: found for key, found in alone.items() if found is not None})


def _solution(problem: Problem, outcomes: Sequence[Outcome], effort: Effort) -> Solution | None:
    """The outcomes together; None if no placement was found in time."""
    assignments: dict[Key, Assignment] = {}
    for outcome in outcomes:
        assignments.update(outcome.assignments)
    placement = placement_of(problem, assignments, effort)
    if placement is None:
        return None
    priced = tuple(priced for outcome in outcomes for priced in outcome.priced)
    return Solution(assignments, _merge(problem, [o.stages for o in outcomes]), placement, priced=priced)


def _parts(problem: Problem, scarce: set[str] | None) -> list[Problem]:
    """Problems that do not influence each other; fairness over all demands is one problem."""
    if problem.capacity is not None and problem.rationing not in SEPARABLE:
        return [problem]
    return [part_of(problem, *demands) for demands in components(problem, scarce)]


def _together(
    part: Problem, alone: Sequence[Assignments | None], places: Places, effort: Effort
) -> Outcome | None:
    """The demands' best choices side by side, when each could be found and all fit."""
    assignments: dict[Key, Assignment] = {}
    for found in alone:
        if found is None:
            return None
        assignments.update(found)
    if placement_of(part, assignments, effort) is None:
        return None
    return Outcome(assignments, _proven_stages(part, assignments, places))


def _placed(part: Problem, places: Places, effort: Effort) -> Outcome:
    """The best plan that can be placed; where slots are not exact, first with slots alone.

    That program is smaller and leaves nothing out: if what it proves best can be placed, it is best.
    """
    if slots_suffice_for(part):
        return by_knapsack(part, places, effort) or _by_program(part, places, effort)
    bounds: tuple[Stage, ...] = ()
    if effort.left_seconds > 0:
        slots = effort.part(SLOTS_SHARE_OF_TIME)
        outcome = _by_program(part, places, slots, flow=False)
        proven = all(stage.status == "optimal" for stage in outcome.stages)
        if proven and placement_of(part, outcome.assignments, slots) is not None:
            return outcome
        bounds = outcome.stages
    outcome = _by_program(part, places, effort)
    return _bounded(outcome, bounds) if inexact_devices(part) else outcome


def _bounded(outcome: Outcome, bounds: Sequence[Stage]) -> Outcome:
    """The outcome where constraint (3) may have held something back (`arcflow`), with bounds by slots alone.

    These leave nothing out, and bound every stage as long as all before it have the value of their bound.
    """
    known = {stage.objective: stage.bound for stage in bounds}
    stages: list[Stage] = []
    tight = True
    for stage in outcome.stages:
        bound = known.get(stage.objective) if tight else None
        tight = bound is not None and stage.value <= bound + SAME * max(1.0, abs(bound))
        if tight:
            stages.append(replace(stage, bound=stage.value, status="optimal"))
        else:
            status = max(stage.status, "feasible", key=ORDER.index)
            stages.append(replace(stage, bound=bound, status=status))
    return replace(outcome, stages=tuple(stages))


def _by_program(part: Problem, places: Places, effort: Effort, *, flow: bool = True) -> Outcome:
    """Solve with the program: first whether everybody can be served in full, then with rationing."""
    if effort.left_seconds > 0:
        outcome = _serving_all(part, places, effort.part(FULL_SHARE_OF_TIME), flow=flow)
        if outcome is not None:
            return outcome
    start = construct(part)
    steps: list[Step] = [*rationing_steps(part), *choosing_steps()]
    if not keeps_minimums(part, start):
        steps = [*minimum_steps(part), *steps]
        start = _keeping_minimums(part, places, effort, flow=flow) or start
    soft_minimum = not keeps_minimums(part, start)
    return Lexicographic(part, Shape(soft_minimum=soft_minimum, flow=flow), places, effort, start).run(steps)


def _keeping_minimums(part: Problem, places: Places, effort: Effort, *, flow: bool) -> Assignments | None:
    """Where to start from so that all minimums are kept; None if they cannot be, or not in time.

    A program that may miss minimums is larger and slower by far; this one serves nothing but them.
    """
    if effort.left_seconds <= 0:
        return None
    idle = replace(part, demands=tuple(replace(demand, rate_rpm=0.0) for demand in part.demands))
    outcome = _in_full(idle, [Objective(Kind.COST)], places, effort.part(FULL_SHARE_OF_TIME), flow=flow)
    return None if outcome is None else construct(part, outcome.assignments)


def _serving_all(part: Problem, places: Places, effort: Effort, *, flow: bool) -> Outcome | None:
    """The best plan that serves everybody in full; None if there is none, or none was found in time."""
    outcome = _in_full(part, choosing_steps(), places, effort, flow=flow)
    return None if outcome is None else replace(outcome, stages=(*_served_stages(part), *outcome.stages))


def _in_full(
    part: Problem, steps: Iterable[Step], places: Places, effort: Effort, *, flow: bool
) -> Outcome | None:
    try:
        return Lexicographic(part, Shape(partial=False, flow=flow), places, effort).run(steps)
    except (InfeasibleError, NoSolutionInTimeError):
        return None


def _served_stages(part: Problem) -> tuple[Stage, ...]:
    """The rationing stages of a plan that serves everybody in full: zero, which nothing undercuts."""
    return tuple(Stage(_first_name(step), 0.0, 0.0, "optimal") for step in rationing_steps(part))


def _first_name(step: Step) -> str:
    return f"{step.name}, level 1" if isinstance(step, Fairness) else step.name


def _proven_stages(part: Problem, assignments: Assignments, places: Places) -> tuple[Stage, ...]:
    values = [(o.name, value_of(o, part, assignments, places)) for o in choosing_steps()]
    return (*_served_stages(part), *(Stage(name, value, value, "optimal") for name, value in values))


def _merge(problem: Problem, parts: Sequence[Sequence[Stage]]) -> tuple[Stage, ...]:
    """Stages of independent parts added up by objective, in the order in which they decide."""
    if len(parts) == 1:
        return tuple(parts[0])
    merged: dict[str, Stage] = {}
    for stage in (stage for stages in parts for stage in stages):
        known = merged.get(stage.objective)
        if known is None:
            merged[stage.objective] = stage
            continue
        bound = None if known.bound is None or stage.bound is None else known.bound + stage.bound
        status = max(known.status, stage.status, key=ORDER.index)
        merged[stage.objective] = Stage(stage.objective, known.value + stage.value, bound, status)
    steps: list[Step] = [*minimum_steps(problem), *rationing_steps(problem), *choosing_steps()]
    return tuple(merged[step.name] for step in steps if step.name in merged)
