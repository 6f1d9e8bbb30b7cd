"""Nodes: whether pods can be scheduled there, and how many devices they may request."""

from collections.abc import Mapping
from dataclasses import dataclass

from inferno_shared.kubernetes.models.fields import (
    JsonObject,
    entries,
    flag,
    optional_text,
    section,
    text,
)
from inferno_shared.kubernetes.models.metadata import Metadata, parse_metadata
from inferno_shared.kubernetes.models.quantities import devices


@dataclass(frozen=True, slots=True)
class Taint:
    """Keeps pods without a matching toleration away."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class Node:
    """A node; `allocatable` holds extended resources only, such as {"nvidia.com/gpu": 8}."""

    metadata: Metadata
    unschedulable: bool
    ready: bool
    taints: tuple[Taint, ...]
    allocatable: Mapping[str, int]
    addresses: Mapping[str, str]


def parse_node(raw: JsonObject) -> Node:
    """Read a Node. Raises MalformedObjectError."""
    spec, status = section(raw, "spec", ""), section(raw, "status", "")
    return Node(
        metadata=parse_metadata(raw),
        unschedulable=flag(spec, "unschedulable", "spec"),
        ready=any(
            condition.get("type") == "Ready" and condition.get("status") == "True"
            for condition in entries(status, "conditions", "status")
        ),
        taints=tuple(
            Taint(
                key=text(taint, "key", f"spec.taints[{index}]"),
                value=optional_text(taint, "value", f"spec.taints[{index}]") or "",
                effect=text(taint, "effect", f"spec.taints[{index}]"),
            )
            for index, taint in enumerate(entries(spec, "taints", "spec"))
        ),
        allocatable=devices(status, "allocatable", "status"),
        addresses={
            text(address, "type", f"status.addresses[{index}]"): text(
                address, "address", f"status.addresses[{index}]"
            )
            for index, address in enumerate(entries(status, "addresses", "status"))
        },
    )
