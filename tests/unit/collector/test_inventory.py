from typing import Any

import pytest

from builders import H100_DEVICE
from inferno_collector.inventory import Inventory, take_inventory
from inferno_collector.inventory.placement import Toleration, parse_placed_pod
from inferno_shared.kubernetes import parse_node
from unit.collector.worlds import a_node_json, a_pod_json


def taken(
    *nodes: dict[str, Any],
    pods: tuple[dict[str, Any], ...] = (),
    managed: tuple[str, ...] = (),
    tolerations: dict[str, tuple[Toleration, ...]] | None = None,
) -> Inventory:
    return take_inventory(
        map(parse_node, nodes),
        map(parse_placed_pod, pods),
        {("llm-d-sim", name) for name in managed},
        tolerations,
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


@pytest.mark.parametrize(
    ("node", "allocatable"),
    [
        (a_node_json(unschedulable=True), 2),
        (a_node_json(taints=["maintenance=:NoSchedule"]), 2),
        (a_node_json(ready=False), 1),
        (a_node_json(), 8),
    ],
)
def test_what_our_pods_hold_on_a_node_that_takes_no_others_still_counts(
    node: dict[str, Any], allocatable: int
) -> None:
    """A drain must not look like capacity that was never there; a lost node is lost with its dead pods."""
    going = a_pod_json("going")
    going["metadata"]["deletionTimestamp"] = "2025-09-04T18:37:23Z"
    pods = (a_pod_json("serving"), a_pod_json("starting", ready_at=None), going)
    inventory = taken(
        node, pods=pods, managed=("serving", "starting", "going"), tolerations={"llm-d-sim/v": ()}
    )
    assert counts(inventory) == [("n1", H100_DEVICE, allocatable, 0)]


def test_what_others_hold_on_a_closed_node_is_neither_capacity_nor_taken_from_it() -> None:
    pods = (
        a_pod_json("mine", gpus={"nvidia.com/gpu": "3"}),
        a_pod_json("theirs", gpus={"nvidia.com/gpu": "2"}),
    )
    inventory = taken(a_node_json(unschedulable=True), pods=pods, managed=("mine",))
    assert counts(inventory) == [("n1", H100_DEVICE, 3, 0)]
    assert inventory.problems[0].message == (
        "is cordoned (unschedulable): only what our pods hold there is counted"
    )


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


def test_a_device_without_a_name_is_reported_never_guessed() -> None:
    inventory = taken(a_node_json(labels={}))
    assert inventory.nodes == []
    assert inventory.problems[0].reason == "DeviceUnknown"
    assert "no label nvidia.com/gpu.product" in inventory.problems[0].message


def test_overcommitted_units_never_make_capacity_negative() -> None:
    pods = (a_pod_json("theirs", gpus={"nvidia.com/gpu": "12"}),)
    assert counts(taken(a_node_json(), pods=pods)) == [("n1", H100_DEVICE, 8, 8)]


def test_a_pending_pod_holds_units_from_the_moment_that_it_has_a_node() -> None:
    bound = a_pod_json("bound", phase="Pending", ready_at=None)
    nominated = a_pod_json("nominated", node=None, phase="Pending", ready_at=None)
    nominated["status"]["nominatedNodeName"] = "n1"
    going = a_pod_json("going")
    going["metadata"]["deletionTimestamp"] = "2025-09-04T18:37:23Z"
    assert counts(taken(a_node_json(), pods=(bound, nominated, going)))[0][3] == 3


def test_a_pod_on_a_node_that_is_gone_holds_nothing_elsewhere() -> None:
    assert counts(taken(a_node_json(), pods=(a_pod_json("lost", node="gone"),)))[0][3] == 0


def test_the_same_finding_on_many_nodes_is_one_problem() -> None:
    nodes = [a_node_json(f"n{n:02}", unschedulable=True) for n in range(20)]
    [problem] = taken(*nodes).problems
    assert problem.subject == "Nodes n00, n01, n02, n03, n04 and 15 more"


GPU_TAINT = "nvidia.com/gpu=present:NoSchedule"
TOLERANT = (Toleration(key="nvidia.com/gpu", operator="Exists", effect="NoSchedule"),)


def test_a_taint_that_no_variants_pods_tolerate_is_no_capacity() -> None:
    inventory = taken(a_node_json(taints=[GPU_TAINT]), tolerations={"ns/a": (), "ns/b": ()})
    assert counts(inventory) == [("n1", H100_DEVICE, 0, 0)]
    [problem] = inventory.problems
    assert (problem.subject, problem.reason) == ("Node n1", "NodeTainted")
    assert GPU_TAINT in problem.message


def test_a_taint_that_all_tolerate_is_no_news() -> None:
    inventory = taken(a_node_json(taints=[GPU_TAINT]), tolerations={"ns/a": TOLERANT})
    assert (counts(inventory), inventory.problems) == ([("n1", H100_DEVICE, 8, 0)], [])


def test_a_taint_that_some_tolerate_counts_and_the_others_are_named() -> None:
    nodes = [a_node_json(name, taints=[GPU_TAINT]) for name in ("n1", "n2")]
    inventory = taken(*nodes, tolerations={"ns/a": TOLERANT, "ns/b": (), "ns/c": ()})
    assert [entry[2] for entry in counts(inventory)] == [8, 8]
    [problem] = inventory.problems
    assert (problem.subject, problem.reason) == (f"Taint {GPU_TAINT}", "TaintNotToleratedByAll")
    assert "nodes n1, n2" in problem.message
    assert "variants ns/b, ns/c" in problem.message


def test_without_variants_taints_are_not_judged() -> None:
    assert counts(taken(a_node_json(taints=[GPU_TAINT]))) == [("n1", H100_DEVICE, 8, 0)]


@pytest.mark.parametrize("taint", ["soft=x:PreferNoSchedule", "node.kubernetes.io/disk-pressure:NoSchedule"])
def test_taints_that_do_not_keep_pods_away_for_good_are_not_judged(taint: str) -> None:
    inventory = taken(a_node_json(taints=[taint]), tolerations={"ns/a": ()})
    assert (counts(inventory)[0][2], inventory.problems) == (8, [])


def test_a_tainted_node_without_accelerators_is_no_news() -> None:
    node = a_node_json(allocatable={"cpu": "4"}, taints=["node-role.kubernetes.io/control-plane:NoSchedule"])
    assert taken(node, tolerations={"ns/a": ()}).problems == []


def test_slices_and_whole_devices_of_one_node_are_different_devices() -> None:
    node = a_node_json(
        allocatable={"nvidia.com/gpu": "6", "nvidia.com/mig-1g.10gb": "7"},
        labels={"nvidia.com/gpu.product": "P", "nvidia.com/mig-1g.10gb.product": "P-MIG-1g.10gb"},
    )
    pods = (a_pod_json("theirs", gpus={"nvidia.com/mig-1g.10gb": "3"}),)
    assert counts(taken(node, pods=pods)) == [("n1", "P", 6, 0), ("n1", "P-MIG-1g.10gb", 7, 3)]


def test_shares_of_one_device_that_differ_in_size_are_reported() -> None:
    def shared(name: str, replicas: int) -> dict[str, Any]:
        labels = {"nvidia.com/gpu.product": "P-SHARED", "nvidia.com/gpu.replicas": str(replicas)}
        return a_node_json(name, allocatable={"nvidia.com/gpu": str(replicas)}, labels=labels)

    inventory = taken(shared("a", 4), shared("b", 10), shared("c", 4))
    assert [entry[2] for entry in counts(inventory)] == [4, 10, 4]
    [problem] = inventory.problems
    assert (problem.subject, problem.reason) == ("Device P-SHARED", "SharesDiffer")
    assert "1/4 on nodes a, c; 1/10 on node b" in problem.message
