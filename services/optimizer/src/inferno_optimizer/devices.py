"""What may be given out: the units that unmanaged pods leave free on each node, beside the pods that stay.

Held variants keep their replicas, and locked ones do not shrink. They are pods that run, so they have a node;
where the snapshot has no room for them (a node was lost, or its pods are read at another moment), as many as
fit are placed, and the rest counts against no node: nothing is stopped, and others get what is left.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from inferno_optimizer.allocation.nodes import NO_NODES, Items, Nodes
from inferno_optimizer.allocation.packing import Room, most_packed
from inferno_optimizer.candidates import SizedGroup, least_replicas, replica_cost
from inferno_optimizer.demands import Held
from inferno_shared.contracts import Accelerator, NodeInventory, Variant


@dataclass(frozen=True, slots=True)
class Keeping:
    """What a held variant goes on using: the device and cost are unknown if its accelerator is."""

    held: Held
    replicas: int
    device: str | None
    units: int
    cost_per_hour: float

    @property
    def gpus(self) -> int:
        """Devices in use."""
        return self.replicas * self.units


@dataclass(frozen=True, slots=True)
class Locked:
    """A variant that may grow but not shrink: `replicas` of `units` each run on a device."""

    key: tuple[str, str]
    device: str
    units: int
    replicas: int


@dataclass(frozen=True, slots=True)
class Standing:
    """The nodes with what held variants keep on them; `unplaced`: locked replicas that have no room."""

    nodes: Mapping[str, Nodes]
    unplaced: Mapping[tuple[str, str], int]


def nodes_of(inventory: Sequence[NodeInventory]) -> dict[str, Nodes]:
    """Nodes by device and free units: 8 allocatable less 2 of unmanaged pods are 6."""
    free: dict[str, list[int]] = defaultdict(list)
    for node in inventory:
        free[node.device].append(node.allocatable - node.unmanaged)
    return {device: Nodes.of(free[device]) for device in sorted(free)}


def limits_of(inventory: Sequence[NodeInventory]) -> dict[str, int]:
    """Devices by kind that managed pods may use, all nodes together."""
    return {device: nodes.units for device, nodes in nodes_of(inventory).items()}


def locked_of(groups: Sequence[SizedGroup]) -> Iterator[Locked]:
    """Replicas that stay although their demand takes part."""
    for sized in groups:
        for member in sized.members:
            if member.locked:
                [choice, *_] = member.choices
                replicas = member.variant.current.replicas
                yield Locked(member.variant.key, choice.accelerator.device, choice.units, replicas)


def standing(nodes: Mapping[str, Nodes], kept: Sequence[Keeping], locked: Sequence[Locked]) -> Standing:
    """Place what stays: all of it, or as much as fits, larger replicas first and locked before held ones."""
    placed = {
        d: dict(most_packed(nodes.get(d, NO_NODES), items)) for d, items in _staying(kept, locked).items()
    }
    unplaced = {}
    for entry in locked:
        here = placed[entry.device]
        fits = min(entry.replicas, here.get(entry.units, 0))
        here[entry.units] = here.get(entry.units, 0) - fits
        unplaced[entry.key] = entry.replicas - fits
    held = {d: Nodes(n.free, Nodes.of((), placed.get(d)).fixed) for d, n in nodes.items()}
    return Standing(held, unplaced)


def keeping(
    held: Sequence[Held],
    accelerators: Sequence[Accelerator],
    nodes: Mapping[str, Nodes] | None,
    locked: Sequence[Locked] = (),
) -> list[Keeping]:
    """Held variants at their current replicas, raised to their minimum where there is room for that.

    Raising matters for a variant without replicas: it would have no metrics, and be held for ever. `nodes`
    None: unlimited.
    """
    catalogue = {accelerator.name: accelerator for accelerator in accelerators}
    kept = [_as_is(h, catalogue) for h in sorted(held, key=lambda h: h.variant.key)]
    if nodes is None:
        return [_raised(k, k.held.variant.min_replicas) for k in kept]
    rooms: dict[str, Room] = {}
    for device, items in _staying(kept, locked).items():
        fixed = most_packed(nodes.get(device, NO_NODES), items)
        rooms[device] = Room(Nodes(nodes.get(device, NO_NODES).free, Nodes.of((), fixed).fixed), items)
    raised = []
    for k in kept:
        room = None if k.device is None else nodes.get(k.device, NO_NODES).slots(k.units)
        more = max(0, least_replicas(k.held.variant, room) - k.replicas)
        if k.device is not None:
            more = rooms[k.device].more(k.units, more)
            rooms[k.device].add(k.units, more)
        raised.append(_raised(k, k.replicas + more))
    return raised


def _staying(kept: Sequence[Keeping], locked: Sequence[Locked]) -> dict[str, Items]:
    """Replicas that stay, by device and size."""
    items: dict[str, Counter[int]] = defaultdict(Counter)
    for k in kept:
        if k.device is not None:
            items[k.device][k.units] += k.replicas
    for entry in locked:
        items[entry.device][entry.units] += entry.replicas
    return dict(items)


def current_cost(variant: Variant, accelerators: Mapping[str, Accelerator]) -> float:
    """Cents per hour and replica on the accelerator in use; 0 when it is not known."""
    accelerator = accelerators.get(variant.current.accelerator or "")
    profile = next((p for p in variant.profiles if p.accelerator == variant.current.accelerator), None)
    if accelerator is None or profile is None:
        return variant.cost_per_replica_hour or 0.0
    return replica_cost(variant, accelerator, profile)


def _as_is(held: Held, catalogue: Mapping[str, Accelerator]) -> Keeping:
    variant = held.variant
    replicas = variant.current.replicas
    accelerator = catalogue.get(variant.current.accelerator or "")
    profile = next((p for p in variant.profiles if p.accelerator == variant.current.accelerator), None)
    if accelerator is None or profile is None:
        return Keeping(held, replicas, None, 0, current_cost(variant, catalogue))
    units = profile.acc_count * accelerator.multiplicity
    return Keeping(held, replicas, accelerator.device, units, current_cost(variant, catalogue))


def _raised(kept: Keeping, replicas: int) -> Keeping:
    most = max(kept.replicas, replicas)
    return Keeping(kept.held, most, kept.device, kept.units, kept.cost_per_hour)
