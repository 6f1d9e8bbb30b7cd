"""Constraint (3) of the program, for one device: what is used can be placed on its nodes.

Slots of each size, which are exact where the sizes divide each other, and otherwise the arc-flow besides.
"""

from collections.abc import Collection, Mapping

from inferno_optimizer.allocation.arcflow import add_flow, graph
from inferno_optimizer.allocation.linear import Linear, total
from inferno_optimizer.allocation.nodes import Items, Nodes, Slots
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


def exactly_limited(nodes: Nodes, used: Collection[int]) -> bool:
    """Whether the constraint lets everything pass that can be placed; `arcflow` says what it holds back."""
    return slots_suffice(nodes, used) or graph(nodes, _sizes(nodes, used)) is not None


def _sizes(nodes: Nodes, used: Collection[int]) -> set[int]:
    return {*used, *dict(nodes.fixed)}


def _within(program: Program, slots: Slots, used: Mapping[int, Linear], count: int) -> None:
    taking = {size: slots.takes(size) for size in sorted(used) if slots.takes(size)}
    if taking:
        program.add(total(takes * used[size] for size, takes in taking.items()) <= count)
