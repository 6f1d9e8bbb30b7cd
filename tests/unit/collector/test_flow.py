import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferno_collector.flow import pod_flow
from inferno_collector.samples import UNUSABLE, Metric
from unit.collector.scrapes import history, row, steady


def test_arrivals_are_completions_plus_the_change_of_what_is_in_flight() -> None:
    flow = pod_flow(
        history(row(0, done=10, running=2), row(60, done=30, running=4, waiting=4)), window_begin=0
    )
    assert (flow.completed, flow.arrived, flow.running, flow.waiting) == (20, 26, 4, 4)
    assert flow.end - flow.begin == 60


def test_the_window_starts_at_the_last_row_at_or_before_it() -> None:
    flow = pod_flow(
        history(row(0, done=0), row(50, done=5), row(57, done=6), row(110, done=20)), window_begin=55
    )
    assert (flow.begin, flow.completed) == (50, 15)


def test_a_restart_counts_from_zero_and_keeps_what_was_lost_in_flight_as_arrived() -> None:
    flow = pod_flow(
        history(row(0, done=100, running=3), row(30, done=110, running=4), row(45, done=2, running=1)),
        window_begin=0,
    )
    assert flow.completed == 12
    # 10 done and 1 more in flight before the restart, then 2 done and 1 in flight after it.
    assert flow.arrived == 10 + 1 + 2 + 1


def test_a_restart_that_completions_do_not_show_is_seen_by_other_counters() -> None:
    flow = pod_flow(
        history(row(0, done=2, tokens=900), row(30, done=3, tokens=50), row(60, done=4, tokens=80)),
        window_begin=0,
    )
    assert flow.completed == 3 + 1


def test_a_pod_born_within_the_window_counts_from_zero_at_its_birth() -> None:
    flow = pod_flow(history(row(50, done=5, running=2)), window_begin=0, born_at=30)
    assert (flow.begin, flow.born, flow.rows, flow.completed, flow.arrived) == (30, True, 2, 5, 7)


def test_the_first_sample_of_an_older_pod_is_not_an_increase() -> None:
    flow = pod_flow(history(row(50, done=5000, running=2)), window_begin=10, born_at=5)
    assert (flow.born, flow.rows, flow.completed, flow.arrived) == (False, 1, 0, 0)


def test_means_are_those_of_the_window_and_lifetimes_those_of_the_counters() -> None:
    flow = pod_flow(
        history(
            row(0, done=10, tokens=1000, itl=5.0, itls=1000, queue=1, queues=10),
            row(60, done=20, tokens=3000, itl=29.0, itls=3000, queue=2, queues=20),
        ),
        window_begin=0,
    )
    assert flow.means.output_tokens.value == 200
    assert flow.means.itl_seconds.value == pytest.approx(0.012)
    assert flow.means.queue_seconds.value == pytest.approx(0.1)
    assert flow.means.ttft_seconds.value is None
    assert flow.lifetime.output_tokens.value == 150


def test_unusable_cells_in_between_are_passed_over() -> None:
    flow = pod_flow(
        history(row(0, done=10), row(30, done=UNUSABLE, tokens=math.nan), row(60, done=30)), window_begin=0
    )
    assert flow.completed == 20


def test_without_gauges_arrivals_are_completions() -> None:
    quiet = history((0, {Metric.COMPLETED: 10.0}), (60, {Metric.COMPLETED: 25.0}))
    flow = pod_flow(quiet, window_begin=0)
    assert (flow.arrived, flow.running, flow.waiting) == (15, None, None)


def test_an_engine_that_does_not_tell_completions_has_none_known() -> None:
    flow = pod_flow(history((0, {Metric.RUNNING: 1.0}), (60, {Metric.RUNNING: 2.0})), window_begin=0)
    assert flow.completed is None
    assert flow.arrived is None


_ROWS = st.lists(
    st.tuples(
        st.floats(0.1, 30),
        st.integers(0, 50),
        st.integers(0, 20),
        st.booleans(),
    ),
    min_size=2,
    max_size=20,
)


@given(_ROWS)
def test_every_request_is_counted_once_whatever_restarts(rows: list[tuple[float, int, int, bool]]) -> None:
    """A simulated engine: what arrived is known, and the flow finds exactly that."""
    at, done, in_flight, arrived = 0.0, 0, 0, 0
    scrapes = [row(0, done=0, running=0)]
    for gap, arriving, leaving, restarted in rows:
        at += gap
        new = arriving
        if restarted and done > 0:
            # A restart shows in the counters only when less is done since than was done before.
            done, in_flight, new = 0, 0, 0
        finished = min(leaving, in_flight + new)
        arrived += new
        done, in_flight = done + finished, in_flight + new - finished
        scrapes.append(row(at, done=done, running=in_flight))
    flow = pod_flow(history(*scrapes), window_begin=0)
    assert flow.arrived is not None
    assert flow.arrived == pytest.approx(arrived)


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=30))
def test_no_counter_ever_has_a_negative_increase(values: list[float]) -> None:
    flow = pod_flow(history(*(row(n, done=value) for n, value in enumerate(values))), window_begin=0)
    assert flow.completed is not None
    assert flow.completed >= 0
    assert all(mean.total >= 0 and mean.over >= 0 for mean in flow.means)


def test_a_steady_pod_has_its_rate() -> None:
    flow = pod_flow(steady(30, until=120), window_begin=60)
    assert flow.completed == pytest.approx(30)
