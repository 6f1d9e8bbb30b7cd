"""Who gets the devices when they do not suffice: each policy on worlds small enough to be worked by hand."""

import pytest

from inferno_optimizer.allocation import (
    Assignment,
    Core,
    Demand,
    Problem,
    Rationing,
    Solution,
    Variant,
    solve,
    verify,
)
from unit.optimizer.allocation.exhaustive import a_candidate, a_demand, pools


def replicas(problem: Problem) -> dict[str, int]:
    solution: Solution = solve(problem)
    assert verify(problem, solution) == []
    return {key[1]: assignment.replicas for key, assignment in solution.assignments.items()}


def three_demands(*, minimum: int = 0) -> tuple[Demand, ...]:
    """10 rpm per G: premium needs 3, and two equally unimportant ones 4 and 2."""
    return (
        a_demand("premium", 30, a_candidate("G"), minimum=minimum),
        a_demand("big", 40, a_candidate("G"), priority=10, minimum=minimum),
        a_demand("small", 20, a_candidate("G"), priority=10, minimum=minimum),
    )


def test_none_serves_in_full_or_not_beyond_the_minimum() -> None:
    problem = Problem(three_demands(minimum=1), pools(G=8), Rationing.ALL_OR_NOTHING)
    assert replicas(problem) == {"premium": 3, "big": 4, "small": 1}


def test_none_may_serve_the_less_important_where_the_important_does_not_fit_in_full() -> None:
    demands = (
        a_demand("premium", 100, a_candidate("G")),
        a_demand("free", 60, a_candidate("G"), priority=10),
    )
    assert replicas(Problem(demands, pools(G=8), Rationing.ALL_OR_NOTHING)) == {"premium": 0, "free": 6}


def test_priority_exhaustive_serves_in_part_by_priority() -> None:
    assert replicas(Problem(three_demands(), pools(G=2), Rationing.PRIORITY)) == {
        "premium": 2,
        "big": 0,
        "small": 0,
    }


def test_priority_exhaustive_breaks_ties_by_name() -> None:
    """5 G: premium 3, and 2 for whoever comes first: both orders leave 40 rpm unserved at the same cost."""
    assert replicas(Problem(three_demands(), pools(G=5), Rationing.PRIORITY)) == {
        "premium": 3,
        "big": 2,
        "small": 0,
    }


def test_priority_round_robin_is_max_min_fair_within_a_priority() -> None:
    """6 G: premium 3; then 2 of 4 and 1 of 2, half of each, rather than 3 and 0."""
    problem = Problem(three_demands(), pools(G=6), Rationing.FAIR_WITHIN_PRIORITY)
    assert replicas(problem) == {"premium": 3, "big": 2, "small": 1}


def test_round_robin_is_max_min_fair_over_all() -> None:
    """5 G for shares of 3, 4 and 2: 2/3, 2/4, 1/2; any other plan has a smaller least share."""
    problem = Problem(three_demands(), pools(G=5), Rationing.FAIR)
    assert replicas(problem) == {"premium": 2, "big": 2, "small": 1}


@pytest.mark.parametrize("rationing", [Rationing.PRIORITY, Rationing.FAIR_WITHIN_PRIORITY, Rationing.FAIR])
def test_delayed_best_effort_serves_in_full_whom_it_can_before_anybody_in_part(rationing: Rationing) -> None:
    """7 G: premium (10) cannot be served in full, small (2) and big (4) can; 1 G is left for premium."""
    demands = (
        a_demand("premium", 100, a_candidate("G")),
        a_demand("big", 40, a_candidate("G"), priority=10),
        a_demand("small", 20, a_candidate("G"), priority=10),
    )
    problem = Problem(demands, pools(G=7), rationing, delayed_best_effort=True)
    assert replicas(problem) == {"premium": 1, "big": 4, "small": 2}


def test_minimums_come_before_anybody_is_served() -> None:
    problem = Problem(three_demands(minimum=1), pools(G=4), Rationing.PRIORITY)
    assert replicas(problem) == {"premium": 2, "big": 1, "small": 1}


def test_minimums_are_kept_though_the_more_important_must_leave_the_cheaper_device() -> None:
    demands = (
        a_demand("free-to-move", 30, a_candidate("G"), a_candidate("H", cost=15.0), minimum=1),
        a_demand("bound", 30, a_candidate("G"), priority=10, minimum=1),
    )
    problem = Problem(demands, pools(G=1, H=1), Rationing.PRIORITY)
    solution = solve(problem, core=Core(knapsacks=False))
    assert solution.assignments == {
        ("ns", "free-to-move"): Assignment("H", 1),
        ("ns", "bound"): Assignment("G", 1),
    }
    assert solve(problem).assignments == solution.assignments
    assert all(stage.status == "optimal" for stage in solution.stages)
    assert [(s.objective, s.value) for s in solution.stages if "minimum" in s.objective] == [
        ("replicas below minimum, priority 1", 0),
        ("replicas below minimum, priority 10", 0),
    ]


def test_minimums_that_do_not_fit_are_kept_by_importance() -> None:
    problem = Problem(three_demands(minimum=2), pools(G=3), Rationing.PRIORITY)
    assert replicas(problem) == {"premium": 2, "big": 1, "small": 0}


def test_a_floor_is_kept_whatever_the_importance() -> None:
    demands = (
        a_demand("premium", 30, a_candidate("G")),
        a_demand("doubtful", 0, a_candidate("G"), priority=10, floor=2),
    )
    assert replicas(Problem(demands, pools(G=3), Rationing.PRIORITY)) == {"premium": 1, "doubtful": 2}


def test_a_maximum_is_no_scarcity_and_under_none_it_is_used_up() -> None:
    """Needs 5, may have 2: it gets 2 although the policy serves in full or not at all."""
    demands = (a_demand("capped", 50, a_candidate("G"), maximum=2),)
    assert replicas(Problem(demands, pools(G=8), Rationing.ALL_OR_NOTHING)) == {"capped": 2}
    assert replicas(Problem(demands)) == {"capped": 2}


def test_a_maximum_is_filled_on_the_accelerator_that_serves_most() -> None:
    demands = (
        a_demand("capped", 50, a_candidate("G", cost=1), a_candidate("H", rate=20, cost=90), maximum=2),
    )
    solution = solve(Problem(demands))
    assert solution.assignments["ns", "capped"].accelerator == "H"


def test_an_important_demand_with_two_choices_leaves_the_scarce_device_to_who_has_one() -> None:
    demands = (
        a_demand("premium", 20, a_candidate("G", cost=5), a_candidate("H", cost=50)),
        a_demand("free", 20, a_candidate("G"), priority=10),
    )
    assert replicas(Problem(demands, pools(G=2, H=2), Rationing.PRIORITY)) == {"premium": 2, "free": 2}


def test_switching_the_accelerator_is_charged_five_percent_of_old_and_new_cost() -> None:
    """H at 96 + 0.05 (100 + 96) = 105.8 stays behind G at 100; H at 90 + 9.5 = 99.5 is taken."""
    for cost, accelerator in ((96.0, "G"), (90.0, "H")):
        demand = a_demand(
            "v", 10, a_candidate("G", cost=100), a_candidate("H", cost=cost), current=("G", 1, 100.0)
        )
        assert solve(Problem((demand,))).assignments["ns", "v"].accelerator == accelerator


def test_equal_cost_changes_the_fewest_replicas() -> None:
    """40 rpm on two equal variants that run 1 and 3 now: nothing changes."""
    shared = Demand(
        ("ns", "m", "c"),
        1,
        40,
        tuple(
            Variant(("ns", name), (a_candidate("G"),), current_accelerator="G", current_replicas=n)
            for name, n in (("a", 1), ("b", 3))
        ),
    )
    assert replicas(Problem((shared,))) == {"a": 1, "b": 3}
