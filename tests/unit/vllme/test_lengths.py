"""Lengths of answers."""

import statistics

import pytest

from vllm_emulator.lengths import OutputLengths


def drawn(cv: float, *, seed: int = 1, count: int = 20_000) -> list[int]:
    lengths = OutputLengths(mean=279, cv=cv, seed=seed)
    return [lengths.draw() for _ in range(count)]


def test_without_spread_every_answer_has_the_mean_length() -> None:
    assert set(drawn(0, count=10)) == {279}


@pytest.mark.parametrize("cv", [0.3, 1.0])
def test_mean_and_spread_are_as_asked_and_no_answer_is_empty(cv: float) -> None:
    lengths = drawn(cv)
    assert statistics.mean(lengths) == pytest.approx(279, rel=0.03)
    assert statistics.stdev(lengths) / statistics.mean(lengths) == pytest.approx(cv, rel=0.05)
    assert min(lengths) >= 1


def test_a_seed_makes_them_repeatable() -> None:
    assert drawn(1, seed=3, count=9) == drawn(1, seed=3, count=9) != drawn(1, seed=4, count=9)
