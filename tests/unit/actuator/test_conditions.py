"""Conditions: the right reason, the deciding number, and a transition time that only a transition moves."""

from datetime import timedelta

import pytest

from builders import a_snapshot, a_variant
from inferno_actuator.conditions import (
    ConditionReason,
    ConditionType,
    Verdict,
    merge,
)
from inferno_actuator.decisions import Decision
from inferno_actuator.known import Desired
from inferno_actuator.verdicts import failure_message, verdicts
from inferno_shared.contracts import Outcome, PlanReason, Problem
from unit.actuator.world import NOON, a_held_allocation, a_known, a_plan, a_problem, an_allocation, decided


def verdict(decision: Decision, type_: ConditionType) -> Verdict:
    return next(v for v in verdicts(decision) if v.type is type_)


def left_out(reason: str, message: str) -> Decision:
    snapshot = a_snapshot(variants=[]).model_copy(update={"problems": [a_problem(reason, message)]})
    return decided(snapshot)


def test_a_served_variant_has_three_true_conditions_with_numbers() -> None:
    target, metrics, ready = (v for v in verdicts(decided()) if not v.quiet)
    assert (target.met, target.reason) == (True, ConditionReason.TARGET_FOUND)
    assert target.message.endswith("has 1 replica, 1 ready")
    assert (metrics.met, metrics.reason) == (True, ConditionReason.METRICS_FOUND)
    assert metrics.message == "37.50 requests/min, 0 input and 279 output tokens each (source: test)"
    assert (ready.met, ready.reason) == (True, ConditionReason.OPTIMIZATION_SUCCEEDED)
    assert ready.message == "37.5 requests/min need 3 replicas of 14.31"


def test_an_idle_variant_has_metrics() -> None:
    snapshot = a_snapshot(variants=[a_variant(rate_rpm=0)])
    metrics = verdict(decided(snapshot), ConditionType.METRICS_AVAILABLE)
    assert metrics.met
    assert metrics.message == "Fresh samples, no requests arrive (source: test)"


@pytest.mark.parametrize("reason", ["MetricsMissing", "MetricsStale", "PrometheusError"])
def test_unknown_load_names_the_collectors_problem(reason: str) -> None:
    snapshot = a_snapshot(variants=[a_variant(rate_rpm=None)]).model_copy(
        update={"problems": [a_problem(reason, "no series named so; there are: a, b")]}
    )
    decision = decided(snapshot, a_plan(snapshot, [a_held_allocation()]))
    metrics = verdict(decision, ConditionType.METRICS_AVAILABLE)
    assert (metrics.met, metrics.reason) == (False, reason)
    assert metrics.message == "no series named so; there are: a, b"
    ready = verdict(decision, ConditionType.OPTIMIZATION_READY)
    assert (ready.met, ready.reason) == (False, ConditionReason.METRICS_UNAVAILABLE)
    assert "Held at 1 replica (" in ready.message


def test_unknown_load_without_a_problem_is_missing_metrics() -> None:
    snapshot = a_snapshot(variants=[a_variant(rate_rpm=None)])
    metrics = verdict(decided(snapshot), ConditionType.METRICS_AVAILABLE)
    assert (metrics.met, metrics.reason) == (False, ConditionReason.METRICS_MISSING)
    assert metrics.message == "no series"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (PlanReason.UNKNOWN_LOAD, ConditionReason.METRICS_UNAVAILABLE),
        (PlanReason.INFEASIBLE_SLO, ConditionReason.INFEASIBLE_SLO),
        (PlanReason.INVALID_CONFIGURATION, ConditionReason.INVALID_CONFIGURATION),
    ],
)
def test_a_held_variant_says_what_holds_it(reason: PlanReason, expected: ConditionReason) -> None:
    decision = decided(plan=a_plan(a_snapshot(), [a_held_allocation(reason=reason)]))
    ready = verdict(decision, ConditionType.OPTIMIZATION_READY)
    assert (ready.met, ready.reason) == (False, expected)


@pytest.mark.parametrize("outcome", [Outcome.PARTIAL, Outcome.UNSERVED])
def test_demand_that_does_not_fit_is_insufficient_capacity(outcome: Outcome) -> None:
    allocation = an_allocation(
        outcome=outcome, reason=PlanReason.INSUFFICIENT_CAPACITY, message="needs 6 GPUs, 2 are free"
    )
    ready = verdict(decided(plan=a_plan(a_snapshot(), [allocation])), ConditionType.OPTIMIZATION_READY)
    assert (ready.met, ready.reason) == (False, ConditionReason.INSUFFICIENT_CAPACITY)
    assert ready.message == "needs 6 GPUs, 2 are free"


def test_a_missing_allocation_is_a_failed_optimization() -> None:
    ready = verdict(decided(plan=a_plan(a_snapshot(), [])), ConditionType.OPTIMIZATION_READY)
    assert (ready.met, ready.reason) == (False, ConditionReason.OPTIMIZATION_FAILED)


def test_with_a_missing_target_nothing_passes_for_measured_or_followed() -> None:
    found = verdicts(left_out("TargetNotFound", "no Deployment llm-d-sim/x: create it"))
    assert [(v.type, v.met, v.reason) for v in found] == [
        (ConditionType.TARGET_RESOLVED, False, ConditionReason.TARGET_NOT_FOUND),
        (ConditionType.METRICS_AVAILABLE, False, ConditionReason.METRICS_MISSING),
        (ConditionType.OPTIMIZATION_READY, False, ConditionReason.INVALID_CONFIGURATION),
        (ConditionType.ACTUATED, False, ConditionReason.TARGET_NOT_FOUND),
    ]
    assert found[0].message == "no Deployment llm-d-sim/x: create it"


def test_with_a_broken_configuration_the_load_does_not_pass_for_measured() -> None:
    found = verdicts(left_out("InvalidConfiguration", "no class holds the model"))
    assert [(v.type, v.reason) for v in found] == [
        (ConditionType.METRICS_AVAILABLE, ConditionReason.METRICS_MISSING),
        (ConditionType.OPTIMIZATION_READY, ConditionReason.INVALID_CONFIGURATION),
    ]
    assert "not read until this is mended: no class holds the model" in found[0].message


def test_a_warning_about_a_served_variant_is_told_with_its_success() -> None:
    warning = Problem(
        subject=a_known().subject, reason="AmbiguousClass", message="in two classes, Premium used"
    )
    ready = verdict(decided(plan=a_plan(a_snapshot(), problems=[warning])), ConditionType.OPTIMIZATION_READY)
    assert ready.met
    assert ready.message.endswith("; note: in two classes, Premium used")


@pytest.mark.parametrize(
    ("desired", "exported", "meaning"),
    [
        (Desired("H100", 3), True, "desired stays at 3 replicas on H100; "),
        (
            Desired("H100", 1),
            False,
            "desired stays at 1 replica on H100, not exported",
        ),
        (None, False, "nothing was decided before"),
    ],
)
def test_a_failed_cycle_says_what_it_means_for_the_variant(
    desired: Desired | None, meaning: str, *, exported: bool
) -> None:
    message = failure_message("Stage optimize failed", desired, exported=exported)
    assert message.startswith(f"Stage optimize failed; {meaning}")
    assert message.endswith("the loop tries again by itself")


def test_only_a_change_of_status_moves_the_transition_time() -> None:
    first = merge([], verdicts(decided()), generation=1, now=NOON)
    later = NOON + timedelta(minutes=5)
    second = merge(first, verdicts(decided()), generation=2, now=later)
    assert {c["lastTransitionTime"] for c in second} == {"2025-09-04T12:00:00Z"}
    assert {c["observedGeneration"] for c in second} == {2}
    held = decided(plan=a_plan(a_snapshot(), [a_held_allocation()]))
    third = {c["type"]: c for c in merge(second, verdicts(held), generation=2, now=later)}
    assert third["OptimizationReady"]["status"] == "False"
    assert third["OptimizationReady"]["lastTransitionTime"] == "2025-09-04T12:05:00Z"
    assert third["TargetResolved"]["lastTransitionTime"] == "2025-09-04T12:00:00Z"


def test_conditions_of_others_and_unjudged_ones_stay() -> None:
    foreign = {"type": "Paused", "status": "True", "reason": "x", "message": "y"}
    before = merge([foreign], verdicts(decided()), generation=1, now=NOON)
    after = merge(before, verdicts(left_out("InvalidConfiguration", "broken")), generation=1, now=NOON)
    assert [c["type"] for c in after] == [
        "TargetResolved",
        "MetricsAvailable",
        "OptimizationReady",
        "Paused",
    ]


def test_conditions_that_cannot_be_read_are_replaced() -> None:
    for nonsense in (None, "x", [1, {"status": "True"}]):
        assert len(merge(nonsense, verdicts(decided()), generation=1, now=NOON)) == 3
