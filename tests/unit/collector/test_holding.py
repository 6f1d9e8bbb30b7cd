"""When a reading of the rate stands against the next window, and when it does not."""

import math
import random

import pytest

from inferno_collector.demand import DemandPolicy, Estimate, Memory, PodEvidence, TokenMeans
from inferno_collector.estimation import estimate_demand
from inferno_collector.holding import RateRead, stands
from inferno_collector.samples import History
from inferno_collector.settings import CollectorSettings
from unit.collector.scrapes import history, row

POLICY = CollectorSettings().demand_policy()
FIXED = CollectorSettings(load_window="fixed").demand_policy()
TOKENS = TokenMeans(input_tokens=1, output_tokens=1, at=0)


def window(rpm: float, *, newest: float, rpm_of_the_last_two: float | None = None) -> History:
    """Five minutes of scrapes every 15 s at a steady rate."""
    done, rows = 0.0, []
    for number in range(21):
        rows.append(row(newest - 300 + 15 * number, done=done))
        late = number >= 18 and rpm_of_the_last_two is not None
        done += (rpm_of_the_last_two if late and rpm_of_the_last_two is not None else rpm) / 4
    return history(*rows)


def read(found: History, last: RateRead | None, policy: DemandPolicy = POLICY) -> Estimate:
    return estimate_demand([PodEvidence(found)], found.newest_at, policy, Memory(TOKENS, last))


def test_the_worked_example() -> None:
    last = RateRead(100 / 60, at=300, seconds=300)
    for rpm, holds in ((94.7, True), (105.3, True), (94.5, False), (105.5, False)):
        assert stands(last, rpm / 60, seconds=300, dispersion=1, deviations=1.2) is holds


def test_a_reading_stands_while_the_window_agrees_with_it_and_says_so() -> None:
    estimate = read(window(104, newest=600), RateRead(100 / 60, at=420, seconds=300))
    assert estimate.rate * 60 == pytest.approx(100)
    assert estimate.rate_read == RateRead(100 / 60, at=420, seconds=300)
    assert "104.0 requests/min arrived over 300 s" in estimate.message
    assert "within its noise of 100.0 as read 180 s ago, which stands" in estimate.message


@pytest.mark.parametrize("rpm", [90, 108])
def test_a_reading_gives_way_to_a_window_that_has_moved(rpm: float) -> None:
    estimate = read(window(rpm, newest=600), RateRead(100 / 60, at=420, seconds=300))
    assert estimate.rate * 60 == pytest.approx(rpm)
    assert estimate.rate_read == RateRead(estimate.rate, at=600, seconds=300)


@pytest.mark.parametrize(("seconds_then", "rpm"), [(210, 100), (190, 104)])
def test_a_reading_of_a_young_window_is_read_anew_when_the_window_has_grown_by_half(
    seconds_then: float, rpm: float
) -> None:
    estimate = read(window(104, newest=600), RateRead(100 / 60, at=420, seconds=seconds_then))
    assert estimate.rate * 60 == pytest.approx(rpm)


def test_a_reading_from_before_a_change_never_stands() -> None:
    found = window(40, newest=600, rpm_of_the_last_two=120)
    estimate = read(found, RateRead(118 / 60, at=500, seconds=300))
    assert "the rate rose 30 s ago" in estimate.message
    assert estimate.rate * 60 == pytest.approx(120)


def test_idle_is_never_held_off_by_what_was_read_before() -> None:
    estimate = read(window(0, newest=600), RateRead(0.001 / 60, at=590, seconds=300))
    assert (estimate.idle, estimate.rate) == (True, 0)


def test_a_fixed_window_holds_nothing() -> None:
    estimate = read(window(101, newest=600), RateRead(100 / 60, at=590, seconds=300), FIXED)
    assert estimate.rate * 60 == pytest.approx(101)


def test_a_reading_of_the_future_does_not_stand() -> None:
    """A clock that was set back."""
    estimate = read(window(101, newest=600), RateRead(100 / 60, at=700, seconds=300))
    assert estimate.rate * 60 == pytest.approx(101)


def test_the_mean_of_what_is_read_is_the_rate() -> None:
    """Poisson arrivals of 60 per minute for 50 hours, held or not: no drift, neither way."""
    numbers = random.Random(7)  # noqa: S311 - a simulation
    counts = [_poisson(15.0, numbers) for _ in range(12_000)]
    last, total, changes = RateRead(1.0, 0, 300), 0.0, 0
    for end in range(20, len(counts)):
        rate = sum(counts[end - 20 : end]) / 300
        if not stands(last, rate, seconds=300, dispersion=1, deviations=1.2):
            last, changes = RateRead(rate, end, 300), changes + 1
        total += last.rate
    assert total / (len(counts) - 20) == pytest.approx(1.0, abs=0.01)
    assert changes < 0.1 * len(counts)


def _poisson(mean: float, numbers: random.Random) -> int:
    count, product = 0, numbers.random()
    while product > math.exp(-mean):
        count, product = count + 1, product * numbers.random()
    return count
