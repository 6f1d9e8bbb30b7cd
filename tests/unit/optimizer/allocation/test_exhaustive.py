"""The program against exhaustive enumeration, stage by stage, on hundreds of random small worlds."""

import pytest

from inferno_optimizer.allocation import Problem, Rationing, solve
from unit.optimizer.allocation.exhaustive import best_score, random_problem, rounded, score

SEEDS_PER_POLICY = 300
CHUNK = 25
POLICIES = [
    (Rationing.ALL_OR_NOTHING, False),
    (Rationing.PRIORITY, False),
    (Rationing.PRIORITY, True),
    (Rationing.FAIR_WITHIN_PRIORITY, False),
    (Rationing.FAIR_WITHIN_PRIORITY, True),
    (Rationing.FAIR, False),
    (Rationing.FAIR, True),
]


def assert_optimal(problem: Problem) -> None:
    solution = solve(problem)
    assert rounded(score(problem, solution.assignments)) == best_score(problem)
    assert {stage.status for stage in solution.stages} <= {"optimal"}


@pytest.mark.parametrize("start", range(0, SEEDS_PER_POLICY, CHUNK))
@pytest.mark.parametrize(("rationing", "delayed"), POLICIES)
def test_every_stage_equals_exhaustive_enumeration_under_limits(
    *, rationing: Rationing, delayed: bool, start: int
) -> None:
    for seed in range(start, start + CHUNK):
        assert_optimal(random_problem(seed, rationing=rationing, delayed=delayed))


@pytest.mark.parametrize("start", range(0, SEEDS_PER_POLICY, CHUNK))
def test_every_stage_equals_exhaustive_enumeration_without_limits(start: int) -> None:
    for seed in range(start, start + CHUNK):
        assert_optimal(random_problem(seed, rationing=Rationing.ALL_OR_NOTHING, limited=False))
