"""The four worlds in which a greedy allocation is known to go wrong, with their optimum worked by hand."""

from inferno_optimizer.allocation import (
    Assignment,
    Demand,
    Problem,
    Rationing,
    Solution,
    Variant,
    solve,
    verify,
)
from unit.optimizer.allocation.exhaustive import a_candidate, a_demand, pools


def solved(problem: Problem) -> Solution:
    solution = solve(problem)
    assert verify(problem, solution) == []
    assert {stage.status for stage in solution.stages} == {"optimal"}
    return solution


def stage_value(solution: Solution, objective: str) -> float:
    return next(stage.value for stage in solution.stages if stage.objective == objective)


def test_the_cheapest_accelerator_of_one_is_left_to_two_others() -> None:
    """A on H 25, B and C on G 10 + 10: 45. Greedy puts A on both G for 20 and pays 14 + 14 on H: 48."""
    problem = Problem(
        demands=(
            a_demand("a", 10, a_candidate("G", units=2, cost=20), a_candidate("H", cost=25)),
            a_demand("b", 10, a_candidate("G", cost=10), a_candidate("H", cost=14)),
            a_demand("c", 10, a_candidate("G", cost=10), a_candidate("H", cost=14)),
        ),
        capacity=pools(G=2, H=3),
    )
    solution = solved(problem)
    assert stage_value(solution, "cost") == 45
    assert solution.assignments["ns", "a"] == Assignment("H", 1)


def test_the_important_one_moves_aside_when_it_can_so_that_both_are_served() -> None:
    """Premium on H 11, Free on G 10: 21. Greedy gives Premium the G, and Free nothing."""
    problem = Problem(
        demands=(
            a_demand("premium", 10, a_candidate("G", cost=10), a_candidate("H", cost=11)),
            a_demand("free", 10, a_candidate("G", cost=10), priority=10),
        ),
        capacity=pools(G=1, H=1),
    )
    for rationing in Rationing:
        solution = solved(Problem(problem.demands, problem.capacity, rationing))
        assert stage_value(solution, "cost") == 21
        assert solution.assignments["ns", "free"] == Assignment("G", 1)


def test_the_important_one_gets_all_when_there_is_too_little_even_for_it() -> None:
    """8 G, Premium needs 10 and Free 6: Premium gets 8. Greedy finds no room for 10 and serves Free."""
    problem = Problem(
        demands=(
            a_demand("premium", 100, a_candidate("G")),
            a_demand("free", 60, a_candidate("G"), priority=10),
        ),
        capacity=pools(G=8),
        rationing=Rationing.PRIORITY,
    )
    solution = solved(problem)
    assert solution.assignments["ns", "premium"] == Assignment("G", 8)
    assert solution.assignments["ns", "free"].replicas == 0
    assert stage_value(solution, "unserved rate, priority 1") == 20
    assert stage_value(solution, "unserved rate, priority 10") == 60


def test_two_variants_of_a_model_share_its_demand_on_two_accelerators() -> None:
    """4 G and 2 H; 60 rpm need 6 G (60) or 3 H (75), and neither fits: 4 G + 1 H serve them for 65."""
    shared = Demand(
        key=("ns", "model", "class"),
        priority=1,
        rate_rpm=60,
        variants=(
            Variant(("ns", "on-g"), (a_candidate("G", cost=10, rate=10),)),
            Variant(("ns", "on-h"), (a_candidate("H", cost=25, rate=20),)),
        ),
    )
    solution = solved(Problem((shared,), pools(G=4, H=2)))
    assert stage_value(solution, "cost") == 65
    assert solution.assignments == {("ns", "on-g"): Assignment("G", 4), ("ns", "on-h"): Assignment("H", 1)}
