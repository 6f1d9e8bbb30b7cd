"""One decision per variant, whatever the plan says or fails to say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_snapshot, a_variant
from inferno_actuator.decisions import Direction, Doubt, decide
from inferno_actuator.known import Desired
from inferno_shared.contracts import Outcome, PlanReason
from unit.actuator.world import (
    SEED_KEY,
    a_held_allocation,
    a_known,
    a_plan,
    a_problem,
    an_allocation,
    decided,
    persisted,
)


def test_a_served_variant_gets_what_the_plan_says() -> None:
    decision = decided()
    assert decision.desired == Desired("H100", 3)
    assert decision.reason is PlanReason.SLO_BINDS
    assert not decision.held
    assert decision.direction is Direction.UP


def test_a_plan_may_scale_down_on_observed_load() -> None:
    snapshot = a_snapshot(variants=[a_variant(replicas=4, rate_rpm=10)])
    decision = decided(
        snapshot, a_plan(snapshot, [an_allocation(replicas=1)]), known=a_known(status=persisted(4))
    )
    assert decision.desired == Desired("H100", 1)
    assert decision.direction is Direction.DOWN


@pytest.mark.parametrize(("last", "current", "kept"), [(4, 3, 4), (2, 4, 4), (None, 3, 3), (3, 0, 3)])
def test_unknown_load_keeps_the_higher_of_last_desired_and_current(
    last: int | None, current: int, kept: int
) -> None:
    snapshot = a_snapshot(variants=[a_variant(replicas=current, rate_rpm=None)])
    known = a_known(status=persisted(last) if last is not None else None)
    decision = decided(snapshot, a_plan(snapshot, [a_held_allocation()]), known=known)
    assert decision.desired == Desired("H100", kept)
    assert decision.held
    assert decision.message.startswith(f"Held at {kept} replica")


def test_the_memory_of_this_process_wins_over_the_status() -> None:
    snapshot = a_snapshot(variants=[a_variant(rate_rpm=None)])
    before = decided(plan=a_plan(a_snapshot(), [an_allocation(replicas=5)]))
    decision = decided(
        snapshot,
        a_plan(snapshot, [a_held_allocation()]),
        known=a_known(status=persisted(2)),
        before=before,
    )
    assert decision.desired == Desired("H100", 5)


def test_held_replicas_stay_within_the_bounds_that_the_user_set() -> None:
    low = a_snapshot(variants=[a_variant(rate_rpm=None, replicas=8, max_replicas=6)])
    assert decided(low, a_plan(low, [a_held_allocation()])).desired == Desired("H100", 6)
    high = a_snapshot(variants=[a_variant(rate_rpm=None, replicas=0, min_replicas=2)])
    assert decided(high, a_plan(high, [a_held_allocation()])).desired == Desired("H100", 2)


def test_a_variant_missing_from_the_plan_is_held() -> None:
    decision = decided(plan=a_plan(a_snapshot(), []), known=a_known(status=persisted(4)))
    assert decision.desired == Desired("H100", 4)
    assert decision.reason is Doubt.MISSING_FROM_PLAN


@pytest.mark.parametrize(
    ("replicas", "accelerator"), [(-1, "H100"), (0, "H100"), (99, "H100"), (3, "TPU"), (3, None)]
)
def test_an_allocation_that_cannot_be_meant_is_not_followed(replicas: int, accelerator: str | None) -> None:
    snapshot = a_snapshot(variants=[a_variant(replicas=2, max_replicas=10)])
    plan = a_plan(snapshot, [an_allocation(replicas=replicas, accelerator=accelerator)])
    decision = decided(snapshot, plan)
    assert decision.reason is Doubt.INVALID_PLAN
    assert decision.desired == Desired("H100", 2)
    assert decision.allocation is None


def test_zero_replicas_are_fine_when_the_variant_allows_them() -> None:
    snapshot = a_snapshot(variants=[a_variant(min_replicas=0, rate_rpm=0)])
    assert decided(snapshot, a_plan(snapshot, [an_allocation(replicas=0)])).desired == Desired("H100", 0)


def test_variants_of_the_plan_that_its_snapshot_has_not_are_named_and_ignored() -> None:
    snapshot = a_snapshot()
    plan = a_plan(snapshot, [an_allocation(), an_allocation(key=("other", "ghost"))])
    decisions = decide(plan, snapshot, {SEED_KEY: a_known()}, {}, planned_at=0)
    assert decisions.unknown == (("other", "ghost"),)
    assert set(decisions.by_key) == {SEED_KEY}


def test_a_variant_deleted_while_the_plan_was_made_gets_no_decision() -> None:
    snapshot = a_snapshot()
    assert decide(a_plan(snapshot), snapshot, {}, {}, planned_at=0).by_key == {}


def test_without_its_scale_target_a_variant_has_nothing_to_scale() -> None:
    snapshot = a_snapshot(variants=[]).model_copy(update={"problems": [a_problem("TargetNotFound")]})
    decision = decided(snapshot, known=a_known(status=persisted(4)))
    assert decision.desired is None
    assert decision.reason is Doubt.TARGET_NOT_FOUND


@pytest.mark.parametrize(
    "reason", ["InvalidConfiguration", "MetricsMissing", "MetricsStale", "PrometheusError"]
)
def test_a_variant_left_out_of_the_snapshot_keeps_its_last_desired_value(reason: str) -> None:
    snapshot = a_snapshot(variants=[]).model_copy(update={"problems": [a_problem(reason)]})
    decision = decided(snapshot, known=a_known(status=persisted(4)))
    assert decision.desired == Desired("H100", 4)
    assert decision.reason == reason
    assert decision.planned_at is None


def test_a_problem_of_an_unfamiliar_kind_counts_as_invalid_configuration() -> None:
    problems = [a_problem("SomethingNew", "the class is gone")]
    snapshot = a_snapshot(variants=[]).model_copy(update={"problems": problems})
    decision = decided(snapshot)
    assert decision.reason is Doubt.INVALID_CONFIGURATION
    assert "the class is gone" in decision.message


def test_a_variant_left_out_without_a_word_waits_for_the_next_cycle() -> None:
    decision = decided(a_snapshot(variants=[]))
    assert decision.reason is Doubt.NOT_IN_SNAPSHOT
    assert decision.desired is None


def test_the_age_of_a_kept_decision_is_that_of_the_plan_that_made_it() -> None:
    before = decided(planned_at=1_000)
    empty = a_snapshot(variants=[]).model_copy(update={"problems": [a_problem("MetricsMissing")]})
    assert decided(empty, before=before, planned_at=2_000).planned_at == 1_000


def test_a_status_full_of_nonsense_is_no_memory() -> None:
    for nonsense in ("x", {"accelerator": 3, "numReplicas": 1}, {"accelerator": "H100", "numReplicas": "4"}):
        assert a_known(status={"desiredOptimizedAlloc": nonsense}).persisted() is None


@given(
    last=st.none() | st.integers(0, 50),
    current=st.integers(0, 50),
    planned=st.none() | st.integers(-5, 50),
    reason=st.sampled_from(list(PlanReason)),
)
def test_nothing_scales_down_on_doubt(
    last: int | None, current: int, planned: int | None, reason: PlanReason
) -> None:
    """Whatever a held or missing allocation says, neither last desired nor current replicas are undercut."""
    snapshot = a_snapshot(variants=[a_variant(replicas=current, rate_rpm=None)])
    held = [] if planned is None else [an_allocation(replicas=planned, outcome=Outcome.HELD, reason=reason)]
    known = a_known(status=persisted(last) if last is not None else None)
    decision = decided(snapshot, a_plan(snapshot, held), known=known)
    assert decision.desired is not None
    assert decision.desired.replicas >= max(last or 0, current, 1)
