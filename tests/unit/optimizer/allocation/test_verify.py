"""The verifier catches every kind of corrupted plan, and names what is wrong."""

from dataclasses import replace

import pytest

from inferno_optimizer.allocation import (
    Assignment,
    Demand,
    Filled,
    Nodes,
    Packing,
    Problem,
    Rationing,
    Solution,
    Stage,
    Variant,
    solve,
    verify,
)
from unit.optimizer.allocation.exhaustive import a_candidate, a_demand, placed, pools

PREMIUM, FREE = ("ns", "premium"), ("ns", "free")


def scarce(rationing: Rationing = Rationing.PRIORITY) -> Problem:
    """5 G: premium needs 3 (or 2 H), free needs 4, one of them its minimum."""
    return Problem(
        demands=(
            a_demand("premium", 30, a_candidate("G"), a_candidate("H", cost=40, rate=20), maximum=6),
            a_demand("free", 40, a_candidate("G"), priority=10, minimum=1),
        ),
        capacity=pools(G=5, H=0),
        rationing=rationing,
    )


def corrupted(problem: Problem, **assignments: Assignment) -> list[str]:
    """Violations after some assignments of the solver's plan were replaced; the certificate is dropped."""
    solution = solve(problem)
    assert verify(problem, solution) == []
    changed = {("ns", name): assignment for name, assignment in assignments.items()}
    return verify(problem, placed(problem, {**solution.assignments, **changed}))


def test_a_right_plan_has_no_violation() -> None:
    problem = scarce()
    solution = solve(problem)
    assert solution.assignments == {PREMIUM: Assignment("G", 3), FREE: Assignment("G", 2)}
    assert verify(problem, solution) == []


def test_a_missing_and_a_made_up_variant() -> None:
    problem = scarce()
    assignments = {PREMIUM: Assignment("G", 3), ("ns", "ghost"): Assignment("G", 2)}
    violations = verify(problem, Solution(assignments))
    assert any("free" in v for v in violations)
    assert any("ghost" in v for v in violations)


@pytest.mark.parametrize(
    ("premium", "words"),
    [
        (Assignment("G", 4), "6 units of G are used, the limit is 5"),
        (Assignment("H", 2), "2 units of H are used, the limit is 0"),
        (Assignment("K", 3), "put on K, which is not among its candidates"),
        (Assignment(None, 3), "not among its candidates"),
        (Assignment("G", -1), "gets -1 replicas"),
        (Assignment("G", 7), "more than the 6"),
        (Assignment("G", 1), "ns/premium/class-1 (priority 1) is not served in full"),
        (Assignment("G", 0), "is not served in full while G is idle or serves less important demands"),
    ],
)
def test_a_corrupted_assignment(premium: Assignment, words: str) -> None:
    assert any(words in violation for violation in corrupted(scarce(), premium=premium))


def test_a_priority_inversion_that_uses_every_device() -> None:
    violations = corrupted(scarce(), premium=Assignment("G", 1), free=Assignment("G", 4))
    assert any("serves less important demands" in violation for violation in violations)


def test_a_priority_inversion_under_none() -> None:
    """Free in full with 4 G although premium's 3 would fit if free kept only its minimum."""
    violations = corrupted(
        scarce(Rationing.ALL_OR_NOTHING), premium=Assignment("G", 0), free=Assignment("G", 4)
    )
    assert any("ns/premium/class-1" in violation for violation in violations)


def test_half_a_service_under_none() -> None:
    violations = corrupted(scarce(Rationing.ALL_OR_NOTHING), free=Assignment("G", 2))
    assert violations == ["ns/free/class-10 is served in part, which the policy does not allow"]


def test_a_minimum_missed_although_there_is_room() -> None:
    violations = corrupted(scarce(), free=Assignment("G", 0))
    assert any("misses its minimum 1 with 0 replicas while G could hold one more" in v for v in violations)


def test_a_minimum_missed_without_limits() -> None:
    problem = Problem((a_demand("v", 0, a_candidate("G"), minimum=2),))
    violations = verify(problem, Solution({("ns", "v"): Assignment("G", 1)}))
    assert violations == ["ns/v gets 1 replicas, below its minimum 2"]


def test_a_floor_undercut() -> None:
    problem = Problem((a_demand("v", 0, a_candidate("G"), floor=3),))
    violations = verify(problem, Solution({("ns", "v"): Assignment("G", 2)}))
    assert violations == ["ns/v gets 2 replicas, fewer than the 3 that it must keep"]


def test_idle_devices_while_a_shared_demand_is_unserved() -> None:
    shared = Demand(
        ("ns", "m", "c"),
        1,
        100,
        (Variant(("ns", "g"), (a_candidate("G"),)), Variant(("ns", "h"), (a_candidate("H"),))),
    )
    problem = Problem((shared,), pools(G=3, H=3), Rationing.FAIR)
    plan = placed(problem, {("ns", "g"): Assignment("G", 3), ("ns", "h"): Assignment("H", 2)})
    assert any("H is idle" in violation for violation in verify(problem, plan))


def on_nodes() -> Problem:
    """Nodes of 8, 8 and 4 with a fixed replica of 2: large needs 4 x 4, small 2 x 1."""
    demands = (
        a_demand("large", 40, a_candidate("G", units=4)),
        a_demand("small", 20, a_candidate("G"), priority=5),
    )
    return Problem(demands, {"G": Nodes.of([8, 8, 4], {2: 1})}, Rationing.PRIORITY)


BIG, LITTLE = (4, 1), (1, 2)


@pytest.mark.parametrize(
    ("packing", "words"),
    [
        ((), "4 replicas of 4 units of G are to be placed, the placement has 0"),
        ((Filled(8, ((4, 2),), 2),), "2 replicas of 1 units of G are to be placed, the placement has 0"),
        (
            (Filled(8, ((4, 2),), 1), Filled(8, ((4, 2), (2, 1), LITTLE), 1)),
            "12 units are placed on a node with 8 free units of G",
        ),
        (
            (Filled(8, (BIG,), 3), Filled(4, (BIG,), 1), Filled(8, ((2, 1), LITTLE), 1)),
            "4 nodes with 8 free units of G are used, there are 2",
        ),
        (
            (Filled(8, ((4, 2),), 2), Filled(6, ((2, 1), LITTLE), 1)),
            "1 nodes with 6 free units of G are used, there are 0",
        ),
        (
            (Filled(8, ((4, 2),), 2), Filled(4, (LITTLE,), 1)),
            "1 replicas of 2 units of G are to be placed, the placement has 0",
        ),
        ((Filled(8, ((4, 2),), 2), Filled(4, ((2, 1), LITTLE, (3, 0)), 1)), "a pattern of nothing"),
        ((Filled(8, ((4, 2),), 2), Filled(4, ((2, 1), LITTLE), 1), Filled(4, (), 0)), "a pattern of nothing"),
        (
            (Filled(8, ((4, 2),), 2), Filled(4, ((2, 1), (1, 1)), 1)),
            "2 replicas of 1 units of G are to be placed, the placement has 1",
        ),
    ],
)
def test_a_corrupted_placement(packing: Packing, words: str) -> None:
    problem = on_nodes()
    solution = solve(problem)
    assert verify(problem, solution) == []
    gathered = (Filled(8, ((4, 2),), 2), Filled(4, ((2, 1), LITTLE), 1))
    assert verify(problem, replace(solution, placement={"G": gathered})) == []
    violations = verify(problem, replace(solution, placement={"G": packing}))
    assert any(words in violation for violation in violations)


def test_a_placement_that_is_missing() -> None:
    problem = on_nodes()
    assert verify(problem, replace(solve(problem), placement={})) != []


def test_units_scattered_over_nodes_are_no_room_for_more() -> None:
    """8 units are idle on four nodes of 2: nobody is kept from them, but they hold no replica of 4."""
    problem = Problem(
        (a_demand("large", 40, a_candidate("G", units=4), minimum=1),),
        {"G": Nodes.of([2, 2, 2, 2])},
        Rationing.PRIORITY,
    )
    solution = solve(problem)
    assert solution.assignments[("ns", "large")].replicas == 0
    assert verify(problem, solution) == []


def test_a_node_that_others_would_leave_is_room_for_more() -> None:
    """Free has the whole node of 4 that premium's replica needs, and a node of 2 is idle besides."""
    premium = a_demand("premium", 10, a_candidate("G", units=4))
    free = a_demand("free", 20, a_candidate("G", units=2), priority=10)
    problem = Problem((premium, free), {"G": Nodes.of([4, 2])}, Rationing.PRIORITY)
    plan = placed(problem, {PREMIUM: Assignment("G", 0), FREE: Assignment("G", 2)})
    assert any("premium" in violation for violation in verify(problem, plan))
    right = solve(problem)
    assert right.assignments == {PREMIUM: Assignment("G", 1), FREE: Assignment("G", 1)}
    assert verify(problem, right) == []


@pytest.mark.parametrize(
    ("objective", "change", "words"),
    [
        ("cost", {"value": 45.0}, "the certificate states 45 for cost, the plan has 50"),
        ("cost", {"bound": 60.0}, "the bound 60 of cost is above its value 50"),
        ("cost", {"bound": 40.0}, "cost is called optimal with a gap of 0.2"),
        ("cost", {"bound": None}, "cost is called optimal with a gap of None"),
        ("replicas changed", {"value": 1.0, "bound": 1.0}, "replicas changed, the plan has 5"),
        ("unserved rate, priority 10", {"value": 0.0, "bound": 0.0}, "the plan has 20"),
    ],
)
def test_a_forged_certificate(objective: str, change: dict[str, float | None], words: str) -> None:
    problem = scarce()
    solution = solve(problem)

    def forged(stage: Stage) -> Stage:
        value, bound = change.get("value", stage.value), change.get("bound", stage.bound)
        return replace(stage, value=value or 0.0, bound=bound) if stage.objective == objective else stage

    violations = verify(problem, replace(solution, stages=tuple(forged(s) for s in solution.stages)))
    assert any(words in violation for violation in violations)
