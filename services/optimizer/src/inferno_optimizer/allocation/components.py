"""Splits a problem where it falls apart: demands that share no scarce device do not influence each other."""

from collections import defaultdict
from collections.abc import Sequence

from inferno_optimizer.allocation.nodes import Nodes
from inferno_optimizer.allocation.problem import Demand, Problem


def components(problem: Problem, scarce: set[str] | None = None) -> list[tuple[Demand, ...]]:
    """Demands grouped by the scarce devices that connect them, in the order of their first demand.

    A device is scarce when its nodes could not hold whatever all demands together could use of it: these are
    the problem's `scarce_devices`, where they are known already.
    """
    scarce = scarce_devices(problem) if scarce is None else scarce
    group_of: dict[str, int] = {}
    groups: list[list[Demand]] = []
    for demand in problem.demands:
        devices = {c.device for v in demand.variants for c in v.candidates} & scarce
        joined = sorted({group_of[device] for device in devices if device in group_of})
        if joined:
            target = joined[0]
            for other in joined[1:]:
                groups[target].extend(groups[other])
                groups[other] = []
                group_of.update({device: target for device, group in group_of.items() if group == other})
            groups[target].append(demand)
        else:
            target = len(groups)
            groups.append([demand])
        group_of.update(dict.fromkeys(devices, target))
    position = {demand.key: place for place, demand in enumerate(problem.demands)}
    return [tuple(sorted(group, key=lambda d: position[d.key])) for group in groups if group]


def scarce_devices(problem: Problem) -> set[str]:
    """Devices whose nodes could not hold whatever all demands together could use; see `components`."""
    if problem.capacity is None:
        return set()
    uses: dict[str, list[list[tuple[int, int]]]] = defaultdict(list)
    for demand in problem.demands:
        servable_rpm = demand.servable_rpm
        for variant in demand.variants:
            choices: dict[str, list[tuple[int, int]]] = defaultdict(list)
            for candidate in variant.candidates:
                most = variant.most_replicas(candidate, servable_rpm) - variant.unplaced
                choices[candidate.device].append((candidate.units, most))
            for device, found in choices.items():
                uses[device].append(found)
    return {device for device, found in uses.items() if not _always_fit(problem.nodes(device), found)}


def _always_fit(nodes: Nodes, uses: Sequence[Sequence[tuple[int, int]]]) -> bool:
    """Whether everybody's uses, one (size, most replicas) out of each list, fit in any combination."""
    sizes = {size for choices in uses for size, most in choices if most}
    conditions = nodes.conditions(sizes)
    enough = conditions.slots if conditions.exact else (nodes.any_order(sizes),)
    return max(sizes, default=0) <= nodes.largest and all(
        sum(max(slots.takes(size) * most for size, most in choices) for choices in uses) <= slots.count
        for slots in enough
    )
