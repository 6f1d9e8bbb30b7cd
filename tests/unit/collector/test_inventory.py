from typing import Any

import pytest

from builders import H100_DEVICE
from inferno_collector.inventory import Inventory, device_of, take_inventory
from inferno_shared.kubernetes import parse_node, parse_pod
from unit.collector.worlds import a_node_json, a_pod_json


def taken(
    *nodes: dict[str, Any], pods: tuple[dict[str, Any], ...] = (), managed: tuple[str, ...] = ()
) -> Inventory:
    return take_inventory(
        map(parse_node, nodes), map(parse_pod, pods), {("llm-d-sim", name) for name in managed}
    )


def counts(inventory: Inventory) -> list[tuple[str, str, int, int]]:
    return [(n.node, n.device, n.allocatable, n.unmanaged) for n in inventory.nodes]


def test_the_seeds_nodes_have_eight_h100_each() -> None:
    inventory = taken(a_node_json("b"), a_node_json("a"))
    assert counts(inventory) == [("a", H100_DEVICE, 8, 0), ("b", H100_DEVICE, 8, 0)]
    assert inventory.nodes[0].memory_mib == 81559
    assert inventory.problems == []


def test_units_of_pods_that_no_variant_manages_are_unmanaged() -> None:
    pods = (a_pod_json("mine"), a_pod_json("theirs", gpus={"nvidia.com/gpu": "2"}))
    assert counts(taken(a_node_json(), pods=pods, managed=("mine",))) == [("n1", H100_DEVICE, 8, 2)]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_finished_pods_hold_nothing(phase: str) -> None:
    assert counts(taken(a_node_json(), pods=(a_pod_json("done", phase=phase),)))[0][3] == 0


def test_pods_without_a_node_or_a_device_hold_nothing() -> None:
    pods = (a_pod_json("pending", node=None, phase="Pending"), a_pod_json("web", gpus={}))
    assert counts(taken(a_node_json(), pods=pods))[0][3] == 0


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (a_node_json(unschedulable=True), "NodeUnschedulable"),
        (a_node_json(ready=False), "NodeNotReady"),
    ],
)
def test_a_node_that_takes_no_pods_counts_nothing_and_is_reported(node: dict[str, Any], reason: str) -> None:
    inventory = taken(node, pods=(a_pod_json("theirs"),))
    assert counts(inventory) == [("n1", H100_DEVICE, 0, 0)]
    assert [(p.subject, p.reason) for p in inventory.problems] == [("Node n1", reason)]


def test_a_closed_node_without_accelerators_is_no_news() -> None:
    assert taken(a_node_json(allocatable={"cpu": "4"}, unschedulable=True)).problems == []


def test_a_deleting_node_counts_nothing() -> None:
    node = a_node_json()
    node["metadata"]["deletionTimestamp"] = "2025-09-04T18:37:23Z"
    assert taken(node).problems[0].reason == "NodeDeleting"


def test_other_vendors_are_read_by_their_own_labels() -> None:
    amd = a_node_json(
        "amd",
        allocatable={"amd.com/gpu": "8"},
        labels={"amd.com/gpu.product-name": "AMD-MI300X-192GB", "amd.com/gpu.vram": "192G"},
    )
    gaudi = a_node_json(
        "gaudi",
        allocatable={"habana.ai/gaudi": "8"},
        labels={"habana.ai/gaudi.product": "Intel-Gaudi-2-96GB"},
    )
    inventory = taken(amd, gaudi)
    assert counts(inventory) == [("amd", "AMD-MI300X-192GB", 8, 0), ("gaudi", "Intel-Gaudi-2-96GB", 8, 0)]
    assert [n.memory_mib for n in inventory.nodes] == [192 * 1024, None]


def test_a_mixed_node_has_an_entry_per_device() -> None:
    node = a_node_json(
        allocatable={"nvidia.com/gpu": "4", "habana.ai/gaudi": "2"},
        labels={"nvidia.com/gpu.product": "A", "habana.ai/gaudi.product": "B"},
    )
    pods = (a_pod_json("theirs", gpus={"habana.ai/gaudi": "1"}),)
    assert counts(taken(node, pods=pods)) == [("n1", "A", 4, 0), ("n1", "B", 2, 1)]
    assert device_of(parse_node(node)) is None


def test_a_device_without_a_name_is_reported_never_guessed() -> None:
    inventory = taken(a_node_json(labels={}))
    assert inventory.nodes == []
    assert inventory.problems[0].reason == "DeviceUnknown"
    assert "no label nvidia.com/gpu.product" in inventory.problems[0].message


def test_slices_are_reported_as_not_understood() -> None:
    node = a_node_json(allocatable={"nvidia.com/gpu": "6", "nvidia.com/mig-1g.10gb": "7"})
    inventory = taken(node)
    assert counts(inventory) == [("n1", H100_DEVICE, 6, 0)]
    assert "offers 7 nvidia.com/mig-1g.10gb" in inventory.problems[0].message


def test_overcommitted_units_never_make_capacity_negative() -> None:
    pods = (a_pod_json("theirs", gpus={"nvidia.com/gpu": "12"}),)
    assert counts(taken(a_node_json(), pods=pods)) == [("n1", H100_DEVICE, 8, 8)]
