"""The placement in the plan document, and what is to be said about nodes: too small, or too few."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from inferno_optimizer.allocation import Filled, Nodes, Packing
from inferno_optimizer.allocation.nodes import NO_NODES, Items
from inferno_optimizer.decisions import Decision, HeldDecision
from inferno_shared.contracts import NodePattern, NodeShape, Placement, PlanReason, Problem, ReplicaGroup

MOST_NAMED: Final = 3


def placements(
    nodes: Mapping[str, Nodes], packings: Mapping[str, Packing] | None, used: Mapping[str, Items]
) -> list[Placement]:
    """By device, if packings are known at all; `used` are all replicas by device and size."""
    if packings is None:
        return []
    return [
        _placement(device, nodes.get(device, NO_NODES), packings.get(device, ()), used.get(device, {}))
        for device in sorted({*packings, *used})
    ]


def replicas_used(decisions: Iterable[Decision], held: Iterable[HeldDecision]) -> dict[str, Items]:
    """Replicas in the plan by device and size."""
    used: dict[str, Counter[int]] = defaultdict(Counter)
    for decision in decisions:
        if decision.choice is not None and decision.replicas:
            used[decision.choice.accelerator.device][decision.choice.units] += decision.replicas
    for entry in held:
        if entry.keeping.device is not None and entry.keeping.replicas:
            used[entry.keeping.device][entry.keeping.units] += entry.keeping.replicas
    return dict(used)


def too_small(decisions: Iterable[Decision], nodes: Mapping[str, Nodes]) -> Iterator[Problem]:
    """One problem for every device and size of replica for which it has nodes, but none large enough."""
    wanting: dict[tuple[str, int], list[str]] = defaultdict(list)
    for decision in decisions:
        for choice in decision.member.choices:
            there = nodes.get(choice.accelerator.device, NO_NODES)
            if there.units and choice.units > there.largest:
                name = f"{'/'.join(decision.variant.key)} on {choice.accelerator.name}"
                wanting[choice.accelerator.device, choice.units].append(name)
    for (device, units), names in sorted(wanting.items()):
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        yield Problem(
            subject=f"Device {device}",
            reason=PlanReason.INSUFFICIENT_CAPACITY.value,
            message=(
                f"a replica of {units} units needs one node with {units} free: {spread(nodes[device])}, so"
                f" that {', '.join(sorted(names)[:MOST_NAMED])}{more} cannot be placed. Free a node, add a"
                " larger one, or use fewer units per replica"
            ),
        )


def spread(nodes: Nodes) -> str:
    """8 free units on four nodes: "the largest of 4 nodes with free units has 2, of 8 in all"."""
    if nodes.count == 1:
        return f"the only node with free units has {nodes.largest}"
    return f"the largest of {nodes.count} nodes with free units has {nodes.largest}, of {nodes.units} in all"


def room_words(placement: Placement, units: int) -> str:
    """Why free units are no room for a replica; empty where there is room, or where the units are the reason.

    Example: "6 units are free, but a replica takes 4 of one node, and none has more than 3 left".
    """
    largest = max((shape.free_units for shape in placement.shapes), default=0)
    if not largest or placement.largest_free >= units or placement.free_units < units:
        return ""
    if units > largest:
        nodes = Nodes(tuple((shape.free_units, shape.nodes) for shape in placement.shapes))
        return f"A replica takes {units} units of one node: {spread(nodes)}."
    return (
        f"{placement.free_units} units are free, but a replica takes {units} of one node, and none has more"
        f" than {placement.largest_free} left."
    )


def over_committed(
    placement: Sequence[Placement], limits: Mapping[str, int], used: Mapping[str, int]
) -> Iterator[Problem]:
    """One problem for every device on which more is kept than there is room for."""
    unplaced = {entry.device: entry.unplaced for entry in placement if entry.unplaced}
    for device in sorted({*used, *unplaced}):
        limit = limits.get(device, 0)
        if used.get(device, 0) > limit:
            found = (
                f"{used[device]} units are in use by variants that keep their replicas, the limit is {limit}"
            )
        elif device in unplaced:
            groups = " and ".join(f"{g.replicas} of {g.units_per_replica} units" for g in unplaced[device])
            found = f"of the replicas that variants keep, {groups} fit on no node beside the others"
        else:
            continue
        yield Problem(
            subject=f"Device {device}",
            reason=PlanReason.INSUFFICIENT_CAPACITY.value,
            message=f"{found}: nothing is taken away on doubt; check the inventory",
        )


def _placement(device: str, nodes: Nodes, packing: Packing, used: Items) -> Placement:
    shapes = [_shape(free, count, packing) for free, count in nodes.free]
    placed: Counter[int] = Counter()
    for filled in packing:
        for units, replicas in filled.holds:
            placed[units] += replicas * filled.nodes
    missing = {units: replicas - placed[units] for units, replicas in used.items()}
    left = [filled.left for filled in packing]
    left += [shape.free_units for shape in shapes if shape.used_nodes < shape.nodes]
    return Placement(
        device=device,
        shapes=shapes,
        free_units=nodes.units - sum(units * replicas for units, replicas in placed.items()),
        largest_free=max(left, default=0),
        unplaced=_groups(missing.items()),
    )


def _shape(free_units: int, count: int, packing: Packing) -> NodeShape:
    here = [filled for filled in packing if filled.free == free_units]
    return NodeShape(
        free_units=free_units,
        nodes=count,
        used_nodes=sum(filled.nodes for filled in here),
        patterns=[_pattern(filled) for filled in here],
    )


def _pattern(filled: Filled) -> NodePattern:
    return NodePattern(nodes=filled.nodes, holds=_groups(filled.holds))


def _groups(replicas: Iterable[tuple[int, int]]) -> list[ReplicaGroup]:
    return [
        ReplicaGroup(units_per_replica=units, replicas=count)
        for units, count in sorted(replicas, reverse=True)
        if count
    ]
