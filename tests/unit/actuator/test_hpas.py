"""Whether an HPA follows the desired replicas: Kubernetes' own arithmetic, by hand."""

from typing import Any

import pytest

from builders import SEED_NAME, SEED_NAMESPACE
from inferno_actuator.actuation.hpas import by_target, follows, of_target
from inferno_actuator.actuation.verdict import Actuation
from inferno_actuator.conditions import ConditionReason
from inferno_actuator.known import Desired, KnownVariant
from inferno_shared.errors import MalformedObjectError
from inferno_shared.kubernetes import ScaleTargetRef
from inferno_shared.kubernetes.autoscalers import HorizontalPodAutoscaler, parse_horizontal_pod_autoscaler
from unit.actuator.cluster_world import documents

KNOWN = KnownVariant(
    namespace=SEED_NAMESPACE, name=SEED_NAME, target=ScaleTargetRef("apps/v1", "Deployment", SEED_NAME)
)


def an_hpa(**spec: Any) -> HorizontalPodAutoscaler:  # noqa: ANN401 - any part of a spec
    """The seed's HPA, with parts of its spec replaced."""
    (raw,) = documents("samples/hpa-integration.yaml")
    raw["spec"] |= spec
    return parse_horizontal_pod_autoscaler(raw)


def external(**changes: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any part of a metric
    (raw,) = documents("samples/hpa-integration.yaml")
    metric = raw["spec"]["metrics"][0]
    metric["external"] |= changes
    return [metric]


def judge(desired: int, current: int, *hpas: HorizontalPodAutoscaler) -> Actuation:
    return follows(KNOWN, Desired("H100", desired), current, of_target(KNOWN, by_target(hpas)))


def test_the_seeds_hpa_follows() -> None:
    found = judge(4, 3, an_hpa())
    assert (found.works, found.reason) == (True, ConditionReason.HPA_FOLLOWS)
    assert found.message.endswith("its target is to go from 3 to 4 replicas")


@pytest.mark.parametrize(
    ("current", "desired", "followed"),
    [
        (9, 10, True),  # 10 / 9 = 1.11 is beyond 1.1
        (10, 11, False),  # 11 / 10 = 1.1 is not
        (10, 9, False),  # .9 is not beyond .9
        (9, 8, True),  # .889
        (10, 12, True),
        (20, 22, False),
        (20, 23, True),
        (10, 10, True),
    ],
)
def test_within_the_tolerance_an_hpa_does_nothing(current: int, desired: int, *, followed: bool) -> None:
    found = judge(desired, current, an_hpa(maxReplicas=50))
    assert found.works is followed
    assert found.reason is (ConditionReason.HPA_FOLLOWS if followed else ConditionReason.HPA_TOLERANCE)


def test_the_gap_is_told_with_its_fix() -> None:
    found = judge(11, 10, an_hpa(maxReplicas=50))
    assert "ignores 10 -> 11: 11/10 = 1.10 is within its tolerance 0.1" in found.message
    assert "spec.behavior.scaleUp.tolerance: 0" in found.message
    assert "inferno.llmd.ai/actuation=direct" in found.message


def test_a_tolerance_of_its_own_counts() -> None:
    exact = an_hpa(maxReplicas=50, behavior={"scaleUp": {"tolerance": "0"}})
    assert judge(11, 10, exact).works
    assert judge(9, 10, exact).reason is ConditionReason.HPA_TOLERANCE
    assert not judge(14, 10, an_hpa(maxReplicas=50, behavior={"scaleUp": {"tolerance": "500m"}})).works


def test_the_bounds_of_the_hpa_count() -> None:
    above = judge(14, 10, an_hpa())
    assert (above.reason, "stops at maxReplicas 10, 14 are desired" in above.message) == (
        ConditionReason.HPA_MAXIMUM,
        True,
    )
    assert judge(0, 1, an_hpa()).reason is ConditionReason.HPA_MINIMUM
    assert judge(0, 1, an_hpa(minReplicas=0)).works


def test_kubernetes_disables_an_hpa_whose_target_is_at_zero() -> None:
    assert judge(2, 0, an_hpa()).reason is ConditionReason.HPA_DISABLED
    assert judge(2, 0, an_hpa(minReplicas=0)).works


def test_without_an_hpa_nobody_acts() -> None:
    found = judge(3, 1)
    assert (found.works, found.reason, found.routine) == (False, ConditionReason.NO_HPA, False)
    assert judge(1, 1).routine, "nothing is to be done: no warning"
    elsewhere = an_hpa(scaleTargetRef={"apiVersion": "apps/v1", "kind": "StatefulSet", "name": SEED_NAME})
    assert judge(3, 1, elsewhere).reason is ConditionReason.NO_HPA


def test_two_hpas_fight() -> None:
    assert judge(3, 1, an_hpa(), an_hpa()).reason is ConditionReason.HPA_CONFLICT


CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ([CPU], "reads cpu, not the external metric inferno_desired_replicas"),
        ([], "reads nothing"),
        (external(metric={"name": "inferno_desired_replicas"}), "sums the series of all variants"),
        (
            external(
                metric={
                    "name": "inferno_desired_replicas",
                    "selector": {"matchLabels": {"variant_name": "other"}},
                }
            ),
            "selects variant_name=other",
        ),
        (external(target={"type": "Value", "value": "1"}), 'has target Value 1; only AverageValue "1"'),
        (external(target={"type": "AverageValue", "averageValue": "10"}), "has target AverageValue 10"),
    ],
)
def test_an_hpa_that_reads_something_else_is_told_so(metrics: list[dict[str, Any]], said: str) -> None:
    found = judge(3, 1, an_hpa(metrics=metrics))
    assert found.reason is ConditionReason.HPA_MISCONFIGURED
    assert said in found.message


def test_an_hpa_of_keda_has_metric_names_of_its_own() -> None:
    (raw,) = documents("samples/hpa-integration.yaml")
    raw["metadata"]["labels"] = {"scaledobject.keda.sh/name": "mine"}
    raw["spec"]["metrics"] = external(metric={"name": "s0-prometheus"})
    assert judge(3, 1, parse_horizontal_pod_autoscaler(raw)).works


def test_an_hpa_that_cannot_be_read_is_named_by_its_field() -> None:
    with pytest.raises(MalformedObjectError, match=r"spec\.behavior\.scaleUp\.tolerance"):
        an_hpa(behavior={"scaleUp": {"tolerance": "much"}})
