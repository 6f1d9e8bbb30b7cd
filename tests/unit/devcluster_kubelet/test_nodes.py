"""Nodes, addresses and the words of the command line."""

import socket

import pytest

from devcluster.kubelet.addresses import LoopbackAddresses
from devcluster.kubelet.nodes import NodePool, node_object, node_status, parse_pool, taints_to_keep
from devcluster.kubelet.options import emulator_variables, node_pools
from inferno_shared.errors import ConfigurationError
from unit.devcluster_kubelet.kubelet_world import H100, START, a_node


def test_a_node_of_h100_carries_the_labels_of_nvidias_plugin() -> None:
    node = a_node()
    assert node.allocatable == {"nvidia.com/gpu": 8}
    assert node.metadata.labels["nvidia.com/gpu.product"] == H100
    assert node.metadata.labels["nvidia.com/gpu.memory"] == "81559"
    assert node.ready


@pytest.mark.parametrize(
    ("device", "resource", "label"),
    [
        ("AMD-MI300X-192GB", "amd.com/gpu", "amd.com/gpu.product-name"),
        ("Intel-Gaudi-2-96GB", "habana.ai/gaudi", "habana.ai/gaudi.product"),
        ("NVIDIA-L40S", "nvidia.com/gpu", "nvidia.com/gpu.product"),
    ],
)
def test_each_vendor_has_its_resource_and_label(device: str, resource: str, label: str) -> None:
    pool = NodePool(1, 4, device)
    node = node_object("n", pool)
    status = node_status(node, pool, address="127.0.0.1", kubelet_port=1, now=START)
    assert node["metadata"]["labels"][label] == device
    assert status["allocatable"][resource] == "4"


def test_an_adopted_node_keeps_its_resources() -> None:
    node = {"status": {"capacity": {"nvidia.com/gpu": "2"}, "allocatable": {"nvidia.com/gpu": "1"}}}
    status = node_status(node, None, address="127.0.0.1", kubelet_port=1, now=START)
    assert status["allocatable"] == {"nvidia.com/gpu": "1"}
    assert status["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 1}}


def test_the_taint_of_admission_is_removed_and_others_stay() -> None:
    other = {"key": "dedicated", "effect": "NoSchedule"}
    admission = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    assert taints_to_keep({"spec": {"taints": [admission, other]}}) == [other]
    assert taints_to_keep({"spec": {"taints": [other]}}) is None


def test_pools_are_read_from_the_command_line() -> None:
    assert node_pools(2, 8, H100, ["1x4:AMD-MI300X-192GB"]) == (
        NodePool(2, 8, H100),
        NodePool(1, 4, "AMD-MI300X-192GB"),
    )
    with pytest.raises(ConfigurationError, match="NODESxGPUS:DEVICE"):
        parse_pool("8 H100")


def test_only_the_emulators_variables_are_accepted() -> None:
    assert emulator_variables(["VLLME_ALPHA_MS=7.77"]) == {"VLLME_ALPHA_MS": "7.77"}
    with pytest.raises(ConfigurationError, match="VLLME_NAME=VALUE"):
        emulator_variables(["ALPHA=1"])


def test_pods_get_different_addresses_that_nobody_else_uses() -> None:
    addresses = LoopbackAddresses("127.99", start=0)
    first = addresses.take(18200)
    if first.moved:
        pytest.skip("this machine has only 127.0.0.1")
    with socket.create_server(("127.99.0.2", 18200)):
        assert (first.ip, addresses.take(18200).ip) == ("127.99.0.1", "127.99.0.3")


def test_where_only_one_loopback_address_exists_the_port_moves() -> None:
    taken = LoopbackAddresses("203.0", start=0).take(8200)  # a network that this machine does not have
    assert (taken.ip, taken.moved) == ("127.0.0.1", True)
    assert taken.port not in {0, 8200}
