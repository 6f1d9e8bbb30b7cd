"""When the load generator sends."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vllm_emulator.load.plan import Mode, Stage, arrivals, duration_seconds, parse_stages, rate_rpm_at


def due(stages: list[Stage], mode: Mode = Mode.DETERMINISTIC, seed: int = 1) -> list[float]:
    return list(arrivals(stages, mode, random.Random(seed)))  # noqa: S311 - a simulation, not a secret


def test_the_seeds_rate_is_one_stage() -> None:
    assert parse_stages("[[180, 50]]") == (Stage(180, 50),)


@pytest.mark.parametrize(
    "text", ["", "180,50", "[]", "[180, 50]", "[[180]]", "[[0, 50]]", "[[180, -1]]", '[["a", 1]]']
)
def test_a_rate_in_another_form_is_refused_with_the_right_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be a list of \[seconds, requests per minute\]"):
        parse_stages(text)


def test_evenly_spaced_arrivals_begin_at_once_and_keep_their_distance() -> None:
    times = due([Stage(180, 50)])
    assert len(times) == 150
    assert times[:3] == pytest.approx([0, 1.2, 2.4])


def test_stages_follow_each_other_and_a_rate_of_zero_is_a_pause() -> None:
    stages = [Stage(2, 60), Stage(10, 0), Stage(1, 120)]
    assert due(stages) == pytest.approx([0, 1, 12, 12.5])
    assert duration_seconds(stages) == 13
    assert [rate_rpm_at(stages, at) for at in (0, 1.9, 2, 12.5, 13)] == [60, 60, 0, 120, 0]


def test_poisson_arrivals_have_the_rate_and_a_spread_of_one() -> None:
    times = due([Stage(60_000, 60)], Mode.POISSON)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert mean == pytest.approx(1, rel=0.02)
    assert variance == pytest.approx(1, rel=0.05)


def test_a_seed_makes_poisson_arrivals_repeatable() -> None:
    stages = [Stage(60, 50)]
    assert due(stages, Mode.POISSON, 7) == due(stages, Mode.POISSON, 7) != due(stages, Mode.POISSON, 8)


@given(
    st.lists(st.tuples(st.floats(0.1, 100), st.floats(0, 600)), min_size=1, max_size=4), st.sampled_from(Mode)
)
def test_arrivals_come_in_order_and_within_the_plan(pairs: list[tuple[float, float]], mode: Mode) -> None:
    stages = [Stage(seconds, rate_rpm) for seconds, rate_rpm in pairs]
    times = due(stages, mode)
    assert times == sorted(times)
    assert all(0 <= at <= duration_seconds(stages) for at in times)
