"""The answer to a `SystemData`: pure, from the document to the solution, given how to choose."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from inferno_optimizer.allocation import Problem as AllocationProblem
from inferno_optimizer.allocation import Solution
from inferno_optimizer.allocation import Stage as SolvedStage
from inferno_optimizer.choosing import Chosen, Refused
from inferno_optimizer.compat.answer import allocations_of
from inferno_optimizer.compat.fields import unknown_names
from inferno_optimizer.compat.orders import Orders, Refusal, orders_of
from inferno_optimizer.compat.problem import held_units, problem_of
from inferno_optimizer.compat.solution import AllocationSolution, AnsweredAllocation, TypeUse
from inferno_optimizer.compat.system import SystemData, SystemSpec
from inferno_shared.contracts import Certificate, Problem, Stage

Choose = Callable[[AllocationProblem, float], Chosen | Refused]
"""How to choose, within so many seconds."""

WORST_LAST: Final = ("optimal", "feasible", "fallback")


def optimize_one(
    data: SystemData,
    choose: Choose,
    time_limit_seconds: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> AllocationSolution:
    """Place every server that can be placed; the others keep what they have and say why.

    The time limit is one for the whole work, as in `plan.make_plan`: drawing up the answer is expected to
    take as long as sizing did, and choosing gets what is left on the `clock`.

    Example: llm-inferno's small sample, within its capacities, costs 30619 cents per hour.
    """
    begun = clock()
    system = data.system
    orders = orders_of(system)
    problem = problem_of(system, orders)
    chosen = choose(problem, max(0.0, time_limit_seconds - 2 * (clock() - begun)))
    if isinstance(chosen, Refused):
        orders = _all_refused(orders, "; ".join(chosen.violations))
    solution = chosen.solution if isinstance(chosen, Chosen) else Solution({})
    limits = _limits(system)
    allocations = allocations_of(orders.orders, orders.refusals, solution.assignments, limits)
    held_cost = sum(allocations[refusal.server.name].cost for refusal in orders.refusals)
    return AllocationSolution(
        allocations=allocations,
        total_cost=sum(allocation.cost for allocation in allocations.values()),
        capacity=_uses(system, orders, solution),
        certificate=_certificate(solution.stages, held_cost, verified=isinstance(chosen, Chosen)),
        problems=list(_problems(data, orders, allocations)),
    )


def _limits(system: SystemSpec) -> dict[str, int] | None:
    if system.optimizer_data.optimizer.unlimited:
        return None
    return {count.type: count.count for count in system.capacity_data.count}


def _all_refused(orders: Orders, why: str) -> Orders:
    refusals = [
        Refusal(
            order.server,
            f"no allocation passed the check: {why}",
            order.option(order.server.current_alloc.accelerator),
        )
        for order in orders.orders
    ]
    return Orders((), (*orders.refusals, *refusals), orders.skipped)


def _uses(system: SystemSpec, orders: Orders, solution: Solution) -> list[TypeUse]:
    """Cards by type: in use by chosen and by kept replicas, against what there is."""
    used = held_units(system, orders)
    for order in orders.orders:
        assignment = solution.assignments["", order.server.name]
        option = order.option(assignment.accelerator)
        if option is not None:
            device = option.accelerator.device
            used[device] = used.get(device, 0) + assignment.replicas * option.units
    limits = _limits(system)
    types = sorted({*used, *(limits or {})})
    return [
        TypeUse(
            type=device, limit=None if limits is None else limits.get(device, 0), used=used.get(device, 0)
        )
        for device in types
    ]


def _certificate(stages: Sequence[SolvedStage], held_cost: float, *, verified: bool) -> Certificate:
    """What was proven; what held servers cost is a constant that the total contains too."""
    if not verified:
        return Certificate(status="fallback", verified=False)
    return Certificate(
        status=max((stage.status for stage in stages), key=WORST_LAST.index, default="optimal"),
        verified=True,
        stages=[_stage(stage, held_cost if stage.objective == "cost" else 0.0) for stage in stages],
    )


def _stage(stage: SolvedStage, constant: float) -> Stage:
    bound = None if stage.bound is None else stage.bound + constant
    return Stage(
        objective=stage.objective,
        value=stage.value + constant,
        bound=bound,
        gap=stage.gap,
        status=stage.status,
    )


def _problems(
    data: SystemData, orders: Orders, allocations: Mapping[str, AnsweredAllocation]
) -> Iterator[Problem]:
    """What a reader of the answer should know: servers not planned for, profiles and fields not used."""
    for refusal in sorted(orders.refusals, key=lambda r: r.server.name):
        name = refusal.server.name
        yield Problem(subject=f"Server {name}", reason="NotPlanned", message=allocations[name].message)
    for (model, accelerator), why in sorted(orders.skipped.items()):
        message = f"the profile is not used: {why}"
        yield Problem(subject=f"Model {model} on {accelerator}", reason="ProfileNotUsed", message=message)
    if data.system.optimizer_data.optimizer.heterogeneous:
        message = "a server has one accelerator here; the flag is ignored"
        yield Problem(subject="Optimizer heterogeneous", reason="NotSupported", message=message)
    for path, closest in unknown_names(data):
        hint = f"; did you mean {closest}?" if closest else ""
        yield Problem(subject=f"Field {path}", reason="UnknownField", message=f"it is ignored{hint}")
