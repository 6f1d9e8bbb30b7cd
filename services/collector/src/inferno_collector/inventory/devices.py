"""Names what a node offers: whole accelerators, MIG slices, shares of one device; or says why it cannot.

What the vendor's labels say is the device; a slice or a share is another device than the whole one, with a
price and a profile of its own. Nothing is derived that no label states.

    resource                      labels                                             device
    nvidia.com/gpu                nvidia.com/gpu.product=P                           P
    nvidia.com/gpu                  P ends in -SHARED, nvidia.com/gpu.replicas=4     P (a quarter)
    nvidia.com/gpu.shared           P, replicas=4                                    P-SHARED (a quarter)
    nvidia.com/mig-1g.10gb        nvidia.com/mig-1g.10gb.product=P-MIG-1g.10gb       P-MIG-1g.10gb
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from inferno_shared.kubernetes import Node

_MEBIBYTES: Final = {"M": 1, "Mi": 1, "": 1, "G": 1024, "Gi": 1024}
_MEMORY: Final = re.compile(r"(\d+)\s*(Mi|Gi|M|G|)B?", re.IGNORECASE)

_NVIDIA: Final = re.compile(r"(?P<base>nvidia\.com/(?:gpu|mig-[0-9a-z.]+?))(?P<shared>\.shared)?")
_SHARED_SUFFIX: Final = "-SHARED"
_SHARING: Final = frozenset({"time-slicing", "mps"})
_NOT_PARTITIONED: Final = "-MIG-INVALID"

# Accelerators that we know to be some, and cannot name.
_STRANGE: Final = (
    "nvidia.com/",
    "amd.com/",
    "habana.ai/",
    "gpu.intel.com/",
    "google.com/tpu",
    "aws.amazon.com/neuron",
    "huawei.com/Ascend",
)


@dataclass(frozen=True, slots=True)
class _Vendor:
    """How a vendor labels whole devices; of several labels the first one that a node has counts."""

    products: tuple[str, ...]
    memories: tuple[str, ...]


_VENDORS: Final[Mapping[str, _Vendor]] = {
    "amd.com/gpu": _Vendor(
        ("amd.com/gpu.product", "amd.com/gpu.product-name", "beta.amd.com/gpu.product-name"),
        ("amd.com/gpu.memory", "amd.com/gpu.vram", "beta.amd.com/gpu.vram"),
    ),
    "habana.ai/gaudi": _Vendor(("habana.ai/gaudi.product",), ("habana.ai/gaudi.memory",)),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """Units of one device that a node offers under an extended resource.

    `sharers`: pods that share one physical device; None for whole devices and slices.
    """

    resource: str
    device: str
    count: int
    memory_mib: int | None = None
    sharers: int | None = None


@dataclass(frozen=True, slots=True)
class Riddle:
    """Units that cannot be named, and so are not counted; `why` is a sentence about the node."""

    resource: str
    why: str


def offers_of(node: Node) -> Iterator[Offer | Riddle]:
    """What the node offers, by resource. A resource of which it has none is no riddle."""
    for resource, count in sorted(node.allocatable.items()):
        found = _offer(node, resource, count)
        if isinstance(found, Offer) or (found is not None and count):
            yield found


def device_of(node: Node, requests: Mapping[str, int]) -> str | None:
    """The device that a pod with `requests` has on the node; None when there is none or several.

    A pod that requests none of the node's resources (it has a claim instead) has what the node has.
    """
    offers = [offer for offer in offers_of(node) if isinstance(offer, Offer) and offer.count]
    held = [offer for offer in offers if requests.get(offer.resource)]
    devices = {offer.device for offer in held or offers}
    return devices.pop() if len(devices) == 1 else None


def _offer(node: Node, resource: str, count: int) -> Offer | Riddle | None:
    nvidia = _NVIDIA.fullmatch(resource)
    if nvidia is not None:
        return _nvidia(node, resource, count, nvidia["base"])
    vendor = _VENDORS.get(resource)
    if vendor is None:
        strange = resource.startswith(_STRANGE)
        why = f"offers {count} {resource}, which is not understood and not counted"
        return Riddle(resource, why) if strange else None
    device = _label(node, vendor.products)
    if device is None:
        return _unnamed(resource, count, vendor.products[0])
    return Offer(resource, device, count, _memory_mib(_label(node, vendor.memories)))


def _nvidia(node: Node, resource: str, count: int, base: str) -> Offer | Riddle:
    labels = node.metadata.labels
    product = labels.get(f"{base}.product")
    if not product:
        return _unnamed(resource, count, f"{base}.product")
    if product.endswith(_NOT_PARTITIONED):
        return Riddle(resource, f"offers {count} {resource} with an invalid MIG layout: not counted")
    memory_mib = _memory_mib(labels.get(f"{base}.memory"))
    replicas = labels.get(f"{base}.replicas", "")
    sharers = int(replicas) if replicas.isdecimal() and int(replicas) > 1 else None
    renamed = f"{base}.shared"
    shared = (
        resource == renamed
        or product.endswith(_SHARED_SUFFIX)
        # Under a renamed resource the shares have that name, and this resource's units are whole.
        or (labels.get(f"{base}.sharing-strategy") in _SHARING and not node.allocatable.get(renamed))
    )
    if not shared:
        return Offer(resource, product, count, memory_mib)
    if sharers is None:
        return Riddle(
            resource,
            f"offers {count} {resource} of shared devices, but label {base}.replicas does not say how many "
            "share one, so they are not counted: update GPU feature discovery",
        )
    device = product if product.endswith(_SHARED_SUFFIX) else product + _SHARED_SUFFIX
    return Offer(resource, device, count, memory_mib, sharers)


def _unnamed(resource: str, count: int, label: str) -> Riddle:
    return Riddle(
        resource,
        f"has {count} {resource} but no label {label}, so they are not counted: label the node, or install "
        "the vendor's feature discovery",
    )


def _label(node: Node, names: Iterable[str]) -> str | None:
    return next((value for name in names if (value := node.metadata.labels.get(name))), None)


def _memory_mib(text: str | None) -> int | None:
    """Memory of one device: NVIDIA labels MiB ("81559"), AMD GiB with a unit ("192G")."""
    found = _MEMORY.fullmatch(text) if text else None
    if found is None:
        return None
    return int(found[1]) * _MEBIBYTES[(found[2] or "").capitalize()]
