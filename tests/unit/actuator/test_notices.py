"""Events: once when a problem begins, once when it ends, and for each change of what is desired."""

from builders import a_snapshot, a_variant
from inferno_actuator.conditions import merge
from inferno_actuator.notices import NoticeType, change_notices, condition_notices
from inferno_actuator.verdicts import failure_verdict, verdicts
from inferno_shared.contracts import PlanReason
from unit.actuator.world import NOON, a_held_allocation, a_known, a_plan, an_allocation, decided, persisted


def test_the_first_success_is_silent() -> None:
    assert condition_notices(None, verdicts(decided())) == ()


def test_a_problem_is_told_when_it_begins_not_while_it_lasts() -> None:
    verdict = failure_verdict("the optimizer is down")
    (notice,) = condition_notices([], [verdict])
    assert (notice.type, notice.reason) == (NoticeType.WARNING, "OptimizationFailed")
    lasting = merge([], [verdict], generation=1, now=NOON)
    assert condition_notices(lasting, [failure_verdict("still down, attempt 2")]) == ()


def test_another_problem_is_another_event() -> None:
    failed = merge([], [failure_verdict("down")], generation=1, now=NOON)
    held = decided(plan=a_plan(a_snapshot(), [a_held_allocation()]))
    reasons = [notice.reason for notice in condition_notices(failed, verdicts(held))]
    assert reasons == ["MetricsUnavailable"]


def test_what_only_follows_from_missing_metrics_is_not_told_again() -> None:
    blind = a_snapshot(variants=[a_variant(rate_rpm=None)])
    unmeasured = verdicts(decided(blind, a_plan(blind, [a_held_allocation()])))
    reasons = [notice.reason for notice in condition_notices([], unmeasured)]
    assert reasons == ["MetricsMissing"]
    lasting = merge([], unmeasured, generation=1, now=NOON)
    assert [n.reason for n in condition_notices(lasting, verdicts(decided()))] == ["MetricsFound"]


def test_a_new_problem_is_told_although_another_one_ended() -> None:
    blind = a_snapshot(variants=[a_variant(rate_rpm=None)])
    unmeasured = verdicts(decided(blind, a_plan(blind, [a_held_allocation()])))
    lasting = merge([], unmeasured, generation=1, now=NOON)
    hopeless = a_held_allocation(reason=PlanReason.INFEASIBLE_SLO)
    found = verdicts(decided(plan=a_plan(a_snapshot(), [hopeless])))
    assert [n.reason for n in condition_notices(lasting, found)] == ["MetricsFound", "InfeasibleSLO"]


def test_recovery_names_what_it_recovered_from() -> None:
    failed = merge([], [failure_verdict("down")], generation=1, now=NOON)
    (notice,) = condition_notices(failed, verdicts(decided()))
    assert (notice.type, notice.reason) == (NoticeType.NORMAL, "OptimizationSucceeded")
    assert notice.message.startswith("Recovered from OptimizationFailed: ")


def test_a_change_of_desired_replicas_is_told_with_its_reason() -> None:
    (up,) = change_notices(decided())
    assert up.message == "Desired replicas 1 -> 3 on H100: 37.5 requests/min need 3 replicas of 14.31"
    (down,) = change_notices(decided(known=a_known(status=persisted(5))))
    assert (down.reason, down.message[:23]) == ("ScaleDown", "Desired replicas 5 -> 3")
    assert change_notices(decided(known=a_known(status=persisted(3)))) == ()


def test_another_accelerator_is_told_even_with_the_same_count() -> None:
    known = a_known(status=persisted(3, "A100"))
    (notice,) = change_notices(decided(plan=a_plan(a_snapshot(), [an_allocation()]), known=known))
    assert notice.reason == "AcceleratorChanged"
    assert notice.message.startswith("Accelerator A100 -> H100: ")
