"""Replicas on nodes: what fits is what trying everything finds to fit, and the packing says how."""

import itertools
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.util.python.solve_interrupter import SolveInterrupter

from inferno_optimizer.allocation import (
    Filled,
    InterruptedSolveError,
    Nodes,
    Packing,
    Problem,
    Rationing,
    solve,
    verify,
)
from inferno_optimizer.allocation.arcflow import graph
from inferno_optimizer.allocation.lexicographic import Effort
from inferno_optimizer.allocation.nodes import Items
from inferno_optimizer.allocation.packing import Room, most_packed, pack
from unit.optimizer.allocation.exhaustive import (
    a_candidate,
    a_demand,
    fits,
    random_problem,
    rounded,
    score,
)

FREE = st.lists(st.integers(0, 9), max_size=4)
CHAINS = st.sampled_from([(1, 2, 4), (2, 4), (1, 3), (3,), (1, 2, 6)])
OTHERS = st.sampled_from([(2, 3), (3, 4), (3, 5), (2, 3, 4), (2, 5, 7), (3, 4, 6)])
FEW = settings(max_examples=20, deadline=None, derandomize=True)
MANY = settings(max_examples=200, deadline=None, derandomize=True)


@st.composite
def items_of(draw: st.DrawFn, sizes: st.SearchStrategy[tuple[int, ...]]) -> Items:
    return {size: draw(st.integers(0, 5)) for size in draw(sizes)}


def listed(items: Items) -> list[int]:
    return [size for size, replicas in items.items() for _ in range(replicas)]


def assert_adds_up(packing: Packing, free: list[int], items: Items) -> None:
    used, placed = Counter[int](), Counter[int]()
    for filled in packing:
        assert filled.nodes > 0
        assert filled.left >= 0
        used[filled.free] += filled.nodes
        for size, replicas in filled.holds:
            placed[size] += replicas * filled.nodes
    assert all(nodes <= free.count(units) for units, nodes in used.items())
    assert +placed == +Counter(items)


def test_eight_units_on_four_nodes_hold_no_replica_of_four() -> None:
    scattered = Nodes.of([2, 2, 2, 2])
    assert (scattered.units, scattered.largest, scattered.slots(4)) == (8, 2, 0)
    assert pack(scattered, {4: 1}) is None
    assert pack(scattered, {2: 4}) == (Filled(2, ((2, 1),), 4),)


def test_a_packing_counts_nodes_that_are_filled_alike() -> None:
    packing = pack(Nodes.of([8, 8, 8, 4]), {4: 6, 2: 2})
    assert packing == (Filled(8, ((4, 2),), 2), Filled(8, ((4, 1), (2, 2)), 1), Filled(4, ((4, 1),), 1))


def test_sizes_that_do_not_divide_each_other_are_packed_exactly() -> None:
    """Two nodes of 7 hold 3 + 2 + 2 each: the larger first, 3 + 3, would leave one unit on a node."""
    nodes = Nodes.of([7, 7])
    assert pack(nodes, {3: 2, 2: 4}) == (Filled(7, ((3, 1), (2, 2)), 2),)
    assert pack(nodes, {3: 4, 2: 1}) is None


def test_single_units_are_the_only_condition_on_whole_nodes_of_eight() -> None:
    assert [s.size for s in Nodes.of([8] * 5).conditions([1, 2, 4, 8]).slots] == [1]
    assert [s.size for s in Nodes.of([8, 8, 6]).conditions([1, 2, 4, 8]).slots] == [1, 4, 8]
    assert [s.size for s in Nodes.pool(13).conditions([2, 3, 5]).slots] == [1]


@MANY
@given(free=FREE, items=items_of(st.one_of(CHAINS, OTHERS)))
def test_what_is_packed_is_what_trying_everything_packs(free: list[int], items: Items) -> None:
    packing = pack(Nodes.of(free), items)
    assert (packing is not None) == fits(listed(items), free)
    if packing is not None:
        assert_adds_up(packing, free, items)


@MANY
@given(free=FREE, items=items_of(CHAINS))
def test_slots_of_each_size_decide_where_sizes_divide_each_other(free: list[int], items: Items) -> None:
    conditions = Nodes.of(free).conditions(items)
    assert conditions.exact
    assert conditions.hold(items) == fits(listed(items), free)


@MANY
@given(free=FREE, items=items_of(OTHERS))
def test_slots_are_necessary_and_room_in_any_order_sufficient(free: list[int], items: Items) -> None:
    nodes = Nodes.of(free)
    if fits(listed(items), free):
        assert nodes.conditions(items).hold(items)
    enough = nodes.any_order(items)
    small = all(size <= nodes.largest for size, replicas in items.items() if replicas)
    if small and sum(enough.takes(size) * n for size, n in items.items()) <= enough.count:
        assert fits(listed(items), free)


@MANY
@given(free=FREE, fixed=items_of(CHAINS), data=st.data())
def test_room_beside_what_stays_is_what_trying_everything_finds(
    free: list[int], fixed: Items, data: st.DataObject
) -> None:
    kept = most_packed(Nodes.of(free), fixed)
    size = data.draw(st.sampled_from(sorted(fixed)))
    room = Room(Nodes.of(free, kept), fixed)
    assert room.more(size, 9) == max(n for n in range(10) if fits([*listed(kept), *[size] * n], free))


@MANY
@given(free=FREE, items=items_of(OTHERS), data=st.data())
def test_room_is_never_promised_that_is_not_there(free: list[int], items: Items, data: st.DataObject) -> None:
    kept = most_packed(Nodes.of(free), items)
    assert fits(listed(kept), free)
    size = data.draw(st.sampled_from(sorted(items)))
    room = Room(Nodes.of(free), items)
    for units, replicas in kept.items():
        room.add(units, replicas)
    assert fits([*listed(kept), *[size] * room.more(size, 9)], free)


@pytest.mark.parametrize(("threes", "fit"), [(4_159, True), (4_160, True), (4_161, False)])
def test_twenty_nodes_of_1024_shared_units_are_packed_to_the_last_unit(threes: int, *, fit: bool) -> None:
    free = [1_024] * 20
    packing = pack(Nodes.of(free), {2: 4_000, 3: threes})
    assert (packing is not None) == fit
    if packing is not None:
        assert_adds_up(packing, free, {2: 4_000, 3: threes})


@pytest.mark.parametrize(
    ("units", "threes", "most_twos", "status"),
    [(50_000, 30_000, 5_000, "optimal"), (50_001, 2, 49_998, "feasible")],
)
def test_nodes_too_large_for_the_flow_give_a_plan_that_fits(
    units: int, threes: int, most_twos: int, status: str
) -> None:
    """Two nodes: proven where counting slots was enough; else at most 2 units are held back on each."""
    nodes = Nodes.of([units, units])
    assert graph(nodes, [2, 3]) is None
    demands = (
        a_demand("threes", 10.0 * threes, a_candidate("G", units=3, cost=30)),
        a_demand("twos", 600_000, a_candidate("G", units=2, cost=20), priority=5),
    )
    problem = Problem(demands, {"G": nodes}, Rationing.PRIORITY)
    solution = solve(problem)
    assert verify(problem, solution) == []
    [found, twos] = [solution.assignments[d.variants[0].key].replicas for d in demands]
    assert found == threes
    assert most_twos - 2 <= twos <= most_twos
    assert ("feasible" if any(s.status != "optimal" for s in solution.stages) else "optimal") == status


def test_the_program_finds_the_only_packing_of_two_sizes() -> None:
    """Two nodes of 7 hold 3 + 2 + 2 each: both demands in full."""
    demands = (
        a_demand("twos", 40, a_candidate("G", units=2)),
        a_demand("threes", 20, a_candidate("G", units=3), priority=5),
    )
    problem = Problem(demands, {"G": Nodes.of([7, 7])}, Rationing.PRIORITY)
    solution = solve(problem)
    assert {key[1]: a.replicas for key, a in solution.assignments.items()} == {"twos": 4, "threes": 2}
    assert verify(problem, solution) == []


@FEW
@given(seed=st.integers(20_000, 1_000_000), rationing=st.sampled_from(list(Rationing)), data=st.data())
def test_splitting_a_node_never_helps_and_one_large_node_never_hurts(
    seed: int, rationing: Rationing, data: st.DataObject
) -> None:
    problem = random_problem(seed, rationing=rationing)
    capacity = problem.capacity or {}
    best = rounded(score(problem, solve(problem).assignments))
    whole = {d: Nodes(Nodes.pool(nodes.units).free, nodes.fixed) for d, nodes in capacity.items()}
    gathered = replace(problem, capacity=whole)
    assert rounded(score(gathered, solve(gathered).assignments)) <= best
    able = [d for d, nodes in capacity.items() if nodes.largest > 1 and not nodes.fixed]
    if not able or any(variant.floor for variant in problem.variants()):
        return
    device = data.draw(st.sampled_from(able))
    [(units, count), *others] = capacity[device].free
    part = data.draw(st.integers(1, units - 1))
    rest = [u for u, n in ((units, count - 1), *others) for _ in range(n)]
    scattered = replace(problem, capacity={**capacity, device: Nodes.of([part, units - part, *rest])})
    assert rounded(score(scattered, solve(scattered).assignments)) >= best


def test_a_packing_is_not_looked_for_when_the_time_is_over_and_ends_when_nobody_waits() -> None:
    """Twelve nodes of 7 hold 3 + 2 + 2 each; the largest first, 3 + 3, would leave a unit on six of them."""
    nodes, items = Nodes.of([7] * 12), {3: 12, 2: 24}
    assert pack(nodes, items, Effort(1.0, lambda: 0.0)) is not None
    assert pack(nodes, items, Effort(1.0, lambda: 1.0)) is None
    interrupter = SolveInterrupter()
    interrupter.interrupt()
    with pytest.raises(InterruptedSolveError):
        pack(nodes, items, Effort(1.0, lambda: 0.0, interrupter))


def test_a_plan_whose_packing_is_not_found_in_time_gives_way_to_one_that_needs_no_search() -> None:
    """Whoever asks the clock after the first 20 times finds the time over: every answer fits all the same."""
    demands = (
        a_demand("twos", 240, a_candidate("G", units=2)),
        a_demand("threes", 120, a_candidate("G", units=3), priority=5),
    )
    problem = Problem(demands, {"G": Nodes.of([7] * 12)}, Rationing.PRIORITY)
    for asked in range(12):
        moments = itertools.chain([0.0] * asked, itertools.repeat(100.0))
        solution = solve(problem, time_limit_seconds=10.0, clock=lambda moments=moments: next(moments))  # type: ignore[misc]
        assert verify(problem, solution) == []


def test_large_nodes_with_sizes_that_do_not_divide_each_other_end_with_a_small_gap() -> None:
    """Four nodes of 500 and replicas of 2, 3 and 5: at most 4 units per node are held back."""
    demands = tuple(
        a_demand(f"d{i:02}", 95.0 + 10 * i, a_candidate("G", units=(2, 3, 5)[i % 3]), priority=1 + i % 2)
        for i in range(30)
    )
    problem = Problem(demands, {"G": Nodes.of([500] * 4)}, Rationing.PRIORITY)
    solution = solve(problem)
    assert verify(problem, solution) == []
    gaps = [stage.gap for stage in solution.stages if stage.gap is not None]
    assert {stage.status for stage in solution.stages} <= {"optimal", "feasible"}
    assert max(gaps) < 0.02
