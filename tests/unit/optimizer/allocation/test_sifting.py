"""Relaxations by their prices: the value, prices and proofs of the solver that is handed all of it."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from inferno_optimizer.allocation import sifting
from inferno_optimizer.allocation.linear import Linear, Variable, total
from inferno_optimizer.allocation.program import Floats, OpenPart, Program
from inferno_optimizer.allocation.sifting import Choices, Sifting, relax_large
from inferno_optimizer.allocation.solver import Relaxed, Unsolved, relax

GROUPS = 300
HALF = 0.5


def crowd(seed: int, room: float, *, odd: int = 0) -> OpenPart:
    """Choices of three that take of three rows, some up to four times; `odd` ones are tied to a neighbour."""
    rnd = np.random.default_rng(seed)
    program = Program()
    cost: list[Linear] = []
    rows: list[list[Linear]] = [[], [], []]
    choices: list[list[Variable]] = []
    for _ in range(GROUPS):
        chosen = [program.variable(0.0, np.inf, integer=True) for _ in range(3)]
        program.add(total(chosen).equals(1))
        choices.append(chosen)
        for row, z in enumerate(chosen):
            taken, price = float(rnd.integers(1, 9)), float(rnd.uniform(1, 20))
            cost.append(price * z)
            rows[row].append(taken * z)
            if rnd.random() < HALF:
                more = program.variable(0.0, 3.0, integer=True)
                program.add(more <= 3 * z)
                cost.append(-price / 2 * more)
                rows[row].append(taken * more)
    for one, other in itertools.pairwise(choices[: odd + 1]):
        program.add(one[0] <= other[0])
    for used in rows:
        program.add(total(used) <= room * 1.5 * GROUPS)
    everything = np.zeros(len(program), bool)
    part = program.open_part(total(cost), program.lower, program.upper, everything)
    assert part is not None
    return part


def sifted(part: OpenPart) -> Relaxed | Unsolved:
    connecting = np.bincount(part.matrix.rows) > sifting.CONNECTING
    return Sifting(part, Choices.of(part, ~connecting), np.flatnonzero(connecting)).solve(lambda: 30.0, None)


def excess(part: OpenPart, values: Floats) -> float:
    sums = part.matrix.activity(values, len(part.row_lower))
    return float(np.maximum(sums - part.row_upper, part.row_lower - sums).max())


@pytest.mark.parametrize("odd", [0, 40])
@pytest.mark.parametrize("room", [0.8, 1.0, 1.5, 50.0])
@pytest.mark.parametrize("seed", range(3))
def test_value_and_solution_are_those_of_the_whole_relaxation(seed: int, room: float, odd: int) -> None:
    part = crowd(seed, room, odd=odd)
    whole, found = relax(part, 30.0, None), sifted(part)
    assert isinstance(whole, Relaxed)
    assert isinstance(found, Relaxed)
    assert found.bound == pytest.approx(whole.bound)
    assert part.constant + part.costs @ found.values == pytest.approx(whole.bound)
    assert excess(part, found.values) < 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_reduced_costs_bound_every_solution(seed: int) -> None:
    """Whatever is chosen within the room costs at least the bound and the reduced costs of what moves."""
    part = crowd(seed, 0.8)
    found = sifted(part)
    assert isinstance(found, Relaxed)
    at_upper = found.reduced < -1e-6
    bounds = np.where(at_upper, part.upper, part.lower)
    assert np.all(np.isfinite(bounds))
    rnd = np.random.default_rng(seed)
    for _ in range(20):
        other = relax(replace(part, costs=part.costs * rnd.uniform(0.5, 1.5, len(bounds))), 30.0, None)
        assert isinstance(other, Relaxed)
        cost = part.constant + part.costs @ other.values
        assert cost >= found.bound + found.reduced @ (other.values - bounds) - 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_too_little_room_is_proven(seed: int) -> None:
    part = crowd(seed, 0.2)
    assert relax(part, 30.0, None) is Unsolved.INFEASIBLE
    assert sifted(part) is Unsolved.INFEASIBLE


def test_small_relaxations_are_solved_at_once() -> None:
    part = crowd(0, 1.0)
    found, whole = relax_large(part, lambda: 30.0, None), relax(part, 30.0, None)
    assert isinstance(found, Relaxed)
    assert isinstance(whole, Relaxed)
    assert found.values.tolist() == whole.values.tolist()


def test_only_a_choice_with_its_own_rows_is_a_choice() -> None:
    program = Program()
    z = [program.variable(0.0, np.inf) for _ in range(4)]
    y = [program.variable(0.0, most) for most in (3.0, 2.0)]
    program.add((z[0] + z[1]).equals(1))
    program.add((z[2] + z[3]).equals(1))
    program.add(y[0] <= 3 * z[0])
    program.add(y[1] <= 3 * z[2])  # but at most 2
    part = program.open_part(total(z), program.lower, program.upper)
    assert part is not None
    choices = Choices.of(part, np.ones(4, bool))
    assert choices.group.tolist() == [0, 0, 1, 1]
    assert choices.y.tolist() == [y[0].column, -1, y[1].column, -1]
    assert np.flatnonzero(choices.joining).tolist() == [y[1].column]
