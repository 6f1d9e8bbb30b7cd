"""Speed, proof and cost of a plan for many variants, against an upstream-style greedy on the same problem.

    .venv/bin/python tests/bench/bench_allocation.py [--large] [--quick]

Each variant may run on four accelerators, model A, N = 32, three priorities. `room` is how many devices there
are for each that everybody's cheapest choice would take; below 1 they are scarce. "few cheap" has 0.5 of the
two cheaper accelerators, 4 of the others. The policy is PriorityExhaustive, or None where it says so.

"solve" is the allocation alone, "total" everything from snapshot to verified plan, in CPU seconds; "wall" is
what passed on the clock. Seconds range over several worlds; costs contain the charge for switching
accelerators. Goals: 100 variants 0.5 s, 1,000 2 s, 10,000 (--large) 30 s with a gap of 1e-4.
"""

import argparse
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from inferno_optimizer.allocation import Assignment, Problem, Stage
from inferno_optimizer.allocation.objectives import cost_with_switching
from inferno_optimizer.candidates import candidates_of
from inferno_optimizer.choosing import Chosen, choose, problem_of
from inferno_optimizer.demands import demands_of
from inferno_optimizer.devices import nodes_of
from inferno_optimizer.plan import make_plan
from inferno_shared.contracts import (
    Accelerator,
    CurrentAllocation,
    LinearParameters,
    Load,
    LoadState,
    Plan,
    Policy,
    Profile,
    SaturationPolicy,
    ServiceClass,
    SloTarget,
    Snapshot,
    Variant,
)

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.scarcity import ACCELERATORS, limited

PRIORITIES = (("Premium", 1), ("Standard", 5), ("Free", 10))
FEW_CHEAP = (0.5, 0.5, 4.0, 4.0)
ENOUGH = 1_000_000


T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """`room` by accelerator, in the order of ACCELERATORS; None: unlimited."""

    name: str
    variants: int
    worlds: int
    room: tuple[float, ...] | None
    policy: SaturationPolicy = SaturationPolicy.PRIORITY_EXHAUSTIVE


@dataclass(frozen=True)
class Result:
    """One world; seconds are CPU seconds but for `wall_seconds`."""

    sizing_seconds: float
    solve_seconds: float
    total_seconds: float
    wall_seconds: float
    status: str
    gap: float | None
    cost: float
    unserved_rpm: float
    greedy_cost: float
    greedy_unserved_rpm: float


def main() -> int:
    """Print the table; the exit code is 1 if a plan was not verified."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true", help="10,000 variants too (several minutes)")
    parser.add_argument("--quick", action="store_true", help="100 variants only")
    arguments = parser.parse_args()
    table = Table(
        "case",
        "sizing",
        "solve",
        "total",
        "wall",
        "status",
        "gap",
        "cost",
        "unserved",
        "greedy's cost",
        "its unserved",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    console = Console(width=150)
    for case in cases(large=arguments.large, quick=arguments.quick):
        sys.stderr.write(f"{case.name} ...\n")
        table.add_row(case.name, *cells([measure(case, seed) for seed in range(case.worlds)]))
    console.print(table)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(
        f"Seconds range over the worlds of a case, costs are their mean; process peak {peak_mib:.0f} MiB"
    )
    return 0


def cases(*, large: bool, quick: bool) -> Iterator[Case]:
    """The table's rows."""
    for variants, worlds in ((100, 10), (1_000, 3), (10_000, 1)):
        if (variants > 1_000 and not large) or (variants > 100 and quick):
            continue
        size = f"{variants:,} x 4,"
        yield Case(f"{size} unlimited", variants, worlds, None)
        yield Case(f"{size} room 1.2", variants, worlds, (1.2,) * 4)
        yield Case(f"{size} few cheap", variants, worlds, FEW_CHEAP)
        for room in (0.97, 0.8, 0.5):
            yield Case(f"{size} room {room}", variants, worlds, (room,) * 4)
        for room in (0.97, 0.8, 0.5):
            yield Case(f"{size} room {room}, None", variants, worlds, (room,) * 4, SaturationPolicy.NONE)


def cells(results: Sequence[Result]) -> Iterator[str]:
    """One row: the range of seconds, the worst status and gap, mean costs."""
    for seconds in ("sizing_seconds", "solve_seconds", "total_seconds", "wall_seconds"):
        spent = sorted(getattr(result, seconds) for result in results)
        yield f"{spent[0]:.2f}" if len(spent) == 1 else f"{spent[0]:.2f}-{spent[-1]:.2f}"
    order = ("optimal", "feasible", "fallback")
    yield max((result.status for result in results), key=order.index)
    gaps = [result.gap for result in results]
    yield "?" if None in gaps else f"{max(gap or 0.0 for gap in gaps):.0e}"
    for number in ("cost", "unserved_rpm", "greedy_cost", "greedy_unserved_rpm"):
        yield f"{sum(getattr(result, number) for result in results) / len(results):,.0f}"


def measure(case: Case, seed: int) -> Result:
    """Plan one made-up world, and let the greedy loose on the same problem."""
    world = made_up_world(case.variants, seed, Policy(unlimited=True))
    if case.room is not None:
        world = limited(world, case.room, case.policy)
    sizing_seconds, problem = timed(lambda: sized_problem(world))
    solve_seconds, chosen = timed(lambda: choose(problem, world.policy.time_limit_seconds))
    if not isinstance(chosen, Chosen):
        raise SystemExit(f"{case.name}: {chosen.violations}")
    wall = time.perf_counter()
    total_seconds, plan = timed(lambda: make_plan(world))
    wall_seconds = time.perf_counter() - wall
    if not plan.certificate.verified:
        raise SystemExit(f"{case.name}: {plan.problems}")
    return result_of(
        problem, plan, chosen.solution.stages, (sizing_seconds, solve_seconds, total_seconds, wall_seconds)
    )


def result_of(
    problem: Problem, plan: Plan, stages: Sequence[Stage], seconds: tuple[float, float, float, float]
) -> Result:
    rival = greedy(problem)
    gaps = [stage.gap for stage in stages]
    known = [gap for gap in gaps if gap is not None]
    return Result(
        *seconds,
        status=plan.certificate.status,
        gap=max(known, default=0.0) if len(known) == len(gaps) else None,
        cost=next(stage.value for stage in stages if stage.objective == "cost"),
        unserved_rpm=sum((d.rate_rpm or 0.0) - (d.served_rpm or 0.0) for d in plan.demands),
        greedy_cost=rival.cost_per_hour,
        greedy_unserved_rpm=rival.unserved_rpm,
    )


def sized_problem(world: Snapshot) -> Problem:
    demands = demands_of(world)
    nodes = None if world.policy.unlimited else nodes_of(world.inventory)
    candidates = candidates_of(demands.groups, world.accelerators, world.policy, nodes)
    return problem_of(candidates.groups, world.accelerators, nodes, (), world.policy)


def timed(run: Callable[[], T]) -> tuple[float, T]:
    start = time.process_time()
    answer = run()
    return time.process_time() - start, answer


def made_up_world(variants: int, seed: int, policy: Policy) -> Snapshot:
    """Variants with a model, a load and four profiles of their own."""
    rnd = random.Random(seed)  # noqa: S311 - reproducible test data
    accelerators = [
        Accelerator(name=name, device=f"device-{name}", cost_per_hour=cost) for name, cost, _ in ACCELERATORS
    ]
    crowd = [made_up_variant(rnd, number) for number in range(variants)]
    classes = [
        ServiceClass(
            name=name,
            priority=priority,
            targets=[
                SloTarget(
                    model=v.model, itl_ms=rnd.choice([40, 60, 80]), ttft_ms=rnd.choice([500, 1_000, 2_000])
                )
                for v in crowd
                if v.service_class == name
            ],
        )
        for name, priority in PRIORITIES
    ]
    return Snapshot(
        id="bench", policy=policy, accelerators=accelerators, service_classes=classes, variants=crowd
    )


def made_up_variant(rnd: random.Random, number: int) -> Variant:
    alpha = rnd.uniform(6, 18)
    profiles = [
        Profile(
            accelerator=name,
            acc_count=rnd.choice([1, 1, 2, 4]),
            max_batch_size=32,
            parameters=LinearParameters(alpha=alpha * pace * rnd.uniform(0.8, 1.2), beta=0.3 * pace),
        )
        for name, _, pace in ACCELERATORS
    ]
    current = rnd.choice(profiles).accelerator
    replicas = rnd.randrange(8)
    return Variant(
        namespace="bench",
        name=f"v{number:05d}",
        model=f"model-{number:05d}",
        service_class=rnd.choice(PRIORITIES)[0],
        keep_accelerator=False,
        profiles=profiles,
        current=CurrentAllocation(accelerator=current, replicas=replicas),
        load=Load(
            state=LoadState.OBSERVED,
            arrival_rate_rpm=rnd.lognormvariate(5.5, 1),
            input_tokens=rnd.uniform(50, 2_000),
            output_tokens=rnd.uniform(50, 600),
        ),
    )


@dataclass(frozen=True)
class GreedyResult:
    """Cost of what was placed, and what was not."""

    cost_per_hour: float
    unserved_rpm: float


def greedy(problem: Problem) -> GreedyResult:
    """What upstream's optimizer does: by priority, then by how dear the second best choice would be.

    Each demand takes its cheapest choice that still fits in full; there are no second thoughts.
    """
    free = {c.device: ENOUGH for v in problem.variants() for c in v.candidates}
    free.update({device: nodes.units for device, nodes in (problem.capacity or {}).items()})
    cost, unserved = 0.0, 0.0
    ranked = []
    for demand in problem.demands:
        [variant] = demand.variants
        choices = sorted(
            (c.cost_per_hour * replicas, c.device, c.units * replicas, c.accelerator, replicas)
            for c in variant.candidates
            for replicas in [max(variant.minimum, c.replicas_for(demand.rate_rpm))]
        )
        regret = choices[1][0] - choices[0][0] if len(choices) > 1 else 0.0
        ranked.append((demand.priority, -regret, demand.key, demand.rate_rpm, choices, variant))
    for _, _, _, rate_rpm, choices, variant in sorted(ranked, key=lambda entry: entry[:3]):
        for _, device, units, accelerator, replicas in choices:
            if units <= free[device]:
                cost += cost_with_switching(variant, Assignment(accelerator, replicas))
                free[device] -= units
                break
        else:
            unserved += rate_rpm
    return GreedyResult(cost, unserved)


if __name__ == "__main__":
    sys.exit(main())
