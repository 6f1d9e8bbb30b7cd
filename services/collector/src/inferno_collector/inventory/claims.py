"""Devices of dynamic resource allocation (DRA): ResourceSlices say what there is, ResourceClaims who has it.

Only what is one countable unit is counted: a whole device, or a partition that exists by itself, on one node.
Overlapping partitions, devices that several claims may share, and pools that many nodes reach are reported as
not understood.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from inferno_collector.inventory.devices import Offer
from inferno_collector.inventory.gate import listed
from inferno_collector.reasons import Reason
from inferno_collector.samples import PodKey
from inferno_shared.contracts import Problem
from inferno_shared.kubernetes import Metadata, Resource, parse_metadata, quantity
from inferno_shared.kubernetes.models.fields import (
    JsonObject,
    entries,
    flag,
    optional_text,
    section,
    text,
    whole,
)

RESOURCE_SLICES: Final = Resource(
    "resource.k8s.io", "v1", "resourceslices", "ResourceSlice", namespaced=False
)
RESOURCE_CLAIMS: Final = Resource("resource.k8s.io", "v1", "resourceclaims", "ResourceClaim")

_WHOLE: Final = frozenset({"gpu", "amdgpu"})
_PARTITION: Final = "mig"
_KEEPS_AWAY: Final = frozenset({"NoSchedule", "NoExecute"})
_MEBIBYTE: Final = 2**20


class DeviceId(NamedTuple):
    """Unique in the cluster."""

    driver: str
    pool: str
    name: str


@dataclass(frozen=True, slots=True)
class SliceDevice:
    """A device; `kind` and `product` as its driver words them. `obstacle`: why it is no countable unit."""

    name: str
    kind: str | None
    product: str | None
    profile: str | None
    memory_mib: int | None
    obstacle: str | None
    closed: bool


@dataclass(frozen=True, slots=True)
class ResourceSlice:
    """Devices of one pool, or a part of them; `node` is None when not just one node has them."""

    metadata: Metadata
    driver: str
    pool: str
    generation: int
    slices_in_pool: int
    node: str | None
    devices: tuple[SliceDevice, ...]


@dataclass(frozen=True, slots=True)
class ResourceClaim:
    """The devices that a claim has been given, and the pods that use it."""

    metadata: Metadata
    devices: tuple[DeviceId, ...]
    pods: tuple[PodKey, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """What is offered beside the nodes' extended resources, by node.

    `held` are the units that others have, `staying` those of our pods that stay where they are; both by node
    and resource.
    """

    offers: Mapping[str, Sequence[Offer]] = field(default_factory=dict)
    held: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    staying: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    problems: Sequence[Problem] = ()


def parse_resource_slice(raw: dict[str, Any]) -> ResourceSlice:
    """Read a ResourceSlice. Raises MalformedObjectError."""
    spec = section(raw, "spec", "")
    pool = section(spec, "pool", "spec")
    return ResourceSlice(
        metadata=parse_metadata(raw),
        driver=text(spec, "driver", "spec"),
        pool=text(pool, "name", "spec.pool"),
        generation=whole(pool, "generation", "spec.pool"),
        slices_in_pool=whole(pool, "resourceSliceCount", "spec.pool", default=1),
        node=optional_text(spec, "nodeName", "spec"),
        devices=tuple(
            _parse_device(device, f"spec.devices[{index}]")
            for index, device in enumerate(entries(spec, "devices", "spec"))
        ),
    )


def parse_resource_claim(raw: dict[str, Any]) -> ResourceClaim:
    """Read a ResourceClaim. Raises MalformedObjectError."""
    metadata, status = parse_metadata(raw), section(raw, "status", "")
    at = "status.allocation.devices"
    results = entries(section(section(status, "allocation", "status"), "devices", at), "results", at)
    return ResourceClaim(
        metadata=metadata,
        devices=tuple(
            DeviceId(text(result, "driver", at), text(result, "pool", at), text(result, "device", at))
            for result in results
            if not flag(result, "adminAccess", at)  # looks on, and holds nothing
        ),
        pods=tuple(
            (metadata.namespace, text(user, "name", "status.reservedFor"))
            for user in entries(status, "reservedFor", "status")
            if user.get("resource") == "pods"
        ),
    )


def published_devices(
    slices: Iterable[ResourceSlice],
    claims: Iterable[ResourceClaim],
    managed: Collection[PodKey],
    staying: Collection[PodKey] = (),
) -> Published:
    """Countable devices by node. A device is held by others unless a pod of `managed` uses its claim.

    `staying` are the pods of `managed` that stay where they are, whatever becomes of their node.
    """
    theirs: set[DeviceId] = set()
    ours: set[DeviceId] = set()
    for claim in claims:
        if not any(pod in managed for pod in claim.pods):
            theirs.update(claim.devices)
        elif any(pod in staying for pod in claim.pods):
            ours.update(claim.devices)
    found: dict[tuple[str, str, str], list[tuple[SliceDevice, DeviceId]]] = defaultdict(list)
    riddles: dict[tuple[str, str], list[str]] = defaultdict(list)
    for resource_slice in _current(slices, riddles):
        driver, node = resource_slice.driver, resource_slice.node
        for device in resource_slice.devices:
            why = _why_not_counted(resource_slice, device)
            if why is not None or node is None:
                riddles[driver, f"offers devices {why}"].append(resource_slice.pool)
            else:
                identity = DeviceId(driver, resource_slice.pool, device.name)
                found[node, driver, _device_name(device) or ""].append((device, identity))
    offers: dict[str, list[Offer]] = defaultdict(list)
    held: dict[str, dict[str, int]] = defaultdict(dict)
    stay: dict[str, dict[str, int]] = defaultdict(dict)
    for (node, driver, name), devices in found.items():
        usable = [identity for device, identity in devices if not device.closed]
        resource = f"{driver}/{name}"
        offers[node].append(Offer(resource, name, len(usable), devices[0][0].memory_mib))
        held[node][resource] = sum(identity in theirs for identity in usable)
        stay[node][resource] = sum(identity in ours for identity in usable)
    return Published(offers, held, stay, [*_problems(riddles)])


def _current(
    slices: Iterable[ResourceSlice], riddles: dict[tuple[str, str], list[str]]
) -> Iterator[ResourceSlice]:
    """The slices of each pool's newest complete generation: older ones describe what was.

    While a driver replaces a pool the newest generation is not complete; the one before stands until it is.
    """
    pools: dict[tuple[str, str], dict[int, list[ResourceSlice]]] = defaultdict(lambda: defaultdict(list))
    for resource_slice in slices:
        pools[resource_slice.driver, resource_slice.pool][resource_slice.generation].append(resource_slice)
    for (driver, pool), generations in sorted(pools.items()):
        complete = [n for n, found in generations.items() if len(found) >= found[0].slices_in_pool]
        if not complete:
            riddles[driver, "has not published all slices of pools"].append(pool)
        yield from generations[max(complete or generations)]


def _why_not_counted(resource_slice: ResourceSlice, device: SliceDevice) -> str | None:
    if resource_slice.node is None:
        return "that not just one node has"
    if device.obstacle or _device_name(device):
        return device.obstacle
    return f"of type {device.kind or 'unknown'} that has no name here"


def _problems(riddles: Mapping[tuple[str, str], Sequence[str]]) -> Iterator[Problem]:
    for (driver, what), pools in sorted(riddles.items()):
        names = sorted(set(pools))
        yield Problem(
            subject=f"DRA driver {driver}",
            reason=Reason.DEVICE_UNKNOWN,
            message=f"{what} ({listed('pool', names)}): not understood and not counted"
            if what.startswith("offers")
            else f"{what} ({listed('pool', names)}): what is there counts",
        )


def _device_name(device: SliceDevice) -> str | None:
    """The name that the vendor's node label would have: the product, spaces as hyphens; a slice says so."""
    if not device.product:
        return None
    product = device.product.replace(" ", "-")
    if device.kind in _WHOLE:
        return product
    if device.kind == _PARTITION and device.profile:
        return f"{product}-MIG-{device.profile}"
    return None


def _parse_device(raw: JsonObject, at: str) -> SliceDevice:
    attributes = section(raw, "attributes", at)
    memory = section(section(raw, "capacity", at), "memory", f"{at}.capacity").get("value")
    taints = entries(raw, "taints", at)
    return SliceDevice(
        name=text(raw, "name", at),
        kind=_attribute(attributes, "type"),
        product=_attribute(attributes, "productName"),
        profile=_attribute(attributes, "profile"),
        memory_mib=None if memory is None else int(quantity(memory, f"{at}.capacity.memory") / _MEBIBYTE),
        obstacle=_obstacle(raw, at),
        closed=any(taint.get("effect") in _KEEPS_AWAY for taint in taints),
    )


def _obstacle(raw: JsonObject, at: str) -> str | None:
    if entries(raw, "consumesCounters", at):
        return "whose partitions overlap"
    if flag(raw, "allowMultipleAllocations", at):
        return "that several claims may share"
    return None


def _attribute(attributes: JsonObject, name: str) -> str | None:
    """A text attribute, with or without the driver's domain before its name."""
    for key, value in attributes.items():
        if (
            key.rpartition("/")[2] == name
            and isinstance(value, dict)
            and isinstance(value.get("string"), str)
        ):
            return str(value["string"])
    return None
