import math
import random
from bisect import bisect_right
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferno_collector.demand import DemandPolicy, Estimate, Memory, PodEvidence
from inferno_collector.estimation import estimate_demand
from inferno_collector.samples import History
from inferno_collector.settings import CollectorSettings
from inferno_collector.steadiness import Caution
from inferno_collector.window import steady_window
from unit.collector.scrapes import history, row, steady

POLICY = CollectorSettings().demand_policy()
FIXED = CollectorSettings(load_window="fixed").demand_policy()


def stepped(
    before: int, after: int, *, at: float, until: float, offset: float = 0.0, start: int = 0
) -> History:
    """Scrapes each 15 s of `before` completions per interval, of `after` per interval from time `at` on."""
    rows, done = [], float(start)
    for number in range(int(until / 15) + 1):
        now = number * 15.0
        rows.append(row(now + offset, done=done))
        done += after if now >= at else before
    return history(*rows)


def estimated(*histories: History, now: float, policy: DemandPolicy = POLICY) -> Estimate:
    return estimate_demand([PodEvidence(found) for found in histories], now, policy, Memory())


def test_the_defaults_are_five_minutes_adaptive_and_one_minute_fixed() -> None:
    assert (POLICY.window_seconds, POLICY.caution) == (300, Caution())
    assert (FIXED.window_seconds, FIXED.caution) == (60, None)
    assert CollectorSettings(load_window_seconds=40).demand_policy().after_change_seconds == 20


def test_steady_arrivals_are_read_over_the_whole_window() -> None:
    estimate = estimated(stepped(10, 10, at=0, until=600), now=600)
    assert estimate.window_seconds == 300
    assert estimate.rate * 60 == pytest.approx(40)
    assert "ago" not in estimate.message


def test_a_rise_is_read_from_its_beginning_on() -> None:
    estimate = estimated(stepped(10, 30, at=555, until=600), now=600)
    assert estimate.window_seconds == 45
    assert estimate.rate * 60 == pytest.approx(120)
    assert estimate.message == (
        "120.0 requests/min arrived over 45 s: 90 completed, in flight 0 -> 0; the rate rose 45 s ago"
    )


def test_right_after_a_change_the_rate_is_read_over_half_a_minute_all_the_same() -> None:
    estimate = estimated(stepped(10, 40, at=585, until=600), now=600)
    assert estimate.window_seconds == 30
    assert estimate.rate * 60 == pytest.approx(100)
    assert "the rate rose 15 s ago" in estimate.message


def test_with_frequent_scrapes_a_rise_from_nothing_is_not_read_together_with_the_nothing() -> None:
    """Scrapes each 2 s; nothing for 20 s, then 2 arrivals between scrapes (60/min) for 12 s."""
    rows = [row(2.0 * number, done=2.0 * max(0, number - 10)) for number in range(17)]
    policy = CollectorSettings(load_source="scrape", scrape_interval_seconds=2).demand_policy()
    estimate = estimated(history(*rows), now=32, policy=policy)
    assert estimate.window_seconds == 12
    assert estimate.rate * 60 == pytest.approx(60)


@pytest.mark.parametrize("seconds", [24, 60, 120])
def test_an_idle_beginning_does_not_hide_the_first_load_however_long_it_lasts(seconds: int) -> None:
    """Nothing for 12 s, then 5 requests each 6 s: 50/min."""
    rows = [
        row(2.0 * number, done=math.floor(max(0, 2.0 * number - 12) * 5 / 6))
        for number in range(seconds // 2 + 1)
    ]
    policy = CollectorSettings(load_source="scrape", scrape_interval_seconds=2).demand_policy()
    estimate = estimated(history(*rows), now=seconds, policy=policy)
    assert estimate.window_seconds == seconds - 12
    assert estimate.rate * 60 == pytest.approx(50, rel=0.02)


def test_a_fall_to_nothing_is_read_from_its_beginning_on() -> None:
    estimate = estimated(stepped(20, 0, at=540, until=600), now=600)
    assert (estimate.window_seconds, estimate.rate, estimate.idle) == (60, 0, True)


def test_a_fixed_window_does_not_adapt() -> None:
    estimate = estimated(stepped(10, 30, at=585, until=600), now=600, policy=FIXED)
    assert estimate.window_seconds == 60
    assert estimate.rate * 60 == pytest.approx(60)


def test_pods_scraped_at_other_moments_are_cut_at_the_same_change() -> None:
    """The second pod's scrapes lie 7 s after the first's; none of its older intervals is counted."""
    first = stepped(10, 30, at=540, until=600)
    second = stepped(10, 30, at=540, until=600, offset=7)
    estimate = estimated(first, second, now=607)
    assert estimate.rate * 60 == pytest.approx(240)


def test_scrapes_of_one_round_that_lie_a_little_apart_are_cut_at_the_same_change() -> None:
    histories = [stepped(10, 30, at=555, until=600, offset=offset) for offset in (0.02, 0.0, 0.05)]
    estimate = estimated(*histories, now=601)
    assert estimate.rate * 60 == pytest.approx(360, rel=1e-3)


def test_a_late_scrape_is_no_change() -> None:
    rows = [row(15.0 * n, done=10.0 * n) for n in range(41) if n not in {30, 31, 38}]
    estimate = estimated(history(*rows), now=600)
    assert estimate.window_seconds == 300
    assert estimate.rate * 60 == pytest.approx(40)


def test_a_restart_is_no_change() -> None:
    done, rows = 0.0, []
    for number in range(41):
        done = 0.0 if number == 35 else done
        rows.append(row(15.0 * number, done=done, running=2))
        done += 10
    estimate = estimated(history(*rows), now=600)
    assert estimate.window_seconds == 300
    assert estimate.rate * 60 == pytest.approx(40, rel=0.05)


def test_a_new_replica_that_takes_over_half_of_the_load_is_no_change() -> None:
    old = stepped(20, 10, at=540, until=600)
    new = history(row(540, done=0), *(row(540 + 15 * n, done=10.0 * n) for n in range(1, 5)))
    pods = [PodEvidence(old, born_at=-1000), PodEvidence(new, born_at=520, expected=False)]
    estimate = estimate_demand(pods, 600, POLICY, Memory())
    assert estimate.window_seconds == 300
    assert estimate.rate * 60 == pytest.approx(80)


def test_a_scale_down_is_no_change() -> None:
    staying, leaving = stepped(10, 20, at=540, until=600), stepped(10, 10, at=0, until=540)
    pods = [PodEvidence(staying), PodEvidence(leaving, exists=False, expected=False)]
    estimate = estimate_demand(pods, 600, POLICY, Memory())
    assert estimate.window_seconds == 300
    assert estimate.rate * 60 == pytest.approx(80)


def test_work_of_a_pod_gone_before_the_change_is_left_out() -> None:
    staying, gone = stepped(10, 60, at=555, until=600), stepped(10, 10, at=0, until=450)
    pods = [PodEvidence(staying), PodEvidence(gone, exists=False, expected=False)]
    estimate = estimate_demand(pods, 600, POLICY, Memory())
    assert estimate.rate * 60 == pytest.approx(240)


def test_tokens_per_request_are_those_of_the_longest_window() -> None:
    rows = [row(15.0 * n, done=10.0 * n, tokens=1000.0 * n) for n in range(39)]
    rows += [row(585, done=430, tokens=38_000 + 10_000), row(600, done=480, tokens=38_000 + 20_000)]
    estimate = estimated(history(*rows), now=600)
    assert estimate.window_seconds == 30
    assert estimate.tokens is not None
    # 18 intervals of 10 requests with 100 tokens each, then two of 50 with 200.
    assert estimate.tokens.output_tokens == pytest.approx((18 * 1000 + 20_000) / (18 * 10 + 100), rel=1e-6)


def test_no_scrapes_leave_the_whole_window() -> None:
    window = steady_window([PodEvidence(history(row(600, done=5)))], [], 600, POLICY)
    assert (window.begin, window.change) == (300, None)
    with pytest.raises(ValueError, match="no flow"):
        window.flow(PodEvidence(None), answers=False)


def test_often_scraped_pods_are_read_over_half_a_minute_after_a_change() -> None:
    rows = [row(2.0 * n, done=2.0 * n + (6.0 * (n - 285) if n > 285 else 0)) for n in range(301)]
    estimate = estimated(history(*rows), now=600)
    assert estimate.rate * 60 == pytest.approx(240, rel=0.05)
    assert estimate.window_seconds == 30


_INTERVALS = st.lists(
    st.tuples(st.floats(1, 40), st.integers(0, 80), st.integers(0, 30), st.booleans()),
    min_size=1,
    max_size=40,
)


@given(st.lists(_INTERVALS, min_size=1, max_size=3), st.floats(0, 40))
def test_a_rate_is_never_negative_and_is_read_within_the_window(
    pods: list[list[tuple[float, int, int, bool]]], age: float
) -> None:
    """Whatever restarts, gauges that jump, late and missing scrapes do."""
    histories = []
    for intervals in pods:
        at, done, rows = 0.0, 0.0, [row(0, done=0)]
        for gap, more, running, restarted in intervals:
            at, done = at + gap, (0.0 if restarted else done) + more
            rows.append(row(at, done=done, running=running))
        histories.append(history(*rows))
    now = max(found.newest_at for found in histories) + age
    estimate = estimated(*histories, now=now)
    if estimate.doubt is None:
        assert estimate.rate >= 0
        assert math.isfinite(estimate.rate)
        assert estimate.window_seconds is not None
        assert POLICY.minimum_span_seconds - 6 <= estimate.window_seconds


@given(st.integers(1, 200), st.integers(2, 6))
def test_the_split_over_pods_does_not_matter(count: int, pods: int) -> None:
    whole = estimated(stepped(count * pods, 5 * count * pods, at=540, until=600), now=600)
    parts = estimated(*(stepped(count, 5 * count, at=540, until=600) for _ in range(pods)), now=600)
    assert parts.rate == pytest.approx(whole.rate)
    assert parts.window_seconds == whole.window_seconds


@given(st.integers(0, 400), st.floats(1, 30))
def test_a_constant_stream_uses_the_whole_window(count: int, every: float) -> None:
    estimate = estimated(steady(count, until=600, every=every), now=600 - 600 % every)
    assert estimate.window_seconds == pytest.approx(300, abs=every)


def test_a_step_is_seen_within_two_scrapes() -> None:
    """100 -> 300 requests/min at any moment of an interval; half of the way from 7 to 21 replicas is 186."""
    numbers, seen = random.Random(4), 0  # noqa: S311 - simulated arrivals
    for _ in range(100):
        at = numbers.uniform(285, 300)
        times, now = [], 0.0
        while now < 315:
            now += numbers.expovariate((300 if now >= at else 100) / 60)
            times.append(now)
        rows = [row(15.0 * n, done=float(bisect_right(times, 15.0 * n))) for n in range(22)]
        estimate = estimated(history(*rows), now=315)
        assert "the rate rose" in estimate.message
        seen += estimate.rate * 60 > 186
    assert seen >= 90


def test_noise_moves_an_adaptive_window_less_than_a_fixed_one() -> None:
    numbers = random.Random(3)  # noqa: S311 - simulated arrivals
    done, rows, now = 0, [], 0.0
    for scrape in range(260):
        while now <= scrape * 15:
            now += numbers.expovariate(50 / 60)
            done += 1
        rows.append(row(scrape * 15.0, done=float(done)))
    adaptive, fixed = (
        [
            math.ceil(
                estimated(history(*rows[end - 22 : end]), now=15.0 * (end - 1), policy=policy).rate
                * 60
                / 14.31
            )
            for end in range(22, 260)
        ]
        for policy in (POLICY, FIXED)
    )
    changes = [sum(a != b for a, b in pairwise(seen)) for seen in (adaptive, fixed)]
    assert changes[0] * 4 <= changes[1]


def test_caution_is_a_policy() -> None:
    """One false rise in a hundred hours allowed: 25 after 19 intervals of 10 are not enough any more."""
    counted = stepped(10, 25, at=585, until=600)
    assert estimated(counted, now=600).window_seconds == 30
    timid = replace(POLICY, caution=Caution(false_rises_per_hour=0.001))
    assert estimated(counted, now=600, policy=timid).window_seconds == 300
