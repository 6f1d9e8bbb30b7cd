"""Checks the placement in a finished plan against the snapshot's nodes, by adding up.

For `audit`: it shares no code with the search for placements, nor with what drew the document up.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from inferno_shared.contracts import (
    Accelerator,
    Allocation,
    Outcome,
    Placement,
    Plan,
    PlanReason,
    ReplicaGroup,
    Snapshot,
    Variant,
)

Sizes = dict[str, Counter[int]]
"""Replicas by device and units per replica."""


def audit_placement(snapshot: Snapshot, plan: Plan) -> Iterator[str]:
    """Sentences about everything that is wrong with the placement."""
    if snapshot.policy.unlimited:
        if plan.placement:
            yield "there is a placement although the plan is unlimited"
        return
    inventory: Sizes = defaultdict(Counter)
    for node in snapshot.inventory:
        inventory[node.device][max(0, node.allocatable - node.unmanaged)] += 1
    used, staying = _replicas(snapshot, plan)
    placed = [entry.device for entry in plan.placement]
    if placed != sorted({*inventory, *used}):
        yield f"the placement is about {', '.join(placed) or 'no device'}, not every device once, by name"
        return
    for entry in plan.placement:
        yield from _nodes(entry, inventory[entry.device])
        yield from _contents(entry, used[entry.device], staying[entry.device])


def _replicas(snapshot: Snapshot, plan: Plan) -> tuple[Sizes, Sizes]:
    """Replicas of the plan, and those of them that run already and were not to be taken away."""
    accelerators = {accelerator.name: accelerator for accelerator in snapshot.accelerators}
    variants = {variant.key: variant for variant in snapshot.variants}
    doubtful = {
        _demand(variants[a.namespace, a.name])
        for a in plan.allocations
        if a.outcome is Outcome.HELD and a.reason is PlanReason.UNKNOWN_LOAD
    }
    used: Sizes = defaultdict(Counter)
    staying: Sizes = defaultdict(Counter)
    for allocation in plan.allocations:
        variant = variants[allocation.namespace, allocation.name]
        found = _device_and_units(allocation, variant, accelerators)
        if found is None or not allocation.replicas:
            continue
        device, units = found
        used[device][units] += allocation.replicas
        if allocation.outcome is Outcome.HELD or _demand(variant) in doubtful:
            staying[device][units] += min(allocation.replicas, variant.current.replicas)
    return used, staying


def _demand(variant: Variant) -> tuple[str, str, str]:
    return variant.namespace, variant.model, variant.service_class


def _device_and_units(
    allocation: Allocation, variant: Variant, accelerators: Mapping[str, Accelerator]
) -> tuple[str, int] | None:
    accelerator = accelerators.get(allocation.accelerator or "")
    profile = next((p for p in variant.profiles if p.accelerator == allocation.accelerator), None)
    if accelerator is None or profile is None:
        return None
    return accelerator.device, profile.acc_count * accelerator.multiplicity


def _nodes(entry: Placement, nodes: Counter[int]) -> Iterator[str]:
    there = {free: count for free, count in nodes.items() if free}
    stated = {shape.free_units: shape.nodes for shape in entry.shapes}
    if stated != there or len(stated) != len(entry.shapes):
        yield f"{entry.device}: nodes by free units are {stated}, the inventory has {there}"
    for shape in entry.shapes:
        filled = sum(pattern.nodes for pattern in shape.patterns)
        if filled != shape.used_nodes or not 0 <= filled <= shape.nodes:
            yield (
                f"{entry.device}: of {shape.nodes} nodes with {shape.free_units} free units"
                f" {shape.used_nodes} are called used and {filled} filled"
            )
        for pattern in shape.patterns:
            content = sum(group.units_per_replica * group.replicas for group in pattern.holds)
            if content > shape.free_units or pattern.nodes < 1 or not _sound(pattern.holds):
                yield f"{entry.device}: nodes with {shape.free_units} free units are filled with {content}"


def _sound(groups: list[ReplicaGroup]) -> bool:
    sizes = [group.units_per_replica for group in groups]
    return all(g.units_per_replica > 0 and g.replicas > 0 for g in groups) and len(set(sizes)) == len(sizes)


def _contents(entry: Placement, used: Counter[int], staying: Counter[int]) -> Iterator[str]:
    placed: Counter[int] = Counter()
    left = []
    for shape in entry.shapes:
        left += [shape.free_units] * (shape.nodes > shape.used_nodes)
        for pattern in shape.patterns:
            content = 0
            for group in pattern.holds:
                placed[group.units_per_replica] += group.replicas * pattern.nodes
                content += group.units_per_replica * group.replicas
            left.append(shape.free_units - content)
    unplaced = Counter({group.units_per_replica: group.replicas for group in entry.unplaced})
    if not _sound(entry.unplaced):
        yield f"{entry.device}: replicas without a node are listed twice, or none of them"
    for units in sorted({*used, *placed, *unplaced}):
        if placed[units] + unplaced[units] != used[units]:
            yield (
                f"{entry.device}: {placed[units]} replicas of {units} units are placed and {unplaced[units]}"
                f" are not, the allocations have {used[units]}"
            )
        if unplaced[units] > staying[units]:
            yield f"{entry.device}: {unplaced[units]} replicas of {units} units have no node, not all run yet"
        if unplaced[units] and units <= max(left, default=0):
            yield f"{entry.device}: replicas of {units} units have no node although one has room"
    free = sum(shape.free_units * shape.nodes for shape in entry.shapes)
    free -= sum(units * count for units, count in placed.items())
    if (entry.free_units, entry.largest_free) != (free, max(left, default=0)):
        yield (
            f"{entry.device}: {entry.free_units} units are called free and {entry.largest_free} on one node,"
            f" the placement leaves {free} and {max(left, default=0)}"
        )
