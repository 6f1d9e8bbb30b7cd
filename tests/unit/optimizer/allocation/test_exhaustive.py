"""The program against exhaustive enumeration, stage by stage, on hundreds of random small worlds."""

import pytest

from inferno_optimizer.allocation import Core, Problem, Rationing, solve
from unit.optimizer.allocation.exhaustive import best_score, random_problem, rounded, score

SEEDS = 360
"""300 of them have several nodes per device."""

CHUNK = 60
DELAYED = [r for r in Rationing if r is not Rationing.ALL_OR_NOTHING]


TINY_CORE = Core(above=0, first=1)
"""Even these small worlds are solved by way of cores, which have to grow."""


def assert_optimal(problem: Problem, core: Core) -> None:
    solution = solve(problem, core=core)
    assert rounded(score(problem, solution.assignments)) == best_score(problem)
    assert {stage.status for stage in solution.stages} <= {"optimal"}


@pytest.mark.parametrize("start", range(0, SEEDS, CHUNK))
@pytest.mark.parametrize("rationing", list(Rationing))
def test_every_stage_equals_exhaustive_enumeration_under_limits(rationing: Rationing, start: int) -> None:
    for seed in range(start, start + CHUNK):
        core = Core() if seed % 2 else TINY_CORE
        assert_optimal(random_problem(seed, rationing=rationing), core)


@pytest.mark.parametrize("rationing", DELAYED)
def test_every_stage_equals_exhaustive_enumeration_with_delayed_best_effort(rationing: Rationing) -> None:
    for seed in range(SEEDS, SEEDS + CHUNK + CHUNK // 2):
        core = Core() if seed % 2 else TINY_CORE
        assert_optimal(random_problem(seed, rationing=rationing, delayed=True), core)


@pytest.mark.parametrize("start", range(0, SEEDS, CHUNK))
def test_every_stage_equals_exhaustive_enumeration_without_limits(start: int) -> None:
    for seed in range(start, start + CHUNK):
        assert_optimal(random_problem(seed, rationing=Rationing.ALL_OR_NOTHING, limited=False), Core())
