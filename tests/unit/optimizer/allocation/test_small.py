"""Small problems are solved without the program, and just as well."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from ortools.util.python.solve_interrupter import SolveInterrupter

from inferno_optimizer.allocation import (
    Core,
    InterruptedSolveError,
    Problem,
    Rationing,
    Solution,
    solve,
    verify,
)
from inferno_optimizer.allocation import search as search_module
from inferno_optimizer.allocation.choices import Choices
from inferno_optimizer.allocation.knapsack import Knapsack
from inferno_optimizer.allocation.lexicographic import Effort
from inferno_optimizer.allocation.objectives import Kind, Objective, demand_value, places_of
from inferno_optimizer.allocation.search import Search
from inferno_optimizer.allocation.small import by_knapsack
from unit.optimizer.allocation.exhaustive import a_candidate, a_demand, pools, random_problem
from unit.optimizer.allocation.test_scale import crowded

EFFORT = Effort(1.0, lambda: 0.0)
BY_PROGRAM = Core(knapsacks=False)
ROWS = 4
SEPARABLE = (Rationing.ALL_OR_NOTHING, Rationing.PRIORITY)


def certificate(solution: Solution) -> list[tuple[str, float, str]]:
    return [(stage.objective, round(stage.value, 5), stage.status) for stage in solution.stages]


@pytest.mark.parametrize("rationing", SEPARABLE)
@pytest.mark.parametrize("room", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("seed", range(3))
def test_without_the_program_a_plan_is_the_same(rationing: Rationing, room: float, seed: int) -> None:
    problem = crowded(200 + seed, 12, room, rationing)
    solution = solve(problem)
    assert verify(problem, solution) == []
    by_program = solve(problem, core=BY_PROGRAM)
    assert certificate(solution) == certificate(by_program)
    assert solution.assignments == by_program.assignments


def test_options_are_worth_what_the_objectives_say() -> None:
    for seed in range(40):
        problem = single_variants(random_problem(seed, rationing=Rationing.PRIORITY))
        places = places_of(problem)
        objectives = [Objective(kind, priority) for kind in Kind for priority in (None, 1)]
        choices = Choices(problem, objectives, places)
        everything = np.ones(choices.values.shape[1], bool)
        knapsack = choices.knapsack(everything, 0)
        assert knapsack is not None
        for option, group in enumerate(knapsack.group):
            demand = problem.demands[group]
            found = choices.assignments(everything, np.array([option]))
            expected = [
                demand_value(o.kind, demand, found, places) if o.concerns(demand) else 0.0 for o in objectives
            ]
            assert choices.values[:, option] == pytest.approx(expected)


def test_a_search_finds_the_best_of_all_combinations_whatever_the_prices() -> None:
    for seed in range(300):
        draw = np.random.default_rng(seed)
        knapsack = random_knapsack(draw)
        search = Search(knapsack, draw.choice([0.0, 1.0, 2.5], ROWS))
        if seed % 2:
            search.pair(search.widest)
        found = search.within(search.widest, 10_000)
        assert found.left_out == np.inf
        expected = least_values(knapsack)
        assert (found.chosen is None) == (expected is None)
        if found.chosen is not None:
            values = knapsack.values[:, found.chosen].sum(axis=1)
            assert tuple(values) == expected
            assert search.within(found.excess, 10_000).chosen is not None
            narrow = search.within(search.widest, 2)
            assert narrow.chosen is None or narrow.excess >= found.excess - 1e-6
            assert narrow.left_out <= found.excess + 1e-6 or narrow.excess == pytest.approx(found.excess)


def test_what_may_be_wasted_of_the_room_rules_out_no_solution() -> None:
    for seed in range(150):
        draw = np.random.default_rng(seed)
        knapsack = random_knapsack(draw)
        search = Search(knapsack, draw.choice([0.0, 1.0, 2.5], ROWS))
        expected = search.within(search.widest, 10_000)
        search.limit_waste(draw.choice([0.1, 0.3], ROWS))
        found = search.within(search.widest, 10_000)
        assert (found.chosen is None) == (expected.chosen is None)
        assert found.excess == expected.excess


def random_knapsack(draw: np.random.Generator) -> Knapsack:
    """Four groups of up to four options on three devices, one of them with slots of two sizes; many ties."""
    group = np.repeat(np.arange(4), draw.integers(1, 5, 4))
    device = draw.integers(-1, 3, len(group))
    units = draw.integers(1, 5, len(group))
    of_device = [(device == d) * units for d in range(3)]
    values = np.array([draw.integers(0, 4, len(group)), draw.integers(0, 3, len(group))]).astype(float)
    takes = np.array([of_device[0], of_device[0] // 2, *of_device[1:]])
    return Knapsack(group, device, takes, values, draw.integers(0, 9, ROWS), np.array([0, 0, 1, 2]))


def least_values(knapsack: Knapsack) -> tuple[float, ...] | None:
    options = [np.flatnonzero(knapsack.group == group).tolist() for group in range(4)]
    return min(
        (
            tuple(knapsack.values[:, list(chosen)].sum(axis=1))
            for chosen in itertools.product(*options)
            if (knapsack.takes[:, list(chosen)].sum(axis=1) <= knapsack.room).all()
        ),
        default=None,
    )


def test_what_is_not_small_is_left_to_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = crowded(201, 12, 0.8)
    monkeypatch.setattr(search_module, "MOST_EXTENDED", 10)
    assert by_knapsack(problem, places_of(problem), EFFORT) is None
    assert {stage.status for stage in solve(problem).stages} == {"optimal"}


def test_nothing_is_begun_when_nobody_waits_for_it_or_the_time_is_over() -> None:
    problem = crowded(201, 12, 0.8)
    places = places_of(problem)
    assert by_knapsack(problem, places, Effort(0.0, lambda: 0.0)) is None
    interrupter = SolveInterrupter()
    interrupter.interrupt()
    with pytest.raises(InterruptedSolveError):
        by_knapsack(problem, places, Effort(1.0, lambda: 0.0, interrupter))


def test_minimums_that_do_not_fit_are_left_to_the_program() -> None:
    wants_two = [a_demand(name, 10, a_candidate("G"), minimum=2) for name in "ab"]
    problem = Problem(tuple(wants_two), pools(G=3), Rationing.PRIORITY)
    assert by_knapsack(problem, places_of(problem), EFFORT) is None


def single_variants(problem: Problem) -> Problem:
    return replace(
        problem, demands=tuple(replace(demand, variants=demand.variants[:1]) for demand in problem.demands)
    )
