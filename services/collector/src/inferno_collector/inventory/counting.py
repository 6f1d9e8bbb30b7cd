"""Counts accelerators by node: what our pods may request there, less what pods of others hold.

Devices that cannot be named are reported and left out: capacity is never guessed. A node that takes none of
our pods now is reported (which nodes these are, `gate.py` decides) and counts what our pods there go on
holding: no room for another pod, but no reason to give up one that serves. On a cordoned, tainted or leaving
node that is every pod of ours that is not being deleted; on one that is not ready only those that still are.
As the node is drained, or its pods are found to be dead, the count falls to 0.

Example: 8 units, cordoned, 3 held by our pods and 2 by others: allocatable 3, unmanaged 0.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from inferno_collector.inventory.claims import Published
from inferno_collector.inventory.devices import Offer, Riddle, offers_of
from inferno_collector.inventory.gate import NodeGate, TolerationsByVariant, listed
from inferno_collector.reasons import Reason
from inferno_collector.samples import PodKey
from inferno_shared.contracts import NodeInventory, Problem
from inferno_shared.kubernetes import Node, Pod

_REPORTED_ONE_BY_ONE: Final = 5
_COUNTED_WHEN_CLOSED: Final = "only what our pods hold there is counted"
_TWICE: Final = "offers {device} as an extended resource and by dynamic resource allocation: counted once"


@dataclass(frozen=True, slots=True)
class Inventory:
    """Accelerators of the cluster, ordered by node and device."""

    nodes: Sequence[NodeInventory]
    problems: Sequence[Problem]


def take_inventory(
    nodes: Iterable[Node],
    pods: Iterable[Pod],
    managed: Collection[PodKey],
    tolerations: TolerationsByVariant | None = None,
    published: Published | None = None,
) -> Inventory:
    """Inventory of `nodes`; units requested by `pods` that are not in `managed` count as unmanaged.

    `published` are devices that are no extended resources of their nodes; one of a name that the node offers
    already is the same device and counts once.

    Example: a node with 8 allocatable H100 and one foreign pod that requests 2 of them: allocatable 8,
    unmanaged 2. A pod holds its units from the moment that it has a node until it has finished.
    """
    nodes, pods = list(nodes), list(pods)
    published = published or Published()
    held = _held(pod for pod in pods if pod.metadata.key not in managed)
    staying = staying_pods(nodes, pods, managed)
    kept = _held(pod for pod in pods if pod.metadata.key in staying)
    gate = NodeGate(tolerations or {})
    inventory: list[NodeInventory] = []
    findings = _Findings()
    sharers: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for node in sorted(nodes, key=lambda node: node.metadata.name):
        name = node.metadata.name
        offers: list[Offer] = []
        for found in offers_of(node):
            if isinstance(found, Riddle):
                findings.add(name, Reason.DEVICE_UNKNOWN, found.why)
                continue
            offers.append(found)
            if found.sharers is not None:
                sharers[found.device][found.sharers].append(name)
        for offer in published.offers.get(name, ()):
            if any(known.device == offer.device and known.count for known in offers):
                findings.add(name, Reason.DEVICE_TWICE, _TWICE.format(device=offer.device))
            else:
                offers.append(offer)
        closed = gate.why_closed(node) if offers else None
        if closed is not None:
            findings.add(name, closed[0], f"{closed[1]}: {_COUNTED_WHEN_CLOSED}")
            ours = {**kept.get(name, {}), **published.staying.get(name, {})}
            offers = [replace(offer, count=min(offer.count, ours.get(offer.resource, 0))) for offer in offers]
        theirs = {} if closed else {**held.get(name, {}), **published.held.get(name, {})}
        inventory.extend(_entries(name, offers, theirs))
    problems = [
        *findings.problems(),
        *published.problems,
        *gate.problems(),
        *_uneven_shares(sharers),
    ]
    return Inventory(inventory, problems)


def staying_pods(
    nodes: Iterable[Node], pods: Iterable[Pod], managed: Collection[PodKey]
) -> Collection[PodKey]:
    """Our pods that go on holding what they hold, though their node may take no others."""
    ready_nodes = {node.metadata.name for node in nodes if node.ready}
    return {
        pod.metadata.key
        for pod in pods
        if pod.metadata.key in managed
        and not pod.metadata.deleting
        and (pod.ready or pod.node_name in ready_nodes)
    }


def _entries(node: str, offers: Iterable[Offer], held: Mapping[str, int]) -> Iterator[NodeInventory]:
    for offer in sorted(offers, key=lambda offer: offer.device):
        yield NodeInventory(
            node=node,
            device=offer.device,
            allocatable=offer.count,
            unmanaged=min(held.get(offer.resource, 0), offer.count),
            memory_mib=offer.memory_mib,
        )


def _held(pods: Iterable[Pod]) -> Mapping[str, Mapping[str, int]]:
    """Units by node and resource that pods hold."""
    held: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for pod in pods:
        if not pod.requests or pod.node_name is None or pod.terminal:
            continue
        for resource, count in pod.requests.items():
            held[pod.node_name][resource] += count
    return held


def _uneven_shares(sharers: Mapping[str, Mapping[int, Sequence[str]]]) -> Iterator[Problem]:
    """Shared devices of one name whose shares differ in size: no one profile fits them."""
    for device, nodes in sorted(sharers.items()):
        if len(nodes) > 1:
            kinds = "; ".join(
                f"1/{count} on {listed('node', names)}" for count, names in sorted(nodes.items())
            )
            yield Problem(
                subject=f"Device {device}",
                reason=Reason.SHARES_DIFFER,
                message=f"one unit is not the same everywhere ({kinds}), but a profile knows only one size: "
                "share the device alike on all nodes",
            )


class _Findings:
    """What was found out about nodes; the same of many of them is one problem, not many."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, node: str, reason: str, message: str) -> None:
        self._nodes[reason, message].append(node)

    def problems(self) -> Iterator[Problem]:
        for (reason, message), nodes in self._nodes.items():
            groups = [nodes] if len(nodes) > _REPORTED_ONE_BY_ONE else [[node] for node in nodes]
            for group in groups:
                subject = listed("node", group)
                yield Problem(subject=subject[:1].upper() + subject[1:], reason=reason, message=message)
