import pytest

from builders import H100_DEVICE, a_node, a_snapshot
from inferno_optimizer.whatif.capacity import change_capacity
from inferno_optimizer.whatif.changes import ChangeError
from inferno_shared.contracts import CapacityChange, NodeInventory

NODES = [a_node("n1"), a_node("n2"), a_node("n3", unmanaged=6)]


def changed(nodes: list[NodeInventory], **change: object) -> dict[str, int]:
    edited = change_capacity(a_snapshot(inventory=nodes), CapacityChange.model_validate(change))
    return {node.node: node.allocatable for node in edited.inventory}


def test_a_node_gains_or_loses_units() -> None:
    assert changed(NODES, node="n2", change=-8) == {"n1": 8, "n2": 0, "n3": 8}
    assert changed(NODES, node="n2", change=4) == {"n1": 8, "n2": 12, "n3": 8}


def test_added_units_of_a_device_come_as_nodes_like_the_largest() -> None:
    assert changed(NODES, device=H100_DEVICE, change=20) == {
        "n1": 8,
        "n2": 8,
        "n3": 8,
        f"what-if-{H100_DEVICE}-1": 8,
        f"what-if-{H100_DEVICE}-2": 8,
        f"what-if-{H100_DEVICE}-3": 4,
    }


def test_a_device_without_nodes_gets_nodes_of_eight() -> None:
    added = changed([], device=H100_DEVICE, change=9)
    assert added == {f"what-if-{H100_DEVICE}-1": 8, f"what-if-{H100_DEVICE}-2": 1}


def test_adding_twice_makes_further_nodes() -> None:
    snapshot = a_snapshot(inventory=[])
    change = CapacityChange(device=H100_DEVICE, change=8)
    edited = change_capacity(change_capacity(snapshot, change), change)
    assert len({node.node for node in edited.inventory}) == 2


def test_units_are_taken_from_the_last_node_and_never_from_unmanaged_pods() -> None:
    assert changed(NODES, device=H100_DEVICE, change=-10) == {"n1": 8, "n2": 0, "n3": 6}


def test_other_devices_are_left_alone() -> None:
    nodes = [a_node("n1"), a_node("n9", device="Intel-Gaudi-2-96GB")]
    assert changed(nodes, device=H100_DEVICE, change=-8) == {"n1": 0, "n9": 8}


def test_more_than_there_is_cannot_be_taken() -> None:
    with pytest.raises(ChangeError, match=r"18 units of .* can be taken, fewer than 19"):
        changed(NODES, device=H100_DEVICE, change=-19)
    with pytest.raises(ChangeError, match="node n1 has 8 units, fewer than are taken"):
        changed(NODES, node="n1", change=-9)


def test_a_node_of_two_devices_needs_the_device() -> None:
    nodes = [a_node("n1"), a_node("n1", device="Intel-Gaudi-2-96GB")]
    with pytest.raises(ChangeError, match="say which one"):
        changed(nodes, node="n1", change=1)
    edited = change_capacity(
        a_snapshot(inventory=nodes), CapacityChange(node="n1", device=H100_DEVICE, change=-2)
    )
    assert [node.allocatable for node in edited.inventory] == [6, 8]
