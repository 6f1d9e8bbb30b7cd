"""Constraint (3) of the program, for one device: what is used can be placed on its nodes.

Slots of each size, which are exact where the sizes divide each other, and otherwise the arc-flow besides.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping

from inferno_optimizer.allocation.arcflow import add_flow, graph
from inferno_optimizer.allocation.linear import Linear, total
from inferno_optimizer.allocation.nodes import Items, Nodes, Slots
from inferno_optimizer.allocation.problem import Problem
from inferno_optimizer.allocation.program import Program


def limit_slots(program: Program, nodes: Nodes, used: Mapping[int, Linear]) -> None:
    """Let the replicas used, by size, take no more slots than the fixed ones leave."""
    for slots in nodes.conditions(used).slots:
        _within(program, slots, used, slots.count)


def limit_flow(program: Program, nodes: Nodes, used: Mapping[int, Linear], floors: Items) -> None:
    """What slots do not say: the replicas can be placed beside the fixed ones; the floors are known to be."""
    if nodes.conditions(used).exact:
        return
    arcs = graph(nodes, _sizes(nodes, used))
    if arcs is None:
        slots = nodes.any_order(used)
        _within(program, slots, used, max(slots.count, sum(slots.takes(s) * n for s, n in floors.items())))
        return
    flow = add_flow(program, nodes, arcs)
    fixed = dict(nodes.fixed)
    for size, placed in sorted(flow.placed.items()):
        program.add(placed >= used.get(size, Linear()) + fixed.get(size, 0))


def slots_suffice(nodes: Nodes, used: Collection[int]) -> bool:
    """Whether counting slots is exact, so that there is no flow."""
    return nodes.conditions(used).exact


def slots_suffice_for(problem: Problem) -> bool:
    """Whether counting slots is exact for all devices."""
    return all(slots_suffice(problem.nodes(device), used) for device, used in uses_of(problem).items())


def inexact_devices(problem: Problem) -> dict[str, list[int]]:
    """Devices for which the constraint holds back what could be placed (`arcflow`), with replicas' sizes."""
    return {
        device: sorted(used)
        for device, used in sorted(uses_of(problem).items())
        if not slots_suffice(problem.nodes(device), used)
        and graph(problem.nodes(device), _sizes(problem.nodes(device), used)) is None
    }


def uses_of(problem: Problem) -> dict[str, set[int]]:
    """Sizes that replicas can have, by device; nothing without limits."""
    sizes: dict[str, set[int]] = defaultdict(set)
    for variant in problem.variants() if problem.capacity is not None else ():
        for candidate in variant.candidates:
            sizes[candidate.device].add(candidate.units)
    return sizes


def _sizes(nodes: Nodes, used: Collection[int]) -> set[int]:
    return {*used, *dict(nodes.fixed)}


def _within(program: Program, slots: Slots, used: Mapping[int, Linear], count: int) -> None:
    taking = {size: slots.takes(size) for size in sorted(used) if slots.takes(size)}
    if taking:
        program.add(total(takes * used[size] for size, takes in taking.items()) <= count)
