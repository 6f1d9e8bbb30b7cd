"""What a change of capacity does to the nodes of a snapshot.

Devices live on nodes, and a replica must fit on one; so added units come as whole nodes, and units are taken
from nodes one after the other.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from inferno_optimizer.whatif.changes import ChangeError, require_known
from inferno_shared.contracts import CapacityChange, NodeInventory, Snapshot

USUAL_NODE: Final = 8
"""Units of a new node when no node has the device yet."""


def change_capacity(snapshot: Snapshot, change: CapacityChange) -> Snapshot:
    """Units more or fewer.

    Example: 16 more of a device whose largest node has 8 are two new nodes of 8; 10 fewer of four nodes of 8
    leave the last one by name empty and 6 on the one before.
    """
    if change.node is not None:
        return _with(snapshot, list(_node_changed(snapshot.inventory, change)))
    device = change.device or ""
    known = {a.device for a in snapshot.accelerators} | {n.device for n in snapshot.inventory}
    require_known("device", device, known)
    if change.change >= 0:
        return _with(snapshot, [*snapshot.inventory, *_new_nodes(snapshot.inventory, device, change.change)])
    return _with(snapshot, _taken(snapshot.inventory, device, -change.change))


def _with(snapshot: Snapshot, inventory: Sequence[NodeInventory]) -> Snapshot:
    return snapshot.model_copy(update={"inventory": list(inventory)})


def _node_changed(inventory: Sequence[NodeInventory], change: CapacityChange) -> Iterator[NodeInventory]:
    require_known("node", change.node, (n.node for n in inventory))
    there = [n for n in inventory if n.node == change.node]
    require_known("device", change.device, (n.device for n in there))
    meant = [n for n in there if change.device in (None, n.device)]
    if len(meant) > 1:
        devices = ", ".join(sorted(n.device for n in meant))
        raise ChangeError("device", f"node {change.node} has {devices}: say which one")
    [node] = meant
    if node.allocatable + change.change < 0:
        raise ChangeError("change", f"node {node.node} has {node.allocatable} units, fewer than are taken")
    for entry in inventory:
        yield _plus(entry, change.change) if entry is node else entry


def _plus(node: NodeInventory, units: int) -> NodeInventory:
    return node.model_copy(update={"allocatable": node.allocatable + units})


def _new_nodes(inventory: Sequence[NodeInventory], device: str, units: int) -> Iterator[NodeInventory]:
    having = [n for n in inventory if n.device == device]
    memory_mib = next((n.memory_mib for n in having if n.memory_mib is not None), None)
    size = max((n.allocatable for n in having), default=0) or USUAL_NODE
    taken = {n.node for n in inventory}
    number = 0
    while units > 0:
        number += 1
        name = f"what-if-{device}-{number}"[-253:]
        if name not in taken:
            share = min(size, units)
            yield NodeInventory(node=name, device=device, allocatable=share, memory_mib=memory_mib)
            units -= share


def _taken(inventory: Sequence[NodeInventory], device: str, units: int) -> list[NodeInventory]:
    usable = {n.node: max(0, n.allocatable - n.unmanaged) for n in inventory if n.device == device}
    if sum(usable.values()) < units:
        raise ChangeError(
            "change", f"{sum(usable.values())} units of {device} can be taken, fewer than {units}"
        )
    fewer: dict[str, int] = {}
    for node in sorted(usable, reverse=True):
        fewer[node] = min(usable[node], units)
        units -= fewer[node]
    return [_plus(n, -fewer[n.node]) if n.device == device else n for n in inventory]
