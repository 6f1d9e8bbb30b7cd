"""Small worlds and their best plan by trying everything: the referee of the mixed-integer program.

Shares no code with the optimizer but the problem's data classes; all formulas are written again.
"""

import itertools
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from inferno_optimizer.allocation import (
    Assignment,
    Candidate,
    Demand,
    Key,
    Nodes,
    Problem,
    Rationing,
    Solution,
    Variant,
)
from inferno_optimizer.allocation.placing import placement_of

Plan = Mapping[Key, Assignment]
Score = tuple[tuple[float, ...], ...]


def a_candidate(
    accelerator: str, *, units: int = 1, cost: float = 10.0, rate: float = 10.0, device: str | None = None
) -> Candidate:
    return Candidate(accelerator, device or accelerator, units, cost, rate)


def a_demand(
    name: str,
    rate: float,
    *candidates: Candidate,
    priority: int = 1,
    minimum: int = 0,
    maximum: int | None = None,
    floor: int = 0,
    current: tuple[str | None, int, float] = (None, 0, 0.0),
) -> Demand:
    """A demand with one variant of the same name."""
    accelerator, replicas, cost = current
    variant = Variant(("ns", name), candidates, minimum, maximum, floor, accelerator, replicas, cost)
    return Demand(("ns", name, f"class-{priority}"), priority, rate, (variant,))


def pools(**units: int) -> dict[str, Nodes]:
    """Devices of which nothing but the number of units is known."""
    return {device: Nodes.pool(count) for device, count in units.items()}


def placed(problem: Problem, assignments: Plan) -> Solution:
    """Assignments with a placement if there is one, without a certificate."""
    return Solution(assignments, placement=placement_of(problem, assignments) or {})


POLICIES = tuple(
    (rationing, delayed)
    for rationing in Rationing
    for delayed in (False, True)
    if not (delayed and rationing is Rationing.ALL_OR_NOTHING)
)


def best_scores(problem: Problem) -> dict[tuple[Rationing, bool], Score]:
    """The lexicographically smallest score of all plans, under every policy."""
    best: dict[tuple[Rationing, bool], Score] = {}
    for plan in plans(replace(problem, rationing=Rationing.PRIORITY)):
        facts = _facts(problem, plan)
        for policy in POLICIES:
            if facts.whole or policy[0] is not Rationing.ALL_OR_NOTHING:
                found = _score(facts, *policy)
                best[policy] = min(found, best.get(policy, found))
    return best


def rounded(values: Score) -> Score:
    return tuple(_rounded(stage) for stage in values)


def plans(problem: Problem) -> Iterator[Plan]:
    """Every plan within limits, maximums and floors, and within what the policy allows."""
    variants = [v for d in problem.demands for v in d.variants]
    rates = {v.key: _servable(d) for d in problem.demands for v in d.variants}
    for choice in itertools.product(*[list(_choices(v, rates[v.key])) for v in variants]):
        plan = {v.key: a for v, a in zip(variants, choice, strict=True)}
        if _within_capacity(problem, plan) and (
            problem.rationing is not Rationing.ALL_OR_NOTHING or all(_whole(d, plan) for d in problem.demands)
        ):
            yield plan


def score(problem: Problem, plan: Plan) -> Score:
    """Objective values, most important first."""
    return _score(_facts(problem, plan), problem.rationing, problem.delayed_best_effort)


@dataclass(frozen=True)
class _Facts:
    """What a plan is judged by: tuples have an entry per priority, shares are the unserved ones."""

    whole: bool
    missed: tuple[float, ...]
    not_full: tuple[float, ...]
    unserved: tuple[float, ...]
    shares: tuple[tuple[float, ...], ...]
    all_shares: tuple[float, ...]
    choosing: Score


def _facts(problem: Problem, plan: Plan) -> _Facts:
    priorities = sorted({d.priority for d in problem.demands})
    by_priority = [[d for d in problem.demands if d.priority == p] for p in priorities]
    return _Facts(
        whole=all(_whole(d, plan) for d in problem.demands),
        missed=tuple(float(sum(_missed(d, plan) for d in group)) for group in by_priority),
        not_full=_rounded(sum(_servable(d) for d in g if not _full(d, plan)) for g in by_priority),
        unserved=_rounded(sum(_unserved(d, plan) for d in g) for g in by_priority),
        shares=tuple(_unserved_shares(group, plan) for group in by_priority),
        all_shares=_unserved_shares(problem.demands, plan),
        choosing=rounded(_choosing(problem, plan)),
    )


def _score(facts: _Facts, rationing: Rationing, delayed: bool) -> Score:  # noqa: FBT001 - the policy's two parts
    stages: list[tuple[float, ...]] = [facts.missed]
    if rationing is Rationing.ALL_OR_NOTHING or delayed:
        stages.append(facts.not_full)
    match rationing:
        case Rationing.PRIORITY:
            stages.append(facts.unserved)
        case Rationing.FAIR_WITHIN_PRIORITY:
            for shares, unserved in zip(facts.shares, facts.unserved, strict=True):
                stages += [shares, (unserved,)]
        case Rationing.FAIR:
            stages += [facts.all_shares, (round(sum(facts.unserved), 5),)]
    return (*stages, *facts.choosing)


def _rounded(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(value, 5) + 0.0 for value in values)


def _choosing(problem: Problem, plan: Plan) -> Score:
    variants = [v for d in problem.demands for v in d.variants]
    cost, changes, order = 0.0, 0.0, 0.0
    for place, variant in enumerate(sorted(variants, key=lambda v: v.key), start=1):
        got = plan[variant.key]
        found = [c for c in variant.candidates if c.accelerator == got.accelerator]
        new = found[0].cost_per_hour * got.replicas if found else 0.0
        moved = got.replicas > 0 and variant.current_accelerator not in (None, got.accelerator)
        cost += new + (0.05 * (new + variant.current_cost_per_hour) if moved else 0.0)
        changes += (
            got.replicas + variant.current_replicas if moved else abs(got.replicas - variant.current_replicas)
        )
        if got.replicas:
            order += place * got.replicas + variant.candidates.index(found[0])
    return (cost,), (changes,), (order,)


def _choices(variant: Variant, rate: float) -> Iterator[Assignment]:
    if variant.floor == 0:
        yield Assignment(variant.current_accelerator, 0)
    for candidate in variant.candidates:
        needed = next(n for n in itertools.count() if n * candidate.rate_rpm >= rate * (1 - 1e-6))
        most = needed if variant.maximum is None else min(needed, variant.maximum)
        for replicas in range(max(1, variant.floor), max(most, variant.minimum, variant.floor) + 1):
            yield Assignment(candidate.accelerator, replicas)


def _capacity(demand: Demand, plan: Plan) -> float:
    return sum(
        c.rate_rpm * plan[v.key].replicas
        for v in demand.variants
        for c in v.candidates
        if c.accelerator == plan[v.key].accelerator
    )


def _servable(demand: Demand) -> float:
    if any(v.maximum is None for v in demand.variants):
        return demand.rate_rpm
    most = sum(max(c.rate_rpm for c in v.candidates) * max(v.maximum or 0, v.floor) for v in demand.variants)
    return min(demand.rate_rpm, most)


def _full(demand: Demand, plan: Plan) -> bool:
    return _capacity(demand, plan) >= _servable(demand) * (1 - 1e-6)


def _whole(demand: Demand, plan: Plan) -> bool:
    """In full, or nothing beyond minimum and floor."""
    return _full(demand, plan) or all(
        plan[v.key].replicas <= max(v.minimum, v.floor) for v in demand.variants
    )


def _unserved(demand: Demand, plan: Plan) -> float:
    return 0.0 if _full(demand, plan) else _servable(demand) - _capacity(demand, plan)


def _missed(demand: Demand, plan: Plan) -> int:
    return sum(max(0, v.minimum - plan[v.key].replicas) for v in demand.variants)


def _unserved_shares(demands: Sequence[Demand], plan: Plan) -> tuple[float, ...]:
    """Largest first, so that the lexicographic minimum is max-min fair."""
    shares = (_unserved(d, plan) / _servable(d) for d in demands if _servable(d))
    return tuple(sorted(_rounded(shares), reverse=True))


def _within_capacity(problem: Problem, plan: Plan) -> bool:
    if problem.capacity is None:
        return True
    used = {
        device: [units for units, replicas in nodes.fixed for _ in range(replicas)]
        for device, nodes in problem.capacity.items()
    }
    for demand in problem.demands:
        for variant in demand.variants:
            for candidate in variant.candidates:
                if candidate.accelerator == plan[variant.key].accelerator:
                    placed = plan[variant.key].replicas - variant.unplaced
                    used[candidate.device] += [candidate.units] * placed
    return all(fits(replicas, free_units(problem, device)) for device, replicas in used.items())


def free_units(problem: Problem, device: str) -> tuple[int, ...]:
    """Free units node by node."""
    return tuple(units for units, nodes in problem.nodes(device).free for _ in range(nodes))


def fits(replicas: Sequence[int], free: Sequence[int]) -> bool:
    """Whether replicas of these sizes can be put on nodes with so many free units: by trying everything."""
    return _fits(tuple(sorted(replicas, reverse=True)), tuple(sorted(free)))


@cache
def _fits(replicas: tuple[int, ...], free: tuple[int, ...]) -> bool:
    if not replicas:
        return True
    first, rest = replicas[0], replicas[1:]
    return sum(replicas) <= sum(free) and any(
        units >= first and _fits(rest, tuple(sorted((*free[:i], units - first, *free[i + 1 :]))))
        for i, units in enumerate(free)
        if units not in free[:i]
    )


def random_problem(
    seed: int, *, rationing: Rationing, delayed: bool = False, limited: bool = True
) -> Problem:
    """Two or three demands on two or three devices, rarely with room for all; the seed decides everything.

    Of six worlds one has single nodes, three have replicas of sizes that divide each other, two have others.
    """
    rnd = random.Random(seed)  # noqa: S311 - reproducible test data
    devices = ["G", "H", "K"][: rnd.choice([2, 2, 3])]
    sizes = [(1, 1, 2), (1, 1, 2), (1, 2, 4), (2, 2, 4), (1, 2, 3), (2, 3, 3)][seed % 6]
    demands = [_random_demand(rnd, number, devices, sizes) for number in range(rnd.choice([2, 2, 3]))]
    demands.sort(key=lambda d: (d.priority, d.key))
    floors: dict[str, list[int]] = defaultdict(list)
    for demand in demands:
        for variant in demand.variants:
            floors[variant.candidates[0].device] += [variant.candidates[0].units] * (
                variant.floor - variant.unplaced
            )
    capacity = {device: _random_nodes(rnd, floors[device], sizes, single=seed % 6 == 0) for device in devices}
    return Problem(tuple(demands), capacity if limited else None, rationing, delayed)


def _random_nodes(rnd: random.Random, floors: Sequence[int], sizes: Sequence[int], *, single: bool) -> Nodes:
    """Nodes that hold the floors, and some more."""
    more = rnd.choice([0, 1, 2, 3, 4, 6])
    if single:
        return Nodes.pool(sum(floors) + more)
    fixed = {size: 1 for size in sizes[:1] if rnd.random() < 0.3}
    nodes = [units + rnd.choice([0, 0, 1]) for units in (*floors, *fixed)]
    while more > 0:
        nodes.append(min(more, rnd.choice([1, 2, 3, 4, 5])))
        more -= nodes[-1]
    return Nodes.of(nodes, fixed)


def _random_demand(rnd: random.Random, number: int, devices: Sequence[str], sizes: Sequence[int]) -> Demand:
    shared = rnd.random() < 0.3
    variants = tuple(
        _random_variant(rnd, f"v{number}{suffix}", devices, sizes) for suffix in ("ab" if shared else "a")
    )
    rate = float(rnd.choice([0, 5, 12, 20, 30, 33]))
    priority = rnd.choice([1, 1, 5])
    return Demand(("ns", f"m{number}", f"class-{priority}"), priority, rate, variants)


def _random_variant(rnd: random.Random, name: str, devices: Sequence[str], sizes: Sequence[int]) -> Variant:
    names = sorted(rnd.sample(devices, rnd.choice([1, 2])))
    candidates = [
        a_candidate(
            n,
            units=rnd.choice(sizes),
            cost=float(rnd.choice([8, 10, 14, 25])),
            rate=rnd.choice([8, 10, 11.5, 20]),
        )
        for n in names
    ]
    floor = rnd.choice([0, 0, 0, 0, 1])
    if floor:
        candidates = candidates[:1]
    minimum = rnd.choice([0, 0, 1, 1, 2])
    maximum = rnd.choice([None, None, None, 2, 3])
    current = rnd.choice([None, *devices])
    replicas = rnd.choice([0, 1, 2, 3]) if current else rnd.choice([0, 2])
    cost = next((c.cost_per_hour * replicas for c in candidates if c.accelerator == current), 0.0)
    unplaced = floor if rnd.random() < 0.2 else 0
    return Variant(
        ("ns", name), tuple(candidates), minimum, maximum, floor, current, replicas, cost, unplaced
    )
