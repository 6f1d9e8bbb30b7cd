import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferno_collector.demand import DemandPolicy, Doubt, Estimate, Memory, PodEvidence, TokenMeans
from inferno_collector.estimation import estimate_demand
from inferno_collector.samples import UNUSABLE, History
from unit.collector.scrapes import history, row, steady

POLICY = DemandPolicy()


def rpm(estimate: Estimate) -> float:
    assert estimate.doubt is None, estimate.message
    return estimate.rate * 60


def estimated(*histories: History | None, now: float = 60) -> Estimate:
    pods = [PodEvidence(found) for found in histories]
    return estimate_demand(pods, now, POLICY, Memory())


def test_under_overload_the_rate_is_what_arrives_and_drains_not_what_completes() -> None:
    estimate = estimated(history(row(0, done=10, running=4), row(60, done=48, running=4, waiting=12)))
    assert rpm(estimate) == pytest.approx(38 + 12 + 12)
    assert not estimate.idle
    assert (estimate.running, estimate.waiting) == (4, 12)
    assert estimate.message == (
        "50.0 requests/min arrived over 60 s: 38 completed, in flight 4 -> 16; draining the queue adds 12.0"
    )


def test_drain_time_is_a_policy_and_can_be_left_out() -> None:
    pods = [PodEvidence(history(row(0, done=0), row(60, done=30, running=4, waiting=10)))]
    slow = estimate_demand(pods, 60, DemandPolicy(drain_seconds=120), Memory())
    never = estimate_demand(pods, 60, DemandPolicy(drain_seconds=0), Memory())
    assert rpm(slow) == pytest.approx(44 + 5)
    assert rpm(never) == pytest.approx(44)


def test_the_rates_of_pods_add_up() -> None:
    estimate = estimated(steady(30), steady(12))
    assert rpm(estimate) == pytest.approx(42)
    assert estimate.tokens == TokenMeans(input_tokens=100, output_tokens=200, at=60)


def test_fresh_samples_without_work_are_idle() -> None:
    estimate = estimated(steady(0))
    assert estimate.doubt is None
    assert estimate.idle
    assert estimate.rate == 0


def test_requests_in_flight_are_not_idle_even_when_nothing_arrives() -> None:
    pods = [PodEvidence(history(row(0, done=5, running=2), row(60, done=5, running=2)))]
    known = TokenMeans(input_tokens=10, output_tokens=4000, at=-100)
    estimate = estimate_demand(pods, 60, POLICY, Memory(known))
    assert not estimate.idle
    assert estimate.tokens == known
    assert "tokens per request as last seen 160 s ago" in estimate.message


def test_requests_longer_than_the_window_have_a_rate_by_littles_law() -> None:
    rows = (
        row(0, done=5, running=8, itl=0, itls=0),
        row(60, done=5, running=8, itl=160.0, itls=8000),
    )
    known = TokenMeans(input_tokens=10, output_tokens=6000, at=0)
    estimate = estimate_demand([PodEvidence(history(*rows))], 60, POLICY, Memory(known))
    # 8 in flight all the time, each takes 6000 x 0.02 s = 120 s: 4 per minute.
    assert rpm(estimate) == pytest.approx(4)


def test_a_burst_that_has_not_completed_yet_is_not_multiplied_by_littles_law() -> None:
    rows = (row(0, done=5, itl=1, itls=10), row(60, done=5, running=6, itl=2, itls=60))
    known = TokenMeans(input_tokens=10, output_tokens=50, at=0)
    estimate = estimate_demand([PodEvidence(history(*rows))], 60, POLICY, Memory(known))
    assert rpm(estimate) == pytest.approx(6)


def test_tokens_fall_back_to_the_mean_since_the_pods_started() -> None:
    estimate = estimated(history(row(0, done=5, running=1), row(60, done=5, running=2)))
    assert estimate.tokens is not None
    assert estimate.tokens.output_tokens == 200
    assert "mean since the pods started" in estimate.message


def test_running_requests_of_unknown_length_are_unknown() -> None:
    estimate = estimated(history(row(0, done=0), row(60, done=0, running=3)))
    assert estimate.doubt is Doubt.MISSING
    assert estimate.message == "3 in flight, none completed yet: the tokens per request are not known"


def test_a_new_replica_does_not_count_twice_the_load_that_it_took_over() -> None:
    """30/min all along; from 40 s on a second pod serves half of it."""
    old = history(row(0, done=0), row(40, done=20), row(60, done=25))
    new = history(row(45, done=1), row(60, done=5))
    pods = [PodEvidence(old, born_at=-1000), PodEvidence(new, born_at=35, expected=False)]
    assert rpm(estimate_demand(pods, 60, POLICY, Memory())) == pytest.approx(30)


def test_a_deployment_whose_pods_are_all_new_is_rated_over_its_own_life() -> None:
    pods = [PodEvidence(history(row(35, done=0), row(60, done=10)), born_at=30, expected=False)]
    assert rpm(estimate_demand(pods, 60, POLICY, Memory())) == pytest.approx(10 / 30 * 60)


def test_completions_of_a_pod_deleted_within_the_window_count_until_it_vanished() -> None:
    gone = history(row(0, done=100), row(20, done=110), row(30, done=115))
    pods = [PodEvidence(steady(30)), PodEvidence(gone, exists=False, expected=False)]
    assert rpm(estimate_demand(pods, 60, POLICY, Memory())) == pytest.approx(30 + 15)


def test_a_deleted_pod_of_which_little_is_left_in_the_window_still_counts() -> None:
    """30/min on two pods until 20 s, then on one: the window from 15 s on sees 15/60 of the second's rate."""
    gone = history(row(10, done=100), row(15, done=102.5), row(20, done=105))
    pods = [PodEvidence(steady(15, until=75)), PodEvidence(gone, exists=False, expected=False)]
    assert rpm(estimate_demand(pods, 75, POLICY, Memory())) == pytest.approx(15 + 2.5)


def test_completions_without_token_counts_are_unknown() -> None:
    quiet = {"tokens": 0, "generations": 0, "prompt": 0, "prompts": 0}
    estimate = estimated(history(row(0, done=0, **quiet), row(60, done=9, **quiet)))
    assert estimate.message == "requests complete, but the tokens per request are not known"


def test_an_unread_ready_pod_is_taken_as_the_mean_of_the_others() -> None:
    estimate = estimated(steady(30, running=2), steady(30, running=2), None)
    assert rpm(estimate) == pytest.approx(90)
    assert estimate.running == pytest.approx(6)
    assert "1 of 3 pods taken as the others' mean" in estimate.message


def test_when_most_pods_are_unread_the_load_is_unknown() -> None:
    estimate = estimated(steady(30), None, None)
    assert estimate.doubt is Doubt.STALE
    assert "only 1 of 3 ready pods" in estimate.message


def test_idle_pods_beside_an_unread_one_are_unknown_not_idle() -> None:
    estimate = estimated(steady(0), steady(0), None)
    assert estimate.doubt is Doubt.MISSING


def test_a_pod_that_is_not_ready_yet_is_not_missed() -> None:
    pods = [PodEvidence(steady(30)), PodEvidence(None, expected=False)]
    assert rpm(estimate_demand(pods, 60, POLICY, Memory())) == pytest.approx(30)


def test_stale_samples_are_unknown_with_their_age() -> None:
    estimate = estimated(steady(30), now=120)
    assert estimate.doubt is Doubt.STALE
    assert estimate.message == "the newest sample is 60 s old"
    assert estimate.observed_at == 60


def test_a_slow_scrape_interval_is_not_staleness() -> None:
    assert estimated(steady(30, until=240, every=60), now=290).doubt is None


@pytest.mark.parametrize("value", [UNUSABLE, math.nan])
def test_completions_that_are_not_a_number_are_unknown(value: float) -> None:
    estimate = estimated(history(row(0, done=1), row(30, done=5), row(60, done=value)))
    assert estimate.doubt is not None


def test_nonsense_is_named() -> None:
    estimate = estimated(history(row(0, done=1), row(60, done=UNUSABLE)))
    assert estimate.message == "the pods report NaN or negative numbers"


def test_one_sample_is_not_a_rate() -> None:
    estimate = estimated(history(row(60, done=5000)))
    assert estimate.doubt is Doubt.MISSING
    assert "at least two that span 10 s" in estimate.message


def test_samples_that_span_too_little_are_not_a_rate() -> None:
    assert estimated(history(row(52, done=1), row(60, done=9))).doubt is Doubt.MISSING


def test_less_history_than_the_window_is_used_when_it_is_enough() -> None:
    estimate = estimated(history(row(40, done=1), row(60, done=11)))
    assert rpm(estimate) == pytest.approx(30)
    assert estimate.window_seconds == 20


def test_a_late_scrape_does_not_distort_the_rate() -> None:
    estimate = estimated(history(row(0, done=0), row(5, done=5), row(47, done=47)))
    assert rpm(estimate) == pytest.approx(60)


def test_no_pod_at_all_is_unknown() -> None:
    estimate = estimate_demand([], 60, POLICY, Memory())
    assert estimate.doubt is Doubt.MISSING
    assert estimate.message == "no pod runs, so nothing measures the demand"


def test_why_a_pod_could_not_be_read_is_said() -> None:
    estimate = estimate_demand([PodEvidence(None, error="connection refused")], 60, POLICY, Memory())
    assert estimate.message == "no ready pod has metrics yet: connection refused"


_PODS = st.lists(
    st.lists(st.tuples(st.floats(0, 1e4), st.integers(0, 300), st.integers(0, 300)), min_size=2, max_size=12),
    min_size=1,
    max_size=5,
)


@given(_PODS, st.floats(0, 200))
def test_a_rate_is_never_negative_nor_infinite(pods: list[list[tuple[float, int, int]]], now: float) -> None:
    """Whatever counters do (resets included): a finite rate of at least 0, or doubt."""
    evidence = [
        PodEvidence(
            history(*(row(8.0 * n, done=d, running=r, waiting=w) for n, (d, r, w) in enumerate(rows)))
        )
        for rows in pods
    ]
    estimate = estimate_demand(evidence, now, POLICY, Memory())
    assert estimate.doubt is not None or (estimate.rate >= 0 and math.isfinite(estimate.rate))


@given(st.floats(0.5, 600), st.integers(1, 6))
def test_the_split_over_pods_does_not_matter(rate_rpm: float, pods: int) -> None:
    together = rpm(estimated(steady(rate_rpm)))
    apart = rpm(estimated(*(steady(rate_rpm / pods) for _ in range(pods))))
    assert apart == pytest.approx(together)
