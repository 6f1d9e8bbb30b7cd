import pytest

from inferno_collector.inventory.devices import Offer, Riddle, device_of, offers_of
from inferno_shared.kubernetes import Node, parse_node
from unit.collector.worlds import a_node_json

GPU = "nvidia.com/gpu"
SHARED = "nvidia.com/gpu.shared"
MIG = "nvidia.com/mig-1g.10gb"
PRODUCT = "NVIDIA-A100-SXM4-80GB"


def a_node(allocatable: dict[str, str], **labels: str) -> Node:
    """Labels by their last part, for the resource that comes first."""
    first = next(iter(allocatable)).removesuffix(".shared")
    named = {f"{first}.{key.replace('_', '-')}": value for key, value in labels.items()}
    return parse_node(a_node_json(allocatable=allocatable, labels=named))


def named(node: Node) -> list[tuple[str, str, int, int | None]]:
    return [(o.resource, o.device, o.count, o.sharers) for o in offers_of(node) if isinstance(o, Offer)]


def riddles(node: Node) -> list[str]:
    return [found.why for found in offers_of(node) if isinstance(found, Riddle)]


@pytest.mark.parametrize(
    ("node", "device", "sharers"),
    [
        (a_node({GPU: "8"}, product=PRODUCT), PRODUCT, None),
        (a_node({GPU: "8"}, product=PRODUCT, replicas="1", sharing_strategy="none"), PRODUCT, None),
        (a_node({GPU: "7"}, product=f"{PRODUCT}-MIG-1g.10gb"), f"{PRODUCT}-MIG-1g.10gb", None),
        (a_node({MIG: "7"}, product=f"{PRODUCT}-MIG-1g.10gb"), f"{PRODUCT}-MIG-1g.10gb", None),
        (a_node({GPU: "8"}, product=f"{PRODUCT}-SHARED", replicas="4"), f"{PRODUCT}-SHARED", 4),
        (a_node({SHARED: "8"}, product=PRODUCT, replicas="4"), f"{PRODUCT}-SHARED", 4),
        (
            a_node({GPU: "8"}, product=PRODUCT, replicas="4", sharing_strategy="time-slicing"),
            f"{PRODUCT}-SHARED",
            4,
        ),
        (a_node({GPU: "8"}, product=PRODUCT, replicas="2", sharing_strategy="mps"), f"{PRODUCT}-SHARED", 2),
        (
            a_node({f"{MIG}.shared": "14"}, product=f"{PRODUCT}-MIG-1g.10gb", replicas="2"),
            f"{PRODUCT}-MIG-1g.10gb-SHARED",
            2,
        ),
    ],
)
def test_units_are_counted_as_what_they_are(node: Node, device: str, sharers: int | None) -> None:
    [(resource, found, count, among)] = named(node)
    assert (found, among) == (device, sharers)
    assert count == node.allocatable[resource]
    assert riddles(node) == []


def test_whole_devices_beside_renamed_shares_stay_whole() -> None:
    node = a_node({GPU: "2", SHARED: "8"}, product=PRODUCT, replicas="4", sharing_strategy="time-slicing")
    assert named(node) == [(GPU, PRODUCT, 2, None), (SHARED, f"{PRODUCT}-SHARED", 8, 4)]


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (a_node({GPU: "8"}), "no label nvidia.com/gpu.product"),
        (a_node({MIG: "7"}), "no label nvidia.com/mig-1g.10gb.product"),
        (a_node({SHARED: "8"}, product=PRODUCT), "label nvidia.com/gpu.replicas does not say"),
        (a_node({GPU: "8"}, product=f"{PRODUCT}-SHARED", replicas="0"), "does not say how many share one"),
        (a_node({GPU: "8"}, product=f"{PRODUCT}-MIG-INVALID"), "invalid MIG layout"),
        (a_node({"nvidia.com/sharedgpu": "3"}), "not understood"),
        (a_node({"amd.com/cpx_nps4": "8"}), "offers 8 amd.com/cpx_nps4, which is not understood"),
        (a_node({"gpu.intel.com/xe": "2"}), "not understood"),
        (a_node({"google.com/tpu": "4"}), "not understood"),
        (a_node({"amd.com/gpu": "4"}), "no label amd.com/gpu.product"),
    ],
)
def test_what_cannot_be_named_is_said_and_not_counted(node: Node, said: str) -> None:
    assert named(node) == []
    [why] = riddles(node)
    assert said in why


def test_resources_that_are_no_accelerators_and_counts_of_nothing_are_no_news() -> None:
    node = a_node({"rdma/hca": "8", MIG: "0", "nvidia.com/sharedgpu": "0"})
    assert (named(node), riddles(node)) == ([], [])


def test_the_device_of_a_pod_is_the_one_that_it_requests() -> None:
    labels = {f"{GPU}.product": "P", f"{MIG}.product": "P-MIG"}
    node = parse_node(a_node_json(allocatable={GPU: "2", MIG: "7"}, labels=labels))
    assert device_of(node, {MIG: 1}) == "P-MIG"
    assert device_of(node, {GPU: 1}) == "P"
    assert device_of(node, {GPU: 1, MIG: 1}) is None
    assert device_of(node, {}) is None
    assert device_of(a_node({GPU: "8"}, product="P"), {}) == "P"
