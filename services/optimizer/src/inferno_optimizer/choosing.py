"""Turns sized candidates into an allocation problem, solves it, and has the solution verified.

Nothing unverified gets past here: a solution with a violation, or a solver that fails, becomes `Refused`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ortools.util.python.solve_interrupter import SolveInterrupter

from inferno_optimizer.allocation import (
    Candidate,
    Demand,
    InterruptedSolveError,
    Nodes,
    Problem,
    Rationing,
    Solution,
    SolverError,
    solve,
    verify,
)
from inferno_optimizer.allocation import Variant as Choosable
from inferno_optimizer.candidates import Member, SizedGroup
from inferno_optimizer.devices import Keeping, current_cost, locked_of, standing
from inferno_shared.contracts import Accelerator, Policy, SaturationPolicy

RATIONING: Final = {
    SaturationPolicy.NONE: Rationing.ALL_OR_NOTHING,
    SaturationPolicy.PRIORITY_EXHAUSTIVE: Rationing.PRIORITY,
    SaturationPolicy.PRIORITY_ROUND_ROBIN: Rationing.FAIR_WITHIN_PRIORITY,
    SaturationPolicy.ROUND_ROBIN: Rationing.FAIR,
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A verified solution of a problem."""

    problem: Problem
    solution: Solution


@dataclass(frozen=True, slots=True)
class Refused:
    """No solution that may be acted upon, and why."""

    violations: tuple[str, ...]


def problem_of(
    groups: Sequence[SizedGroup],
    accelerators: Sequence[Accelerator],
    nodes: Mapping[str, Nodes] | None,
    kept: Sequence[Keeping],
    policy: Policy,
) -> Problem:
    """The allocation problem of all groups that have somebody to serve them; `nodes` None: unlimited."""
    catalogue = {accelerator.name: accelerator for accelerator in accelerators}
    stands = None if nodes is None else standing(nodes, kept, list(locked_of(groups)))
    unplaced = stands.unplaced if stands else {}
    demands = tuple(
        Demand(
            key=sized.group.key,
            priority=sized.group.priority,
            rate_rpm=sized.required_rpm,
            variants=tuple(
                _choosable(m, catalogue, unplaced, idle=not sized.required_rpm) for m in sized.members
            ),
        )
        for sized in groups
        if sized.members
    )
    capacity = stands.nodes if stands else None
    return Problem(demands, capacity, RATIONING[policy.saturation_policy], policy.delayed_best_effort)


def choose(
    problem: Problem,
    time_limit_seconds: float,
    interrupter: SolveInterrupter | None = None,
    clock: Callable[[], float] = time.monotonic,
    scarce: set[str] | None = None,
) -> Chosen | Refused:
    """Solve and verify; `scarce` are the problem's scarce devices, where they are known.

    Raises:
        InterruptedSolveError: the interrupter was triggered.
    """
    if interrupter is not None and interrupter.interrupted:
        raise InterruptedSolveError
    try:
        solution = solve(
            problem,
            time_limit_seconds=time_limit_seconds,
            interrupter=interrupter,
            clock=clock,
            scarce=scarce,
        )
    except SolverError as error:
        return Refused((str(error),))
    violations = verify(problem, solution)
    return Refused(tuple(violations)) if violations else Chosen(problem, solution)


def _choosable(
    member: Member,
    catalogue: Mapping[str, Accelerator],
    unplaced: Mapping[tuple[str, str], int],
    *,
    idle: bool,
) -> Choosable:
    variant = member.variant
    return Choosable(
        key=variant.key,
        candidates=tuple(
            Candidate(
                accelerator=choice.accelerator.name,
                device=choice.accelerator.device,
                units=choice.units,
                cost_per_hour=choice.cost_per_hour,
                rate_rpm=0.0 if idle else choice.sizing.capacity_rpm,
            )
            for choice in (member.choices[:1] if member.locked else member.choices)
        ),
        minimum=member.minimum,
        maximum=variant.max_replicas,
        floor=variant.current.replicas if member.locked else 0,
        current_accelerator=variant.current.accelerator,
        current_replicas=variant.current.replicas,
        current_cost_per_hour=current_cost(variant, catalogue) * variant.current.replicas,
        unplaced=unplaced.get(variant.key, 0),
    )
