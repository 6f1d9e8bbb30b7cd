"""Program and knapsack against exhaustive enumeration, stage by stage, on hundreds of random small worlds."""

from dataclasses import replace

import pytest

from inferno_optimizer.allocation import Core, Problem, Rationing, solve
from inferno_optimizer.allocation.small import is_small
from unit.optimizer.allocation.exhaustive import Score, best_scores, random_problem, score

SEEDS = 300
"""250 of them have several nodes per device."""

CHUNK = 60
DELAYED_OF_TEN = 3
"""Of ten worlds so many are solved with delayed best effort too, under three policies."""

PROGRAMS = (Core(knapsacks=False), Core(above=0, first=1, knapsacks=False))
"""Half of the worlds is solved by the program as a whole, half by cores that have to grow."""


def assert_optimal(problem: Problem, expected: Score, core: Core) -> None:
    solution = solve(problem, core=core)
    assert score(problem, solution.assignments) == expected
    assert {stage.status for stage in solution.stages} <= {"optimal"}


@pytest.mark.parametrize("start", range(0, SEEDS, CHUNK))
def test_every_stage_equals_exhaustive_enumeration_under_limits_and_every_policy(start: int) -> None:
    for seed in range(start, start + CHUNK):
        world = random_problem(seed, rationing=Rationing.PRIORITY)
        for (rationing, delayed), expected in best_scores(world).items():
            if delayed and seed % 10 >= DELAYED_OF_TEN:
                continue
            problem = replace(world, rationing=rationing, delayed_best_effort=delayed)
            assert_optimal(problem, expected, PROGRAMS[seed // 6 % 2])
            if is_small(problem):
                assert_optimal(problem, expected, Core())


@pytest.mark.parametrize("start", range(0, SEEDS, 5 * CHUNK))
def test_every_stage_equals_exhaustive_enumeration_without_limits(start: int) -> None:
    for seed in range(start, start + 5 * CHUNK):
        problem = random_problem(seed, rationing=Rationing.ALL_OR_NOTHING, limited=False)
        [expected] = [s for (policy, _), s in best_scores(problem).items() if policy is problem.rationing]
        assert_optimal(problem, expected, Core())
