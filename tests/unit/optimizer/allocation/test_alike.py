"""Choices that are alike: merged they have the same optimum, and what is found can be told apart again."""

import numpy as np
import pytest

from inferno_optimizer.allocation.alike import Merged
from inferno_optimizer.allocation.linear import Linear, total
from inferno_optimizer.allocation.program import OpenPart, Program
from inferno_optimizer.allocation.solver import branch

CHOICES = 260


def crowd(seed: int) -> OpenPart:
    """Choices between two devices with few differences, a third of them also to be left out at a cost."""
    rnd = np.random.default_rng(seed)
    program = Program()
    left_out: list[Linear] = []
    used: list[list[Linear]] = [[], []]
    for number in range(CHOICES):
        options = [program.binary() for _ in range(2 + (number % 3 == 0))]
        program.add(total(options).equals(1))
        begins = int(rnd.integers(0, 3))  # where the choice begins makes no difference, only what it changes
        used[0].append((begins + int(rnd.integers(1, 4))) * options[0] + begins * total(options[1:]))
        used[1].append(int(rnd.integers(1, 4)) * options[1])
        left_out.extend(float(rnd.integers(1, 1_000)) * z for z in options[2:])
    for row in used:
        program.add(total(row) <= 1.4 * CHOICES)
    part = program.open_part(total(left_out), program.lower, program.upper)
    assert part is not None
    return part


def is_solution(part: OpenPart, values: np.ndarray) -> bool:
    sums = part.matrix.activity(values, len(part.row_lower))
    whole = np.all((values == 0) | (values == 1))
    return bool(whole and np.all(sums <= part.row_upper) and np.all(sums >= part.row_lower))


@pytest.mark.parametrize("seed", range(4))
def test_the_optimum_is_that_of_the_whole_part(seed: int) -> None:
    part = crowd(seed)
    merged = Merged.of(part)
    assert len(merged.part.columns) < len(part.columns) // 2
    found = branch(merged.part, 30.0, None, None, cuts=True)
    whole = branch(part, 30.0, None, None, cuts=True)
    assert found.proven
    assert whole.proven
    assert found.value == pytest.approx(whole.value)
    assert found.values is not None
    values = merged.spread(found.values, len(part.columns))
    assert is_solution(part, values)
    assert part.constant + part.costs @ values == pytest.approx(whole.value)
    assert merged.summed(values).tolist() == np.round(found.values).tolist()


def test_a_row_in_which_nothing_is_left_still_has_to_hold() -> None:
    """All 300 begin with 2 of a row of 500: none may choose otherwise, and even so it is too much."""
    program = Program()
    choices = [[program.binary(), program.binary()] for _ in range(300)]
    for options in choices:
        program.add(total(options).equals(1))
    program.add(total(2 * z for options in choices for z in options) <= 500)
    part = program.open_part(total(z for z, _ in choices), program.lower, program.upper)
    assert part is not None
    assert branch(Merged.of(part).part, 30.0, None, None).infeasible


def test_choices_that_something_else_is_said_about_stay_apart() -> None:
    program = Program()
    choices = [[program.binary(), program.binary()] for _ in range(300)]
    for options in choices:
        program.add(total(options).equals(1))
    program.add(total(z for z, _ in choices) <= 100)
    program.add(choices[0][0] + choices[1][0] >= 1)
    part = program.open_part(total(other for _, other in choices), program.lower, program.upper)
    assert part is not None
    merged = Merged.of(part)
    assert len(merged.part.columns) == 2 * 3
    found = branch(merged.part, 30.0, None, None)
    assert found.values is not None
    values = merged.spread(found.values, len(part.columns))
    assert is_solution(part, values)
    assert found.value == 200
