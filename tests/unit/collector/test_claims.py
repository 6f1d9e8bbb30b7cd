from typing import Any

import pytest

from inferno_collector.inventory import take_inventory
from inferno_collector.inventory.claims import (
    Published,
    parse_resource_claim,
    parse_resource_slice,
    published_devices,
)
from inferno_shared.errors import MalformedObjectError
from inferno_shared.kubernetes import parse_node
from unit.collector.worlds import a_node_json

DRIVER = "gpu.nvidia.com"
H100 = "NVIDIA H100 80GB HBM3"


def a_device(name: str, *, kind: str = "gpu", product: str | None = H100, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    attributes: dict[str, Any] = {"type": {"string": kind}, "uuid": {"string": f"GPU-{name}"}}
    if product is not None:
        attributes["productName"] = {"string": product}
    if "profile" in more:
        attributes[f"{DRIVER}/profile"] = {"string": more.pop("profile")}
    return {"name": name, "attributes": attributes, "capacity": {"memory": {"value": "81559Mi"}}, **more}


def a_slice(
    *devices: dict[str, Any],
    pool: str = "n1",
    generation: int = 1,
    slices: int = 1,
    **where: Any,  # noqa: ANN401 - nodeName, allNodes, ...
) -> dict[str, Any]:
    spec = {
        "driver": DRIVER,
        "pool": {"name": pool, "generation": generation, "resourceSliceCount": slices},
        "devices": list(devices),
        **(where or {"nodeName": pool}),
    }
    return {"metadata": {"name": f"{pool}-{generation}-{len(devices)}"}, "spec": spec}


def a_claim(
    *devices: str, pods: tuple[str, ...] = (), pool: str = "n1", admin: bool = False
) -> dict[str, Any]:
    results = [
        {"request": "gpu", "driver": DRIVER, "pool": pool, "device": device, "adminAccess": admin}
        for device in devices
    ]
    users = [{"resource": "pods", "name": pod, "uid": "1"} for pod in pods]
    status = {"allocation": {"devices": {"results": results}}, "reservedFor": users}
    return {"metadata": {"name": "-".join(devices), "namespace": "ns"}, "status": status}


def published(*slices: dict[str, Any], claims: tuple[dict[str, Any], ...] = ()) -> Published:
    return published_devices(
        map(parse_resource_slice, slices), map(parse_resource_claim, claims), {("ns", "ours")}
    )


def counts(found: Published) -> list[tuple[str, str, int, int]]:
    return sorted(
        (node, offer.device, offer.count, found.held[node][offer.resource])
        for node, offers in found.offers.items()
        for offer in offers
    )


NAMED = "NVIDIA-H100-80GB-HBM3"


def test_whole_devices_have_the_name_of_the_vendors_node_label() -> None:
    found = published(a_slice(a_device("gpu-0"), a_device("gpu-1")))
    assert counts(found) == [("n1", NAMED, 2, 0)]
    assert found.offers["n1"][0].memory_mib == 81559
    assert found.problems == []


def test_partitions_that_exist_by_themselves_are_devices_of_their_own() -> None:
    found = published(a_slice(a_device("gpu-0"), a_device("mig-0", kind="mig", profile="1g.10gb")))
    assert counts(found) == [("n1", NAMED, 1, 0), ("n1", f"{NAMED}-MIG-1g.10gb", 1, 0)]


def test_a_claim_holds_its_devices_for_others_unless_our_pod_uses_it() -> None:
    devices = a_slice(*(a_device(f"gpu-{n}") for n in range(4)))
    claims = (
        a_claim("gpu-0", pods=("ours",)),
        a_claim("gpu-1", pods=("theirs",)),
        a_claim("gpu-2"),
        a_claim("gpu-3", pods=("monitor",), admin=True),
    )
    assert counts(published(devices, claims=claims)) == [("n1", NAMED, 4, 2)]


def test_devices_of_our_pods_that_stay_are_told_from_those_of_pods_that_go() -> None:
    devices = parse_resource_slice(a_slice(*(a_device(f"gpu-{n}") for n in range(3))))
    claims = [
        a_claim("gpu-0", pods=("stays",)),
        a_claim("gpu-1", pods=("goes",)),
        a_claim("gpu-2", pods=("x",)),
    ]
    ours = {("ns", "stays"), ("ns", "goes")}
    found = published_devices([devices], map(parse_resource_claim, claims), ours, {("ns", "stays")})
    resource = found.offers["n1"][0].resource
    assert (found.held["n1"][resource], found.staying["n1"][resource]) == (1, 1)


def test_only_the_newest_complete_generation_of_a_pool_counts() -> None:
    old, new = a_slice(a_device("gpu-0"), a_device("gpu-1")), a_slice(a_device("gpu-0"), generation=2)
    assert counts(published(old, new)) == [("n1", NAMED, 1, 0)]
    half = a_slice(a_device("gpu-0"), generation=3, slices=2)
    assert counts(published(old, new, half)) == [("n1", NAMED, 1, 0)]


def test_a_pool_that_was_never_complete_is_reported() -> None:
    found = published(a_slice(a_device("gpu-0"), slices=2))
    assert counts(found) == [("n1", NAMED, 1, 0)]
    assert "has not published all slices of pools (pool n1)" in found.problems[0].message


def test_a_device_that_is_tainted_is_no_unit() -> None:
    tainted = a_device("gpu-1", taints=[{"key": "broken", "effect": "NoSchedule"}])
    assert counts(published(a_slice(a_device("gpu-0"), tainted))) == [("n1", NAMED, 1, 0)]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (a_slice(a_device("a", consumesCounters=[{"counterSet": "x"}])), "whose partitions overlap"),
        (a_slice(a_device("a", allowMultipleAllocations=True)), "that several claims may share"),
        (a_slice(a_device("a"), allNodes=True), "that not just one node has"),
        (a_slice(a_device("a", kind="vfio")), "of type vfio that has no name here"),
        (a_slice(a_device("a", product=None)), "of type gpu that has no name here"),
        (a_slice(a_device("a", kind="mig")), "of type mig that has no name here"),
    ],
)
def test_what_is_no_countable_unit_is_said_and_not_counted(found: dict[str, Any], said: str) -> None:
    result = published(found)
    assert counts(result) == []
    [problem] = result.problems
    assert (problem.subject, problem.reason) == (f"DRA driver {DRIVER}", "DeviceUnknown")
    assert said in problem.message


def test_an_inventory_holds_both_kinds_and_no_device_twice() -> None:
    nodes = [
        parse_node(a_node_json("n1", allocatable={"cpu": "8"})),
        parse_node(a_node_json("n2", allocatable={"nvidia.com/gpu": "8"})),
    ]
    found = published(
        a_slice(a_device("gpu-0"), a_device("gpu-1")),
        a_slice(a_device("gpu-0"), pool="n2"),
        claims=(a_claim("gpu-1", pods=("theirs",)),),
    )
    inventory = take_inventory(nodes, [], (), published=found)
    assert [(n.node, n.device, n.allocatable, n.unmanaged) for n in inventory.nodes] == [
        ("n1", NAMED, 2, 1),
        ("n2", NAMED, 8, 0),
    ]
    assert [(p.subject, p.reason) for p in inventory.problems] == [("Node n2", "DeviceTwice")]


def test_devices_of_a_closed_node_count_nothing() -> None:
    node = parse_node(a_node_json("n1", allocatable={"cpu": "8"}, unschedulable=True))
    inventory = take_inventory([node], [], (), published=published(a_slice(a_device("gpu-0"))))
    assert [n.allocatable for n in inventory.nodes] == [0]
    assert [p.reason for p in inventory.problems] == ["NodeUnschedulable"]


@pytest.mark.parametrize("broken", [{"driver": 7}, {"pool": {"name": ""}}, {"devices": [{"name": None}]}])
def test_a_malformed_slice_names_its_field(broken: dict[str, Any]) -> None:
    raw = a_slice(a_device("a"))
    raw["spec"] |= broken
    with pytest.raises(MalformedObjectError, match="spec"):
        parse_resource_slice(raw)
