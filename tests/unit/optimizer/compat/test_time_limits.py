"""A time limit that leaves no time for a solution is answered all the same, with what can be said of it."""

import math
import random

import pytest

from inferno_optimizer.allocation import Problem
from inferno_optimizer.allocation.construct import construct
from inferno_optimizer.allocation.lexicographic import Effort, Minimum
from inferno_optimizer.allocation.model import Shape
from inferno_optimizer.allocation.objectives import places_of
from inferno_optimizer.allocation.saturation import rationing_steps
from inferno_optimizer.allocation.sequence import Lexicographic
from inferno_optimizer.choosing import Chosen, Refused, choose
from inferno_optimizer.compat import SystemData, optimize_one
from inferno_optimizer.compat.orders import orders_of
from inferno_optimizer.compat.problem import problem_of
from unit.optimizer.compat.systems import Json, a_class, a_profile, a_server, a_system, an_accelerator, solve


def a_scarce_system(servers: int, policy: str) -> Json:
    """Many servers on four accelerators, of which there is a third of what all would take."""
    draw = random.Random(1)  # noqa: S311 - a made-up system
    accelerators = [an_accelerator(f"A{i}", draw.uniform(20, 90)) for i in range(4)]
    models = [f"m{i}" for i in range(servers)]
    classes = [a_class(f"c{i}", 1 + i % 3, model, itl=60, ttft=900) for i, model in enumerate(models)]
    profiles = [
        a_profile(
            model,
            accelerator["name"],
            {"alpha": draw.uniform(8, 30), "beta": draw.uniform(0.2, 1), "maxBatchSize": 8},
            accCount=draw.choice([1, 2, 3, 4]),
        )
        for model in models
        for accelerator in accelerators
    ]
    asking = [
        a_server(model, model=model, service_class=f"c{i}", rate=draw.uniform(50, 900))
        for i, model in enumerate(models)
    ]
    capacity = {accelerator["name"]: servers * 2 for accelerator in accelerators}
    return a_system(
        accelerators=accelerators,
        classes=classes,
        profiles=profiles,
        servers=asking,
        capacity=capacity,
        saturationPolicy=policy,
    )


@pytest.mark.parametrize("policy", ["None", "PriorityExhaustive", "PriorityRoundRobin", "RoundRobin"])
def test_no_time_is_an_answer_within_the_limits(policy: str) -> None:
    def at_once(problem: Problem, _: float) -> Chosen | Refused:
        return choose(problem, 0.001)

    data = SystemData.model_validate(a_scarce_system(120, policy))
    found = optimize_one(data, at_once)
    assert found.certificate.verified
    assert len(found.allocations) == 120
    assert all(use.used <= (use.limit or 0) for use in found.capacity)
    stages = found.certificate.stages
    assert all(stage.bound is None or stage.bound <= stage.value + 1e-6 for stage in stages)


def test_the_time_limit_is_one_for_sizing_choosing_and_drawing_up() -> None:
    """Sizing took 3 s by the clock, drawing up may take as long: 4 of 10 s are left to choose in."""
    moments = iter([100.0, 103.0])
    given: list[float] = []

    def solve_within(problem: Problem, seconds: float) -> Chosen | Refused:
        given.append(seconds)
        return solve(problem, seconds)

    data = SystemData.model_validate(a_system())
    assert optimize_one(data, solve_within, 10.0, lambda: next(moments)).certificate.verified
    assert given == [4.0]


class NothingInTime:
    """A minimizer whose solver found neither a solution nor a bound."""

    out_of_time = False

    def minimize(self, *_: object) -> Minimum:
        return Minimum(None, math.inf, -math.inf, proven=False)

    def keep(self, *_: object) -> None:
        raise AssertionError("nothing was found that could be kept")


def test_a_bound_that_was_not_found_is_left_out() -> None:
    system = SystemData.model_validate(a_scarce_system(6, "PriorityExhaustive")).system
    problem = problem_of(system, orders_of(system))
    run = Lexicographic(
        problem, Shape(), places_of(problem), Effort(math.inf, lambda: 0.0), construct(problem)
    )
    run._minimizer = NothingInTime()  # type: ignore[assignment]
    outcome = run.run(rationing_steps(problem))
    assert {stage.status for stage in outcome.stages if stage.bound is None} == {"fallback"}
    assert all(stage.bound is None or math.isfinite(stage.bound) for stage in outcome.stages)
