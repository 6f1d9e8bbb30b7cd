"""One program minimised by hand-made rows: what is proven, what follows of itself, and who has a rival."""

import itertools
import time

import numpy as np
import pytest

from inferno_optimizer.allocation.lexicographic import Core, Effort, Minimizer
from inferno_optimizer.allocation.linear import Linear, total
from inferno_optimizer.allocation.program import Program
from inferno_optimizer.allocation.rivals import Deviations

RATES = (7.0, 11.0, 13.0, 17.0, 19.0, 23.0)


def knapsack(core: Core) -> tuple[Minimizer, list[Linear], Linear]:
    """Six demands of one unit per rpm on 48 units: the rate that is left out is to be least."""
    program = Program()
    served: list[Linear] = [program.binary() for _ in RATES]
    left_out = total(rate * (1.0 - chosen) for rate, chosen in zip(RATES, served, strict=True))
    program.add(total(rate * chosen for rate, chosen in zip(RATES, served, strict=True)) <= 48.0)
    return Minimizer(program, Effort(time.monotonic() + 30.0, time.monotonic, core=core)), served, left_out


@pytest.mark.parametrize("above", [0, 30])
def test_the_least_rate_is_left_out_with_a_proof(above: int) -> None:
    minimizer, _, left_out = knapsack(Core(above=above, first=1))
    minimum = minimizer.minimize(left_out)
    assert minimum.proven
    assert minimum.value == pytest.approx(90 - 48)  # 7 + 11 + 13 + 17 fill the 48


def test_columns_without_a_choice_are_settled_one_after_the_other() -> None:
    """One of x and y is chosen; without x it is y, which leaves room for nothing else."""
    program = Program()
    x, y, z = program.binary(), program.binary(), program.binary()
    more = program.variable(0.0, 4.0, integer=True)
    program.add((x + y).equals(1))
    program.add(3 * y + z <= 3)
    program.add(more <= 4 * z)
    program.bound(x, upper=0.0)
    lower, upper = program.lower, program.upper
    program.settle(lower, upper)
    assert lower.tolist() == upper.tolist() == [0, 1, 0, 0]


def test_columns_that_were_added_are_raised_as_far_as_their_rows_ask_for() -> None:
    program = Program()
    replicas = program.variable(0.0, 9.0, integer=True)
    known = np.array([2.0])
    changes, exempt = program.variable(0.0, 9.0), program.binary()
    program.add(changes >= replicas - 5)
    program.add(changes >= 5 - replicas)
    program.add(replicas + 7 * exempt >= 4)
    assert program.completed(known).tolist() == [2, 3, 1]


def test_a_set_of_demands_has_a_rival_where_another_one_has_the_same_rate() -> None:
    """Left out are 7 + 23; 13 + 17 are as much, but to be had only where it costs no more than 4."""
    rates = np.array([7.0, 23.0, 13.0, 17.0])
    full, other = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, 1.0])
    deviations = Deviations.of(full, other, rates)
    assert deviations.only_one(30.0, 3.9)
    assert not deviations.only_one(30.0, 4.0)
    assert Deviations.of(full, np.array([0.0, 0.0, 1.0, np.inf]), rates).only_one(30.0, 4.0)


@pytest.mark.parametrize("seed", range(20))
def test_rivals_equal_enumeration(seed: int) -> None:
    rnd = np.random.default_rng(seed)
    rates, full, other = rnd.integers(1, 40, 9).astype(float), rnd.uniform(0, 5, 9), rnd.uniform(0, 5, 9)
    least = np.minimum(full, other)
    sets = [np.array(found) for found in itertools.product([True, False], repeat=9)]
    left_out = [float(rates[~s].sum()) for s in sets if np.where(s, full, other).sum() <= least.sum() + 6]
    for value in set(left_out):
        alone = left_out.count(value) == 1
        assert Deviations.of(full, other, rates).only_one(value, 6.0) == alone
