"""The HPA's arithmetic, with the numbers of the guide and of Kubernetes' documentation."""

import pytest

from devcluster.controllers.hpa import Decision, Reading, Scale, decide
from devcluster.controllers.hpa_limits import Memory
from unit.devcluster_controllers.hpa_world import SEED_BEHAVIOR, START, an_hpa, decided


def condition(decision: Decision, kind: str) -> tuple[bool, str]:
    found = next(one for one in decision.conditions if one.type == kind)
    return found.holds, found.reason


def average(decision: Decision) -> str:
    value: str = decision.metrics[0]["external"]["current"]["averageValue"]
    return value


def test_a_sum_of_3_with_1_replica_gives_3() -> None:
    decision = decided(3, replicas=1)
    assert (decision.replicas, average(decision)) == (3, "3")


def test_a_sum_of_4_with_3_running_gives_4_and_shows_1334m() -> None:
    decision = decided(4, replicas=3)
    assert (decision.replicas, average(decision)) == (4, "1334m")


def test_10_replicas_ignore_11_because_of_the_tolerance() -> None:
    hpa = an_hpa(behavior=SEED_BEHAVIOR, maximum=20)
    decision = decided(11, replicas=10, hpa=hpa)
    assert (decision.rescale, average(decision)) == (False, "1100m")


def test_9_replicas_follow_10() -> None:
    assert decided(10, replicas=9).replicas == 10


def test_11_replicas_ignore_10() -> None:
    assert not decided(10, replicas=11, hpa=an_hpa(behavior=SEED_BEHAVIOR, maximum=20)).rescale


def test_an_hpa_of_tolerance_zero_follows_11() -> None:
    behavior = {**SEED_BEHAVIOR, "scaleUp": {**SEED_BEHAVIOR["scaleUp"], "tolerance": "0"}}
    assert decided(11, replicas=10, hpa=an_hpa(behavior=behavior, maximum=20)).replicas == 11


def test_a_fractional_sum_is_rounded_up() -> None:
    assert decided(2.2, replicas=1).replicas == 3


def test_a_metric_of_0_keeps_one_replica() -> None:
    decision = decided(0, replicas=4)
    assert (decision.replicas, average(decision)) == (1, "0")
    assert condition(decision, "ScalingLimited") == (True, "TooFewReplicas")


def test_the_maximum_caps() -> None:
    decision = decided(40, replicas=8)
    assert decision.replicas == 10
    assert condition(decision, "ScalingLimited") == (True, "TooManyReplicas")


def test_a_missing_metric_holds_and_says_so() -> None:
    decision = decided(None, replicas=3)
    assert not decision.rescale
    assert decision.keep_desired
    assert decision.metrics == ({"type": ""},)  # kubectl prints <unknown>/1 (avg)
    assert condition(decision, "ScalingActive") == (False, "FailedGetExternalMetric")
    assert [event.reason for event in decision.events] == [
        "FailedGetExternalMetric",
        "FailedComputeMetricsReplicas",
    ]


def test_a_rescale_is_told_as_an_event() -> None:
    event = decided(3, replicas=1).events[0]
    assert (event.type, event.reason) == ("Normal", "SuccessfulRescale")
    assert event.message.startswith("New size: 3; reason: external metric inferno_desired_replicas(")
    assert event.message.endswith("above target")


def test_a_scale_down_is_told_as_kubernetes_words_it() -> None:
    assert decided(1, replicas=3).events[0].message == "New size: 1; reason: All metrics below target"


def test_replicas_above_the_maximum_are_cut_without_asking_the_metric() -> None:
    decision = decided(None, replicas=12)
    assert (decision.replicas, decision.reason) == (10, "Current number of replicas above Spec.MaxReplicas")


def test_a_target_of_zero_replicas_is_left_alone() -> None:
    decision = decided(3, replicas=0)
    assert not decision.rescale
    assert condition(decision, "ScalingActive") == (False, "ScalingDisabled")


def test_a_value_target_scales_the_ready_pods_by_the_ratio() -> None:
    hpa = an_hpa(behavior=SEED_BEHAVIOR, target={"type": "Value", "value": "10"})
    decision = decided(25, replicas=3, ready=2, hpa=hpa)
    assert decision.replicas == 5  # ceil(2.5 * 2 ready)
    assert decision.metrics[0]["external"]["current"] == {"value": "25"}


def test_a_value_target_within_tolerance_does_nothing() -> None:
    hpa = an_hpa(behavior=SEED_BEHAVIOR, target={"type": "Value", "value": "10"})
    assert not decided(10.9, replicas=3, hpa=hpa).rescale


def two_metrics(first: Reading, second: Reading, *, replicas: int) -> Decision:
    seed = an_hpa().raw["spec"]["metrics"][0]
    hpa = an_hpa(behavior=SEED_BEHAVIOR, metrics=[seed, seed])
    return decide(hpa, Scale(replicas, replicas, replicas), [first, second], Memory(), START)


def test_the_highest_of_several_metrics_wins() -> None:
    assert two_metrics(Reading(2000), Reading(5000), replicas=1).replicas == 5


def test_with_one_metric_missing_it_may_scale_up_but_not_down() -> None:
    missing = Reading(None, "gone")
    assert two_metrics(missing, Reading(5000), replicas=2).replicas == 5
    assert not two_metrics(missing, Reading(1000), replicas=2).rescale


def test_a_cpu_metric_is_refused_with_a_reason() -> None:
    hpa = an_hpa(metrics=[{"type": "Resource", "resource": {"name": "cpu"}}])
    decision = decided(1, replicas=2, hpa=hpa)
    assert condition(decision, "ScalingActive") == (False, "InvalidMetricSourceType")


@pytest.mark.parametrize(("current", "expected"), [(1, 4), (3, 6), (5, 10)])
def test_without_behaviour_at_most_double_or_four(current: int, expected: int) -> None:
    decision = decided(50, replicas=current, hpa=an_hpa(maximum=50))
    assert decision.replicas == expected
    assert condition(decision, "ScalingLimited") == (True, "ScaleUpLimit")
