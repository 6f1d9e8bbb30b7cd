"""One program minimised by hand-made rows: what is proven, and what a row can be shown to exclude."""

import time

import pytest

from inferno_optimizer.allocation.lexicographic import Core, Effort, Minimizer
from inferno_optimizer.allocation.linear import Linear, total
from inferno_optimizer.allocation.program import Program

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


def test_a_choice_is_excluded_only_where_it_must_be_worse() -> None:
    """With 23 at best 7 + 17 + 23 = 47 are served, so that 43 are left out."""
    minimizer, served, left_out = knapsack(Core())
    assert minimizer.excludes(left_out, 42.0, served[5] >= 1.0)
    assert not minimizer.excludes(left_out, 43.0, served[5] >= 1.0)
    assert not minimizer.excludes(left_out, 42.0, served[0] >= 1.0)
