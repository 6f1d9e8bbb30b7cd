"""What must hold for every world, whatever its numbers: metamorphic properties of the allocation."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from inferno_optimizer.allocation import (
    Candidate,
    Demand,
    Problem,
    Rationing,
    Solution,
    Variant,
    solve,
    verify,
)
from unit.optimizer.allocation.exhaustive import random_problem, rounded, score

SEEDS = st.integers(min_value=10_000, max_value=1_000_000)
RATIONINGS = st.sampled_from(list(Rationing))
FEW = settings(max_examples=40, deadline=None, derandomize=True)


def stages(solution: Solution) -> list[tuple[str, float]]:
    return [(stage.objective, round(stage.value, 5)) for stage in solution.stages]


def with_candidates(problem: Problem, **changes: float) -> Problem:
    """Every candidate's cost or rate times a factor, and with it what is current or demanded."""
    cost, rate = changes.get("cost", 1.0), changes.get("rate", 1.0)

    def candidate(c: Candidate) -> Candidate:
        return replace(c, cost_per_hour=c.cost_per_hour * cost, rate_rpm=c.rate_rpm * rate)

    def variant(v: Variant) -> Variant:
        candidates = tuple(candidate(c) for c in v.candidates)
        return replace(v, candidates=candidates, current_cost_per_hour=v.current_cost_per_hour * cost)

    def demand(d: Demand) -> Demand:
        return replace(d, rate_rpm=d.rate_rpm * rate, variants=tuple(variant(v) for v in d.variants))

    return replace(problem, demands=tuple(demand(d) for d in problem.demands))


@FEW
@given(seed=SEEDS, rationing=RATIONINGS)
def test_every_plan_passes_the_verifier(seed: int, rationing: Rationing) -> None:
    problem = random_problem(seed, rationing=rationing)
    assert verify(problem, solve(problem)) == []


@FEW
@given(seed=SEEDS, rationing=RATIONINGS, factor=st.sampled_from([0.25, 2.0, 8.0]))
def test_scaling_all_costs_changes_no_choice(seed: int, rationing: Rationing, factor: float) -> None:
    problem = random_problem(seed, rationing=rationing)
    scaled = with_candidates(problem, cost=factor)
    assert solve(scaled).assignments == solve(problem).assignments


@FEW
@given(seed=SEEDS, rationing=RATIONINGS, factor=st.sampled_from([0.25, 2.0, 8.0]))
def test_scaling_all_rates_changes_no_choice(seed: int, rationing: Rationing, factor: float) -> None:
    problem = random_problem(seed, rationing=rationing)
    scaled = with_candidates(problem, rate=factor)
    assert solve(scaled).assignments == solve(problem).assignments


@FEW
@given(seed=SEEDS, rationing=RATIONINGS)
def test_renaming_changes_nothing(seed: int, rationing: Rationing) -> None:
    """Names that sort alike give the same plan under the new names."""
    problem = random_problem(seed, rationing=rationing)
    renamed = replace(
        problem,
        demands=tuple(
            replace(d, variants=tuple(replace(v, key=("other", f"x-{v.key[1]}")) for v in d.variants))
            for d in problem.demands
        ),
    )
    before, after = solve(problem), solve(renamed)
    assert {("other", f"x-{key[1]}"): a for key, a in before.assignments.items()} == after.assignments
    assert stages(before) == stages(after)


@FEW
@given(seed=SEEDS, rationing=RATIONINGS, more=st.integers(1, 4))
def test_more_devices_never_make_the_score_worse(seed: int, rationing: Rationing, more: int) -> None:
    problem = random_problem(seed, rationing=rationing)
    capacity = problem.capacity or {}
    richer = replace(problem, capacity={device: nodes.plus(more) for device, nodes in capacity.items()})
    before = rounded(score(problem, solve(problem).assignments))
    assert rounded(score(richer, solve(richer).assignments)) <= before


@FEW
@given(seed=SEEDS, factor=st.sampled_from([1.1, 1.5, 3.0]))
def test_more_load_is_never_cheaper_without_limits(seed: int, factor: float) -> None:
    problem = random_problem(seed, rationing=Rationing.ALL_OR_NOTHING, limited=False)
    loaded = replace(
        problem, demands=tuple(replace(d, rate_rpm=d.rate_rpm * factor) for d in problem.demands)
    )
    # A maximum that cuts the load off may leave less to serve at another price: leave those worlds out.
    if any(v.maximum is not None for v in problem.variants()):
        return
    [before] = [s.value for s in solve(problem).stages if s.objective == "cost"]
    [after] = [s.value for s in solve(loaded).stages if s.objective == "cost"]
    assert after >= before - 1e-9


@FEW
@given(seed=SEEDS, rationing=st.sampled_from([Rationing.PRIORITY, Rationing.FAIR_WITHIN_PRIORITY]))
def test_a_less_important_demand_takes_nothing_from_a_more_important_one(
    seed: int, rationing: Rationing
) -> None:
    """Without minimums, the first priority is served as if nobody else were there."""
    problem = random_problem(seed, rationing=rationing)
    first = min(d.priority for d in problem.demands)
    free = replace(
        problem,
        demands=tuple(
            replace(d, variants=tuple(replace(v, minimum=0, floor=0, unplaced=0) for v in d.variants))
            for d in problem.demands
        ),
    )
    alone = replace(free, demands=tuple(d for d in free.demands if d.priority == first))

    def unserved(problem: Problem) -> float:
        name = f"unserved rate, priority {first}"
        return next(s.value for s in solve(problem).stages if s.objective == name)

    assert abs(unserved(free) - unserved(alone)) < 1e-6
