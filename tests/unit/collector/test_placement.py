import pytest

from inferno_collector.inventory.placement import (
    Toleration,
    blocking_taints,
    shown,
    tolerated,
)
from inferno_collector.workloads import parse_workload
from inferno_shared.errors import MalformedObjectError
from inferno_shared.kubernetes import Taint, parse_node
from unit.collector.worlds import a_deployment_json, a_node_json

TAINT = Taint("gpu", "h100", "NoSchedule")


@pytest.mark.parametrize(
    ("toleration", "tolerates"),
    [
        (Toleration("gpu", value="h100"), True),
        (Toleration("gpu", value="h100", effect="NoSchedule"), True),
        (Toleration("gpu", value="h100", effect="NoExecute"), False),
        (Toleration("gpu", value="a100"), False),
        (Toleration("gpu"), False),
        (Toleration("gpu", "Exists"), True),
        (Toleration("other", "Exists"), False),
        (Toleration(operator="Exists"), True),
        (Toleration(operator="Exists", effect="NoExecute"), False),
        (Toleration(value="h100"), False),
        (Toleration("gpu", "Lt", "9"), False),
    ],
)
def test_tolerations_mean_what_kubernetes_means(toleration: Toleration, tolerates: bool) -> None:  # noqa: FBT001
    assert tolerated([TAINT], (toleration,)) is tolerates


def test_every_taint_must_be_tolerated() -> None:
    tolerations = (Toleration("gpu", "Exists"),)
    assert tolerated([], ())
    assert not tolerated([TAINT, Taint("team", "x", "NoExecute")], tolerations)


def test_tolerations_of_a_deployments_pods_are_read() -> None:
    raw = a_deployment_json(tolerations=[{"key": "gpu", "operator": "Exists"}, {"key": "a", "value": "b"}])
    assert parse_workload(raw).tolerations == (Toleration("gpu", "Exists"), Toleration("a", "Equal", "b"))
    assert parse_workload(a_deployment_json()).tolerations == ()


def test_a_malformed_toleration_names_its_field() -> None:
    with pytest.raises(MalformedObjectError, match=r"spec\.template\.spec\.tolerations\[0\]\.key"):
        parse_workload(a_deployment_json(tolerations=[{"key": 7}]))


def test_taints_are_shown_as_kubectl_writes_them() -> None:
    node = parse_node(a_node_json(taints=["gpu=h100:NoSchedule", "alone:NoExecute", "soft:PreferNoSchedule"]))
    assert [shown(taint) for taint in blocking_taints(node)] == ["gpu=h100:NoSchedule", "alone:NoExecute"]
