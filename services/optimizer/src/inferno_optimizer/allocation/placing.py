"""Whether the assignments of a problem can be placed on its nodes, and how."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from inferno_optimizer.allocation.lexicographic import Effort
from inferno_optimizer.allocation.nodes import Items
from inferno_optimizer.allocation.packing import Packing, pack
from inferno_optimizer.allocation.problem import Assignment, Key, Problem


def items_of(problem: Problem, assignments: Mapping[Key, Assignment]) -> dict[str, Items]:
    """Replicas to be placed by device and size, without those that are known to have no room."""
    items: dict[str, Counter[int]] = defaultdict(Counter)
    for variant in problem.variants():
        assignment = assignments[variant.key]
        candidate = variant.candidate(assignment.accelerator)
        if candidate is not None and assignment.replicas > variant.unplaced:
            items[candidate.device][candidate.units] += assignment.replicas - variant.unplaced
    return dict(items)


def placement_of(
    problem: Problem, assignments: Mapping[Key, Assignment], effort: Effort | None = None
) -> dict[str, Packing] | None:
    """A packing for every device, none without limits; None if some device has none, or not in time."""
    if problem.capacity is None:
        return {}
    items = items_of(problem, assignments)
    placement = {}
    for device in sorted({*problem.capacity, *items}):
        packing = pack(problem.nodes(device), items.get(device, {}), effort)
        if packing is None:
            return None
        placement[device] = packing
    return placement
