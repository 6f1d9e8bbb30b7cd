import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferno_collector.sources.breaker import Breaker, BreakerPolicy, Circuit


def failed(breaker: Breaker, *times: float) -> Breaker:
    for time in times:
        breaker = breaker.failed(time, "boom")
    return breaker


def test_the_worked_example() -> None:
    opened = failed(Breaker(), 0, 60, 120)
    assert opened.circuit(134.9) is Circuit.OPEN
    assert opened.seconds_left(130) == 5
    assert opened.circuit(135) is Circuit.HALF_OPEN
    once_more = failed(opened, 180)
    assert once_more.circuit(209) is Circuit.OPEN
    assert once_more.circuit(210) is Circuit.HALF_OPEN
    assert failed(once_more, 210, 270, 330).seconds_left(330) == 60


def test_failures_between_successes_do_not_open_it() -> None:
    breaker = Breaker()
    for time in range(0, 100, 10):
        breaker = failed(breaker, time, time + 1).succeeded()
    assert breaker.circuit(1000) is Circuit.CLOSED


def test_a_probe_that_answers_closes_it_and_forgets() -> None:
    closed = failed(Breaker(), 0, 1, 2).succeeded()
    assert closed == Breaker()
    assert failed(closed, 20, 21).circuit(22) is Circuit.CLOSED


def test_requests_that_began_before_it_opened_do_not_prolong_it() -> None:
    opened = failed(Breaker(), 0, 1, 2)
    assert failed(opened, 3, 4, 5) == opened


def test_a_clock_that_was_set_back_does_not_keep_it_open() -> None:
    assert failed(Breaker(), 1000, 1001, 1002).circuit(10) is Circuit.HALF_OPEN


@given(st.lists(st.tuples(st.integers(0, 100), st.booleans()), max_size=60))
def test_whatever_happens_it_is_probed_within_the_longest_wait(events: list[tuple[int, bool]]) -> None:
    policy = BreakerPolicy(failures=2, open_seconds=5, longest_seconds=20)
    breaker, now = Breaker(policy), 0
    for seconds, good in events:
        now += seconds
        if breaker.circuit(now) is not Circuit.OPEN:
            breaker = breaker.succeeded() if good else breaker.failed(now, "boom")
        assert breaker.seconds_left(now) <= 20
        assert breaker.circuit(now + 20) is not Circuit.OPEN


@pytest.mark.parametrize("failures", [1, 5])
def test_it_opens_at_the_failure_of_the_policy(failures: int) -> None:
    breaker = Breaker(BreakerPolicy(failures=failures))
    before = failed(breaker, *range(failures - 1))
    assert before.circuit(failures) is Circuit.CLOSED
    assert failed(before, failures).circuit(failures) is Circuit.OPEN
