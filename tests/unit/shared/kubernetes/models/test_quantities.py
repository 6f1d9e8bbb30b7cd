from decimal import Decimal

import pytest

from inferno_shared.errors import MalformedObjectError
from inferno_shared.kubernetes import parse_node, quantity
from inferno_shared.kubernetes.models.quantities import devices


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("8", 8),
        (8, 8),
        ("500m", Decimal("0.5")),
        ("1334m", Decimal("1.334")),
        ("1Gi", 2**30),
        ("2k", 2000),
        ("1e3", 1000),
        ("1E3", 1000),
        ("2E", 2 * 10**18),
        ("0.5", Decimal("0.5")),
        ("-1", -1),
        ("+3", 3),
    ],
)
def test_a_quantity_is_a_number(written: object, number: Decimal | int) -> None:
    assert quantity(written, "f") == number


@pytest.mark.parametrize("written", ["", "x", "1x", "1 Gi", "Gi", "1iG", None, True, [], "NaN", "Infinity"])
def test_nonsense_is_refused_naming_the_field(written: object) -> None:
    with pytest.raises(MalformedObjectError, match="must be a quantity") as caught:
        quantity(written, "status.allocatable.nvidia.com/gpu")
    assert caught.value.field == "status.allocatable.nvidia.com/gpu"


def test_devices_are_whole_and_not_negative() -> None:
    raw = {"allocatable": {"cpu": "64", "nvidia.com/gpu": "8", "habana.ai/gaudi": "1e0", "pods": "110"}}
    assert devices(raw, "allocatable", "status") == {"nvidia.com/gpu": 8, "habana.ai/gaudi": 1}
    with pytest.raises(MalformedObjectError, match="must not be negative"):
        devices({"allocatable": {"nvidia.com/gpu": "-1"}}, "allocatable", "status")


def test_a_node_is_read() -> None:
    node = parse_node(
        {
            "metadata": {"name": "n", "labels": {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}},
            "spec": {
                "unschedulable": True,
                "taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}],
            },
            "status": {
                "allocatable": {"nvidia.com/gpu": "8", "memory": "1Ti"},
                "conditions": [{"type": "Ready", "status": "True"}],
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            },
        }
    )
    assert (node.metadata.name, node.unschedulable, node.ready) == ("n", True, True)
    assert node.allocatable == {"nvidia.com/gpu": 8}
    assert [(it.key, it.value, it.effect) for it in node.taints] == [("gpu", "yes", "NoSchedule")]
    assert node.addresses == {"InternalIP": "10.0.0.1"}


def test_a_node_without_a_ready_condition_is_not_ready() -> None:
    assert not parse_node({"metadata": {"name": "n"}}).ready
    unknown = {"metadata": {"name": "n"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    assert not parse_node(unknown).ready
