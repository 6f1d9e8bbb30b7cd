import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferno_collector.arrivals import Ledger, ledger, pooled
from inferno_collector.flow import pod_flow
from inferno_collector.samples import UNUSABLE, Metric
from unit.collector.scrapes import history, row, steady


def test_totals_count_completions_and_what_is_in_flight_across_a_restart() -> None:
    pod = ledger(
        history(row(0, done=10, running=2), row(15, done=14, running=3), row(30, done=1, running=4)), begin=0
    )
    assert pod is not None
    assert list(pod.totals) == [12, 17, 22]


def test_a_pod_born_within_the_window_has_nothing_before_its_birth() -> None:
    pod = ledger(history(row(50, done=5, running=2), row(60, done=9, running=1)), begin=0, born_at=30)
    assert pod == Ledger([30, 50, 60], [0, 7, 10], born=True)
    assert list(pod.at([0, 30, 40, 60, 75])) == [0, 0, 3.5, 10, 10]


def test_one_scrape_has_no_intervals() -> None:
    assert ledger(history(row(50, done=5)), begin=0) is None


def test_rows_without_numbers_are_passed_over() -> None:
    pod = ledger(
        history(row(0, done=10), row(15, done=UNUSABLE), row(30, done=math.nan), row(45, done=40)), begin=0
    )
    assert pod is not None
    assert (list(pod.times), list(pod.totals)) == ([0, 45], [10, 40])


def test_without_gauges_arrivals_are_completions() -> None:
    pod = ledger(history((0, {Metric.COMPLETED: 10.0}), (15, {Metric.COMPLETED: 25.0})), begin=0)
    assert pod is not None
    assert list(pod.totals) == [10, 25]


def test_before_its_first_scrape_an_older_pod_had_its_mean_rate() -> None:
    assert list(Ledger([40, 60], [10, 30]).at([20, 50])) == [-10, 20]


def test_pods_scraped_at_other_moments_are_added_interval_by_interval() -> None:
    """Prometheus scrapes each target at an offset of its own: whole intervals stay whole numbers."""
    first, second = Ledger([0, 15, 30], [0, 10, 30]), Ledger([8, 23, 38], [100, 105, 120])
    arrivals, seconds_ago = pooled([first, second], [])
    assert list(arrivals.counts) == [15, 35]
    assert list(arrivals.seconds) == [15, 15]
    assert seconds_ago == [30, 15]
    assert arrivals.look_seconds == 15


def test_a_missed_scrape_of_one_pod_is_spread_evenly() -> None:
    complete, gap = Ledger([0, 15, 30, 45], [0, 10, 20, 30]), Ledger([0, 15, 45], [0, 10, 30])
    assert list(pooled([complete, gap], [])[0].counts) == [20, 20, 20]


def test_load_that_moves_to_another_pod_is_no_change_of_the_sum() -> None:
    old = Ledger([0, 15, 30, 45], [0, 10, 20, 25])
    new = Ledger([30, 45], [0, 5], born=True)
    gone = Ledger([0, 15, 30], [0, 4, 8])
    assert list(pooled([old, new], [gone])[0].counts) == [14, 14, 10]


def test_many_scrapes_are_taken_together() -> None:
    pod = Ledger([float(second) for second in range(301)], [2.0 * second for second in range(301)])
    arrivals, seconds_ago = pooled([pod], [])
    assert list(arrivals.counts) == [10] * 60
    assert (seconds_ago[0], seconds_ago[-1], arrivals.look_seconds) == (300, 5, 1)


def test_counts_are_never_negative_when_numbers_of_a_scrape_disagree() -> None:
    torn = Ledger([0, 15, 30], [10, 9, 20])
    assert list(pooled([torn], [])[0].counts) == [0, 11]


_ROWS = st.lists(
    st.tuples(st.floats(0.1, 30), st.integers(0, 50), st.integers(0, 20), st.booleans()),
    min_size=2,
    max_size=20,
)


@given(_ROWS, st.floats(0, 100))
def test_intervals_add_up_to_the_flow(rows: list[tuple[float, int, int, bool]], begin: float) -> None:
    """Two independent readings of one history: totals by row here, the window as a whole in `flow`."""
    at, done, in_flight = 0.0, 0, 0
    scrapes = [row(0, done=0, running=0)]
    for gap, arriving, leaving, restarted in rows:
        at += gap
        if restarted:
            done, in_flight = 0, 0
        finished = min(leaving, in_flight + arriving)
        done, in_flight = done + finished, in_flight + arriving - finished
        scrapes.append(row(at, done=done, running=in_flight))
    pod, flow = ledger(history(*scrapes), begin=begin), pod_flow(history(*scrapes), window_begin=begin)
    if pod is None:
        assert begin >= at
    else:
        assert pod.totals[-1] - pod.totals[0] == pytest.approx(flow.arrived)


@given(st.floats(0, 600), st.floats(1, 30), st.integers(1, 5))
def test_a_steady_pod_has_equal_counts_however_often_it_is_scraped(
    rate_rpm: float, every: float, pods: int
) -> None:
    pod = ledger(steady(rate_rpm, until=300, every=every), begin=0)
    assert pod is not None
    arrivals, _ = pooled([pod] * pods, [])
    rates = [count / seconds for count, seconds in zip(arrivals.counts, arrivals.seconds, strict=True)]
    assert rates == pytest.approx([pods * rate_rpm / 60] * len(rates), abs=1e-6)
