import math
import random
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferno_collector.steadiness import Arrivals, Caution, Steady, dispersion, score, steady_part

CAUTION = Caution()


def steady(counts: Sequence[float], seconds: float = 15.0) -> Steady:
    return steady_part(Arrivals(counts, [seconds] * len(counts), seconds), CAUTION)


def numbers_of(seed: float) -> random.Random:
    return random.Random(seed)  # noqa: S311 - simulated arrivals


def poisson(mean: float, numbers: random.Random) -> int:
    """Arrivals of one interval, by the gaps between them."""
    count, at = 0, numbers.expovariate(1.0)
    while at < mean:
        count, at = count + 1, at + numbers.expovariate(1.0)
    return count


def test_the_worked_example() -> None:
    assert score(25, 215, 1 / 20) == pytest.approx(3.716, abs=5e-4)
    assert score(19, 209, 1 / 20) == pytest.approx(2.316, abs=5e-4)
    assert steady([10] * 19 + [25]) == Steady(19, rose=True)
    assert steady([10] * 19 + [19]) == Steady(0)


def test_a_fall_needs_more_evidence_than_a_rise() -> None:
    assert steady([4, 16] * 9 + [10, 10, 0]).rose is None
    bold = Caution(false_falls_per_hour=1.0)
    counts = [10.0] * 19 + [1.0]
    look = Arrivals(counts, [15.0] * 20, 15.0)
    assert steady_part(look, bold) == Steady(19, rose=False)
    assert steady_part(look, Caution(false_falls_per_hour=0.01)) == Steady(0)


def test_the_window_begins_at_the_change_even_when_that_is_long_ago() -> None:
    assert steady([5] * 8 + [20] * 12) == Steady(8, rose=True)
    assert steady([20] * 8 + [5] * 12) == Steady(8, rose=False)


def test_of_several_changes_the_last_one_counts() -> None:
    assert steady([10] * 6 + [60] * 6 + [10] * 8) == Steady(12, rose=False)
    assert steady([60] * 7 + [2] * 6 + [30] * 7) == Steady(13, rose=True)


def test_intervals_of_different_length_are_judged_by_their_rate() -> None:
    look = Arrivals([10] * 9 + [20, 10, 40], [15.0] * 9 + [30.0, 15.0, 60.0], 15.0)
    assert steady_part(look, CAUTION) == Steady(0)


@pytest.mark.parametrize("counts", [[], [7], [0, 0, 0], [0] * 20])
def test_little_or_nothing_is_steady(counts: list[float]) -> None:
    assert steady(counts) == Steady(0)


def test_counts_without_durations_are_refused() -> None:
    with pytest.raises(ValueError, match="2 counts have 1 durations"):
        Arrivals([1, 2], [15.0], 15.0)


def test_the_level_is_that_of_the_exact_binomial_test() -> None:
    """P(as far out or further) by exact sums is within a factor of 1.5 above what the score says."""
    checked = 0
    for share in (1 / 60, 0.05, 0.1, 0.25, 0.5, 0.75, 0.95):
        for count in (10, 40, 150, 600):
            chances = [math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(count + 1)]
            for k in range(count + 1):
                above = k > count * share
                exact = math.fsum(chances[k:] if above else chances[: k + 1])
                if 1e-7 < exact < 1e-2:
                    assert exact < 1.5 * NormalDist().cdf(-abs(score(k, count, share)))
                    checked += 1
    assert checked > 500


@pytest.mark.parametrize("rate_rpm", [8, 50, 300])
def test_poisson_arrivals_show_fewer_changes_than_the_stated_bound(rate_rpm: float) -> None:
    """Twenty hours of looks, each five minutes long: at most 1 false rise and 0.25 false falls per hour."""
    numbers = numbers_of(rate_rpm)
    hours = 20
    counts = [poisson(rate_rpm / 4, numbers) for _ in range(240 * hours + 20)]
    looks = [steady(counts[end - 20 : end]) for end in range(20, len(counts))]
    seen = [after.rose for before, after in pairwise(looks) if not before.first]
    assert seen.count(True) <= CAUTION.false_rises_per_hour * hours
    assert seen.count(False) <= CAUTION.false_falls_per_hour * hours


@pytest.mark.parametrize(("before", "after"), [(1, 50), (10, 60), (100, 300), (50, 1), (300, 100)])
def test_a_large_step_is_seen_within_two_scrapes(before: float, after: float) -> None:
    """It comes somewhere within an interval: the second scrape after it sees it nine times in ten."""
    numbers = numbers_of(before)
    seen = 0
    for _ in range(100):
        old = numbers.random()
        counts = [poisson(before / 4, numbers) for _ in range(18)]
        counts.append(poisson((before * old + after * (1 - old)) / 4, numbers))
        counts.append(poisson(after / 4, numbers))
        seen += steady(counts).rose is (after > before)
    assert seen >= 90


def test_dispersion_is_one_for_poisson_and_more_for_batches() -> None:
    numbers = numbers_of(1)
    single = [poisson(20, numbers) for _ in range(60)]
    batches = [5.0 * poisson(4, numbers) for _ in range(60)]
    assert dispersion(single) == 1
    assert dispersion(batches) == pytest.approx(5, rel=0.3)


def test_a_step_is_not_taken_for_bursts() -> None:
    assert dispersion([10.0] * 10 + [25.0] + [60.0] * 9) == 1


def test_batches_are_not_taken_for_steps() -> None:
    numbers = numbers_of(2)
    counts = [5.0 * poisson(4, numbers) for _ in range(2_000)]
    changes = sum(steady(counts[end - 20 : end]).first > 0 for end in range(20, len(counts)))
    assert changes < 0.07 * len(counts)


_COUNTS = st.lists(st.integers(0, 500), min_size=1, max_size=60)


@given(_COUNTS, st.floats(0.1, 60))
def test_something_is_always_left_and_the_change_has_a_direction(counts: list[int], seconds: float) -> None:
    found = steady(counts, seconds)
    assert 0 <= found.first < len(counts)
    assert (found.rose is None) == (found.first == 0)


@given(st.integers(0, 2_000), st.integers(2, 60))
def test_equal_counts_are_steady(count: int, intervals: int) -> None:
    assert steady([count] * intervals) == Steady(0)


@given(st.integers(1, 400), st.integers(1, 400), st.floats(0.01, 0.99))
def test_a_score_has_the_sign_of_its_excess_and_grows_with_it(count: int, recent: int, share: float) -> None:
    recent = min(recent, count)
    found = score(recent, count, share)
    assert found == 0 or (found > 0) == (recent > count * share)
    assert score(recent - 1, count, share) <= found + 1e-9
    assert math.isfinite(found)


@given(st.lists(st.integers(0, 60), min_size=10, max_size=30), st.integers(2, 8))
def test_a_change_beyond_doubt_stays_one_when_the_newest_counts_grow(counts: list[int], times: int) -> None:
    """More requests in the newest interval never hide a rise in it."""
    newest = [*counts, 20 + times * max(*counts, 30)]
    more = [*counts, 2 * newest[-1]]
    if steady(newest).first == len(counts):
        assert steady(more).first == len(counts)


@given(st.lists(st.integers(0, 60), min_size=2, max_size=30), st.floats(0.5, 20))
def test_only_counts_and_shares_of_time_matter(counts: list[int], unit: float) -> None:
    """The same counts in intervals of another length, with the same looks, are cut at the same place."""
    one = steady_part(Arrivals(counts, [15.0] * len(counts), 15.0), CAUTION)
    other = steady_part(Arrivals(counts, [unit] * len(counts), 15.0), CAUTION)
    assert one == other


def test_an_empty_beginning_is_left_out_from_the_request_on_that_makes_one_rate_unlikely() -> None:
    """12 empty seconds of 24: 0.5^4 is above 1 in 20, 0.5^5 below."""

    def found(requests: int, *, from_the_start: bool = True) -> Steady:
        counts = [0.0] * 6 + [float(requests), 0, 0, 0, 0, 0]
        return steady_part(Arrivals(counts, [2.0] * 12, 2.0, from_the_start), CAUTION)

    assert found(4) == Steady(0)
    assert found(5) == Steady(6, rose=True)
    assert found(5, from_the_start=False) == Steady(0)
