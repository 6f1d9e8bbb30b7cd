"""Where pods go, and what is said when they go nowhere."""

from collections import Counter

import pytest

from devcluster.kubelet.scheduling import devices_in_use, place
from inferno_shared.kubernetes import Node
from unit.devcluster_kubelet.kubelet_world import a_node, a_pod

FOUR_NODES = [a_node(f"gpu-node-{index}") for index in range(4)]
TAINT = {"key": "dedicated", "value": "batch", "effect": "NoSchedule"}


def test_the_emptiest_node_is_chosen_then_the_first_by_name() -> None:
    used = {"gpu-node-0": {"nvidia.com/gpu": 2}, "gpu-node-1": {"nvidia.com/gpu": 1}}
    assert place(a_pod(node=None), FOUR_NODES, used).node == "gpu-node-2"


def test_a_pod_of_8_gpus_needs_a_whole_node() -> None:
    used = {f"gpu-node-{index}": {"nvidia.com/gpu": 1} for index in range(3)}
    assert place(a_pod(node=None, gpus=8), FOUR_NODES, used).node == "gpu-node-3"


def test_a_full_cluster_is_told_in_kubernetes_words() -> None:
    used = {node.metadata.name: {"nvidia.com/gpu": 8} for node in FOUR_NODES}
    placement = place(a_pod(node=None), FOUR_NODES, used)
    assert placement.node is None
    assert placement.message == (
        "0/4 nodes are available: 4 Insufficient nvidia.com/gpu. preemption: 0/4 nodes are available: "
        "4 No preemption victims found for incoming pod."
    )


def test_each_reason_is_counted() -> None:
    nodes = [
        a_node("a", unschedulable=True),
        a_node("b", taints=[TAINT]),
        a_node("c", gpus=0),
        a_node("d", gpus=0),
    ]
    assert place(a_pod(node=None), nodes, {}).message.startswith(
        "0/4 nodes are available: 1 node(s) had untolerated taint {dedicated: batch}, "
        "1 node(s) were unschedulable, 2 Insufficient nvidia.com/gpu. "
    )


def test_without_nodes_nothing_can_be_scheduled() -> None:
    assert place(a_pod(node=None), [], {}).message == "no nodes available to schedule pods"


@pytest.mark.parametrize(
    "toleration",
    [
        {"key": "dedicated", "operator": "Equal", "value": "batch", "effect": "NoSchedule"},
        {"key": "dedicated", "operator": "Exists"},
        {"operator": "Exists"},
    ],
)
def test_a_toleration_lets_a_pod_onto_a_tainted_node(toleration: dict[str, str]) -> None:
    assert place(a_pod(node=None, tolerations=[toleration]), [a_node(taints=[TAINT])], {}).node


def test_a_toleration_of_another_value_does_not() -> None:
    toleration = {"key": "dedicated", "value": "other", "effect": "NoSchedule"}
    assert not place(a_pod(node=None, tolerations=[toleration]), [a_node(taints=[TAINT])], {}).node


def test_a_soft_taint_keeps_nobody_away() -> None:
    soft = {**TAINT, "effect": "PreferNoSchedule"}
    assert place(a_pod(node=None), [a_node(taints=[soft])], {}).node


def test_a_node_selector_must_match() -> None:
    selector = {"nvidia.com/gpu.product": "NVIDIA-A100-PCIE-80GB"}
    placement = place(a_pod(node=None, nodeSelector=selector), FOUR_NODES, {})
    assert "4 node(s) didn't match Pod's node affinity/selector" in placement.message


@pytest.mark.parametrize(
    ("operator", "values", "fits"),
    [
        ("In", ["NVIDIA-H100-80GB-HBM3"], True),
        ("NotIn", ["NVIDIA-H100-80GB-HBM3"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
    ],
)
def test_a_required_affinity_must_hold(operator: str, values: list[str], fits: bool) -> None:  # noqa: FBT001 - a case
    expression = {"key": "nvidia.com/gpu.product", "operator": operator, "values": values}
    affinity = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [expression]}]
            }
        }
    }
    assert bool(place(a_pod(node=None, affinity=affinity), FOUR_NODES, {}).node) is fits


def test_a_node_that_is_not_ready_gets_nothing() -> None:
    node = a_node()
    unready = Node(
        metadata=node.metadata,
        unschedulable=False,
        ready=False,
        taints=(),
        allocatable=node.allocatable,
        addresses={},
    )
    assert "1 node(s) were not ready" in place(a_pod(node=None), [unready], {}).message


def test_terminating_pods_and_fresh_bindings_hold_their_devices_and_finished_ones_do_not() -> None:
    terminating = a_pod("a", metadata={"deletionTimestamp": "2025-09-04T18:00:00Z"}, gpus=2)
    finished = a_pod("b", status={"phase": "Failed"})
    just_bound = a_pod("c", node=None)
    used = devices_in_use([terminating, finished, just_bound], {"uid-c": "gpu-node-1"})
    assert used == {
        "gpu-node-0": Counter({"nvidia.com/gpu": 2}),
        "gpu-node-1": Counter({"nvidia.com/gpu": 1}),
    }
