"""Worlds too large to enumerate: the optimum equals an independent formulation, time limits leave a plan."""

import random

import pytest
from ortools.math_opt.python import mathopt

from inferno_optimizer.allocation import Candidate, Core, Demand, Problem, Rationing, solve, verify
from inferno_optimizer.allocation.alone import best_alone
from unit.optimizer.allocation.exhaustive import a_candidate, a_demand, pools

DEVICES = ("A", "B", "C", "D")


def crowded(seed: int, demands: int, room: float, rationing: Rationing = Rationing.PRIORITY) -> Problem:
    """Single-variant demands on four devices with `room` times the units of everybody's cheapest choice."""
    rnd = random.Random(seed)  # noqa: S311 - reproducible test data
    crowd = [_demand(rnd, number) for number in range(demands)]
    units = dict.fromkeys(DEVICES, 0)
    for demand in crowd:
        cheapest = min(demand.variants[0].candidates, key=lambda c: _full_cost(c, demand))
        units[cheapest.device] += cheapest.units * cheapest.replicas_for(demand.rate_rpm)
    crowd.sort(key=lambda d: (d.priority, d.key))
    return Problem(tuple(crowd), pools(**{d: int(room * u) for d, u in units.items()}), rationing)


def _demand(rnd: random.Random, number: int) -> Demand:
    candidates = [
        a_candidate(
            device,
            units=rnd.choice([1, 1, 2, 4]),
            cost=float(rnd.choice([20, 35, 50, 80])),
            rate=rnd.uniform(5, 40),
        )
        for device in DEVICES
    ]
    rate = rnd.uniform(10, 300)
    return a_demand(f"v{number:03d}", rate, *candidates, priority=rnd.choice([1, 5, 10]), minimum=1)


def _full_cost(candidate: Candidate, demand: Demand) -> float:
    return candidate.cost_per_hour * candidate.replicas_for(demand.rate_rpm)


def independent_cost(problem: Problem) -> float | None:
    """Least cost of serving everybody in full, by a choice of one accelerator each; None if impossible."""
    model = mathopt.Model()
    used: dict[str, list[object]] = {device: [] for device in DEVICES}
    cost: list[object] = []
    for demand in problem.demands:
        chosen = []
        for candidate in demand.variants[0].candidates:
            x = model.add_binary_variable()
            replicas = max(1, candidate.replicas_for(demand.rate_rpm))
            chosen.append(x)
            used[candidate.device].append(candidate.units * replicas * x)
            cost.append(candidate.cost_per_hour * replicas * x)
        model.add_linear_constraint(mathopt.fast_sum(chosen) == 1)
    for device, terms in used.items():
        model.add_linear_constraint(mathopt.fast_sum(terms) <= problem.nodes(device).units)
    model.minimize(mathopt.fast_sum(cost))
    result = mathopt.solve(model, mathopt.SolverType.CP_SAT, params=mathopt.SolveParameters(threads=1))
    if result.termination.reason is mathopt.TerminationReason.INFEASIBLE:
        return None
    assert result.termination.reason is mathopt.TerminationReason.OPTIMAL
    return float(result.objective_value())


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("room", [0.9, 1.0])
def test_the_cost_of_serving_a_crowd_equals_an_independent_formulation(seed: int, room: float) -> None:
    problem = crowded(seed, 60, room)
    expected = independent_cost(problem)
    solution = solve(problem)
    assert verify(problem, solution) == []
    assert {stage.status for stage in solution.stages} == {"optimal"}
    values = {stage.objective: stage.value for stage in solution.stages}
    assert (expected is None) == any(v > 0 for name, v in values.items() if "unserved" in name)
    if expected is not None:
        assert values["cost"] == pytest.approx(expected)


@pytest.mark.parametrize("rationing", list(Rationing))
def test_a_crowd_under_scarcity_gets_a_verified_plan(rationing: Rationing) -> None:
    problem = crowded(7, 24, 0.4, rationing)
    assert verify(problem, solve(problem, time_limit_seconds=1)) == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rationing", [Rationing.ALL_OR_NOTHING, Rationing.PRIORITY])
@pytest.mark.parametrize("room", [0.3, 0.6, 0.9])
def test_cores_change_no_optimum(rationing: Rationing, seed: int, room: float) -> None:
    """Every stage has the same value and is proven, by way of tiny cores and without any."""
    problem = crowded(100 + seed, 14, room, rationing)
    whole = solve(problem, core=Core(above=1_000_000, knapsacks=False))
    by_core = solve(problem, core=Core(above=0, first=3, knapsacks=False))
    assert {stage.status for stage in (*whole.stages, *by_core.stages)} == {"optimal"}
    assert [(s.objective, round(s.value, 5)) for s in by_core.stages] == [
        (s.objective, round(s.value, 5)) for s in whole.stages
    ]


@pytest.mark.parametrize("rationing", list(Rationing))
def test_no_time_at_all_still_leaves_a_plan_and_says_what_it_is_worth(rationing: Rationing) -> None:
    problem = crowded(8, 120, 0.4, rationing)
    solution = solve(problem, time_limit_seconds=1e-6)
    assert verify(problem, solution) == []
    assert {stage.status for stage in solution.stages} & {"feasible", "fallback"}
    assert all(stage.gap is None or stage.gap >= 0 for stage in solution.stages)


def test_a_demand_of_thousands_of_variants_is_not_enumerated() -> None:
    """Counting its combinations ends as soon as there are too many: to count them all takes hours."""
    variants = tuple(
        a_demand(f"v{n}", 1e4, a_candidate("G", rate=1.0), minimum=1).variants[0] for n in range(5_000)
    )
    demand = Demand(("ns", "m", "c"), 1, 1e4, variants)
    assert best_alone(demand, {variant.key: place for place, variant in enumerate(variants)}) is None


def test_demands_that_share_no_scarce_device_are_solved_apart() -> None:
    """Two crowds on devices of their own together cost what they cost apart."""
    demands = tuple(a_demand(f"v{d}{n}", 30, a_candidate(d, cost=10 + n)) for d in "GH" for n in range(3))
    together = Problem(demands, pools(G=7, H=5), Rationing.PRIORITY)
    apart = [
        Problem(
            tuple(d for d in demands if d.variants[0].candidates[0].device == device),
            pools(**{device: units}),
        )
        for device, units in (("G", 7), ("H", 5))
    ]
    assignments = {k: a for p in apart for k, a in solve(_by_priority(p)).assignments.items()}
    assert solve(together).assignments == assignments


def _by_priority(problem: Problem) -> Problem:
    return Problem(problem.demands, problem.capacity, Rationing.PRIORITY)
