"""Splits a problem where it falls apart: demands that share no scarce device do not influence each other."""

from collections import defaultdict

from inferno_optimizer.allocation.problem import Demand, Problem


def components(problem: Problem) -> list[tuple[Demand, ...]]:
    """Demands grouped by the scarce devices that connect them, in the order of their first demand.

    A device is scarce when it could not hold what all demands together could use of it at most.
    """
    scarce = scarce_devices(problem)
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
    """Devices that could not hold what all demands together could use of them at most; see `components`."""
    if problem.capacity is None:
        return set()
    most: dict[str, int] = defaultdict(int)
    for demand in problem.demands:
        for variant in demand.variants:
            uses: dict[str, int] = defaultdict(int)
            for candidate in variant.candidates:
                use = candidate.units * variant.most_replicas(candidate, demand.servable_rpm)
                uses[candidate.device] = max(uses[candidate.device], use)
            for device, use in uses.items():
                most[device] += use
    return {device for device, use in most.items() if use > problem.capacity.get(device, 0)}
