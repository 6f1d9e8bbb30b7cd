"""Where several plans are equally good the first names win, whatever the policy and however it was solved."""

import itertools

import pytest

from inferno_optimizer.allocation import Core, Demand, Problem, Rationing, solve, verify
from unit.optimizer.allocation.exhaustive import a_candidate, a_demand, pools

WHOLE, BY_TINY_CORES = Core(above=1_000_000), Core(above=0, first=3)
WANTED = {"a": 3, "b": 1, "c": 2, "d": 3}


def served(problem: Problem, core: Core = WHOLE) -> dict[str, int]:
    """Replicas by name of whoever has any; the plan must be proven and verified."""
    solution = solve(problem, core=core)
    assert verify(problem, solution) == []
    assert {stage.status for stage in solution.stages} == {"optimal"}
    return {key[1]: got.replicas for key, got in solution.assignments.items() if got.replicas}


def alike(count: int) -> tuple[Demand, ...]:
    """Demands that differ in nothing but the name, two replicas each."""
    return tuple(a_demand(f"v{number:02d}", 20, a_candidate("G")) for number in range(count))


def wanting(replicas: dict[str, int], **costs: float) -> tuple[Demand, ...]:
    return tuple(
        a_demand(name, 10 * count, a_candidate("G", cost=costs.get(name, 10)))
        for name, count in replicas.items()
    )


@pytest.mark.parametrize("core", [WHOLE, BY_TINY_CORES])
@pytest.mark.parametrize("rationing", [Rationing.ALL_OR_NOTHING, Rationing.PRIORITY])
def test_of_demands_that_are_alike_the_first_are_served(rationing: Rationing, core: Core) -> None:
    """9 G for twelve times two: four in full; the ninth unit serves half of the fifth, if it may."""
    expected = {f"v{number:02d}": 2 for number in range(4)}
    if rationing is Rationing.PRIORITY:
        expected["v04"] = 1
    assert served(Problem(alike(12), pools(G=9), rationing), core) == expected


@pytest.mark.parametrize("rationing", [Rationing.FAIR, Rationing.FAIR_WITHIN_PRIORITY])
def test_what_is_left_after_equal_shares_goes_to_the_first(rationing: Rationing) -> None:
    """8 G for six times two: one each, and a second for the first two."""
    second = {"v00": 2, "v01": 2}
    assert (
        served(Problem(alike(6), pools(G=8), rationing))
        == dict.fromkeys((f"v{number:02d}" for number in range(6)), 1) | second
    )


@pytest.mark.parametrize("core", [WHOLE, BY_TINY_CORES])
def test_none_serves_the_first_of_several_sets_that_are_worth_the_same(core: Core) -> None:
    """3 G: a, or d, or b with c are served in full, 30 requests/min each way at the same cost: a is."""
    assert served(Problem(wanting(WANTED), pools(G=3)), core) == {"a": 3}


@pytest.mark.parametrize("core", [WHOLE, BY_TINY_CORES])
def test_cost_decides_between_sets_before_names_do(core: Core) -> None:
    """b at 9 instead of 10: b with c cost 29, a or d 30."""
    assert served(Problem(wanting(WANTED, b=9), pools(G=3)), core) == {"b": 1, "c": 2}


def test_what_runs_decides_between_sets_before_names_do() -> None:
    running = a_demand("d", 30, a_candidate("G"), current=("G", 3, 30.0))
    assert served(Problem((*wanting(WANTED)[:3], running), pools(G=3))) == {"d": 3}


def test_of_accelerators_that_cost_the_same_the_first_name_is_taken() -> None:
    solution = solve(Problem((a_demand("v", 20, a_candidate("G"), a_candidate("H")),)))
    assert solution.assignments["ns", "v"].accelerator == "G"


def test_the_order_in_which_demands_are_given_decides_no_tie() -> None:
    """Whoever calls sorts them, but nothing may hang on it."""
    for order in itertools.islice(itertools.permutations(wanting(WANTED)), 0, None, 5):
        assert served(Problem(order, pools(G=3))) == {"a": 3}
