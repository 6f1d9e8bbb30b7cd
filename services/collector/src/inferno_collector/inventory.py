"""Counts accelerators by node: what pods may request there, less what pods of others hold.

A node whose devices cannot be named is reported and left out: capacity is never guessed. A node that takes no
pods now (cordoned, not ready, being deleted) counts 0 and is reported.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from inferno_collector.samples import PodKey
from inferno_shared.contracts import NodeInventory, Problem
from inferno_shared.kubernetes import Node, Pod

_MEBIBYTES: Final = {"M": 1, "Mi": 1, "": 1, "G": 1024, "Gi": 1024}
_MEMORY: Final = re.compile(r"(\d+)\s*(Mi|Gi|M|G|)B?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Vendor:
    """How a vendor names devices; of several labels the first one that a node has counts."""

    resource: str
    product_labels: tuple[str, ...]
    memory_labels: tuple[str, ...]

    @property
    def domain(self) -> str:
        return self.resource.partition("/")[0] + "/"


_VENDORS: Final = (
    _Vendor("nvidia.com/gpu", ("nvidia.com/gpu.product",), ("nvidia.com/gpu.memory",)),
    _Vendor(
        "amd.com/gpu",
        ("amd.com/gpu.product", "amd.com/gpu.product-name", "beta.amd.com/gpu.product-name"),
        ("amd.com/gpu.memory", "amd.com/gpu.vram", "beta.amd.com/gpu.vram"),
    ),
    _Vendor("habana.ai/gaudi", ("habana.ai/gaudi.product",), ("habana.ai/gaudi.memory",)),
)


@dataclass(frozen=True, slots=True)
class Inventory:
    """Accelerators of the cluster, ordered by node and device."""

    nodes: Sequence[NodeInventory]
    problems: Sequence[Problem]


def take_inventory(nodes: Iterable[Node], pods: Iterable[Pod], managed: Collection[PodKey]) -> Inventory:
    """Inventory of `nodes`; units requested by `pods` that are not in `managed` count as unmanaged.

    Example: a node with 8 allocatable H100 and one foreign pod that requests 2 of them: allocatable 8,
    unmanaged 2. Pods that have finished hold nothing.
    """
    held = _held_by_others(pods, managed)
    inventory: list[NodeInventory] = []
    problems: list[Problem] = []
    for node in sorted(nodes, key=lambda node: node.metadata.name):
        name = node.metadata.name
        closed = _why_closed(node)
        entries = list(_entries(node, held.get(name, {}), problems, closed=closed is not None))
        inventory.extend(entries)
        if closed and entries:
            reason, why = closed
            message = f"{why}: its accelerators are not counted"
            problems.append(Problem(subject=f"Node {name}", reason=reason, message=message))
    return Inventory(inventory, problems)


def device_of(node: Node) -> str | None:
    """The device label of a node with accelerators of one kind; None when there is none or several."""
    devices = {
        device
        for vendor in _VENDORS
        if node.allocatable.get(vendor.resource) and (device := _label(node, vendor.product_labels))
    }
    return devices.pop() if len(devices) == 1 else None


def _entries(
    node: Node, held: Mapping[str, int], problems: list[Problem], *, closed: bool
) -> Iterable[NodeInventory]:
    for vendor in _VENDORS:
        _report_unknown_resources(node, vendor, problems)
        if vendor.resource not in node.allocatable:
            continue
        device = _label(node, vendor.product_labels)
        if device is None:
            message = (
                f"has {node.allocatable[vendor.resource]} {vendor.resource} but no label "
                f"{vendor.product_labels[0]}, so they are not counted: label the node, or install the "
                "vendor's feature discovery"
            )
            subject = f"Node {node.metadata.name}"
            problems.append(Problem(subject=subject, reason="DeviceUnknown", message=message))
            continue
        allocatable = 0 if closed else node.allocatable[vendor.resource]
        yield NodeInventory(
            node=node.metadata.name,
            device=device,
            allocatable=allocatable,
            unmanaged=min(held.get(vendor.resource, 0), allocatable),
            memory_mib=_memory_mib(_label(node, vendor.memory_labels)),
        )


def _report_unknown_resources(node: Node, vendor: _Vendor, problems: list[Problem]) -> None:
    """MIG slices, shared GPUs and the like: not understood yet, so said and not counted."""
    for resource, count in sorted(node.allocatable.items()):
        if count and resource.startswith(vendor.domain) and resource != vendor.resource:
            message = f"offers {count} {resource}, which is not understood and not counted"
            subject = f"Node {node.metadata.name}"
            problems.append(Problem(subject=subject, reason="DeviceUnknown", message=message))


def _held_by_others(pods: Iterable[Pod], managed: Collection[PodKey]) -> Mapping[str, Mapping[str, int]]:
    """Units by node and resource that pods outside `managed` hold."""
    held: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for pod in pods:
        if not pod.requests or pod.node_name is None or pod.terminal or pod.metadata.key in managed:
            continue
        for resource, count in pod.requests.items():
            held[pod.node_name][resource] += count
    return held


def _why_closed(node: Node) -> tuple[str, str] | None:
    if node.metadata.deleting:
        return "NodeDeleting", "is being deleted"
    if node.unschedulable:
        return "NodeUnschedulable", "is cordoned (unschedulable)"
    if not node.ready:
        return "NodeNotReady", "is not ready"
    return None


def _label(node: Node, names: Iterable[str]) -> str | None:
    return next((value for name in names if (value := node.metadata.labels.get(name))), None)


def _memory_mib(text: str | None) -> int | None:
    """Memory of one device: NVIDIA labels MiB ("81559"), AMD GiB with a unit ("192G")."""
    found = _MEMORY.fullmatch(text) if text else None
    if found is None:
        return None
    return int(found[1]) * _MEBIBYTES[(found[2] or "").capitalize()]
