"""Packing replicas of any sizes as a flow: the arc-flow formulation of bin packing.

Source: J. M. Valerio de Carvalho, Annals of Operations Research 86 (1999), with nodes of all shapes in one
graph. A position is how many units of a node are filled; an arc places one replica and leads from a position
to a later one; a path from 0 is one node's content. Paths place the larger replicas first, so that each
content is one path. A content of p units fits every node with at least p free: so nothing but the number of
paths that end beyond each free size is limited. Integer flows are exactly the packings.

The graph has at most (largest node / greatest common divisor of the sizes) x sizes positions. A program gets
it up to `MOST_ARCS_IN_PROGRAM`: beyond, branching takes too long, and `Nodes.any_order` takes the place of
the exact condition. That holds back at most one unit less than the largest replica per node (of hundreds of
units, as the graph would be small otherwise), so that every plan still fits. A packing by itself is looked
for up to `MOST_ARCS`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from inferno_optimizer.allocation.lexicographic import Effort
from inferno_optimizer.allocation.linear import Linear, Variable, total
from inferno_optimizer.allocation.nodes import Items, Nodes
from inferno_optimizer.allocation.program import Program
from inferno_optimizer.allocation.solver import branch

MOST_ARCS: Final = 8_000
MOST_ARCS_IN_PROGRAM: Final = 1_000
LIMIT_SECONDS: Final = 10.0
"""For one packing by itself; what is not decided by then counts as not shown to fit."""

Vertex = tuple[int, int]
"""(place of the last size in the order of sizes, filled units)."""

SOURCE: Final[Vertex] = (0, 0)


@dataclass(frozen=True, slots=True)
class Arc:
    """A replica of `units` is placed behind what `start` stands for."""

    units: int
    start: Vertex
    end: Vertex


@dataclass(frozen=True, slots=True)
class Flow:
    """The graph's columns in a program: `placed` replicas by size, and how often each arc is used."""

    placed: Mapping[int, Linear]
    arcs: tuple[tuple[Arc, Variable], ...]


def graph(nodes: Nodes, sizes: Iterable[int], most: int = MOST_ARCS_IN_PROGRAM) -> list[Arc] | None:
    """All arcs that can be reached, in a fixed order; None if they are more than `most`."""
    order = sorted({size for size in sizes if size <= nodes.largest}, reverse=True)
    arcs: list[Arc] = []
    seen, line = {SOURCE}, [SOURCE]
    for vertex in line:
        last, filled = vertex
        for place in range(last, len(order)):
            if filled + order[place] > nodes.largest:
                continue
            end = (place, filled + order[place])
            arcs.append(Arc(order[place], vertex, end))
            if end not in seen:
                seen.add(end)
                line.append(end)
        if len(arcs) > most:
            return None
    return arcs


def add_flow(program: Program, nodes: Nodes, arcs: Iterable[Arc]) -> Flow:
    """Add the flow to a program; the caller asks for at least so many replicas placed per size."""
    flows = tuple((arc, program.variable(0.0, _nodes_from(nodes, arc.end[1]), integer=True)) for arc in arcs)
    placed: dict[int, list[Variable]] = defaultdict(list)
    into: dict[Vertex, list[Variable]] = defaultdict(list)
    out: dict[Vertex, list[Variable]] = defaultdict(list)
    for arc, flow in flows:
        placed[arc.units].append(flow)
        into[arc.end].append(flow)
        out[arc.start].append(flow)
    for vertex, arriving in into.items():
        if vertex in out:
            program.add(total(out[vertex]) <= total(arriving))
    filled = 0
    for units, _ in reversed(nodes.free):
        ends = [vertex for vertex in into if vertex[1] > filled]
        come = total(flow for vertex in ends for flow in into[vertex])
        go_on = total(flow for vertex in ends for flow in out.get(vertex, ()))
        program.add(come - go_on <= _nodes_from(nodes, units))
        filled = units
    return Flow({units: total(found) for units, found in placed.items()}, flows)


def contents(nodes: Nodes, items: Items, effort: Effort | None = None) -> list[tuple[int, ...]] | None:
    """What each used node holds, as the sizes of its replicas; None if these are not shown to fit in time.

    `items` must be all replicas, fixed ones included.

    Raises:
        InterruptedSolveError: the effort's interrupter was triggered.
    """
    seconds = LIMIT_SECONDS if effort is None else min(LIMIT_SECONDS, effort.left_seconds)
    arcs = graph(nodes, items, MOST_ARCS) if seconds > 0 else None
    if arcs is None or max(items, default=0) > nodes.largest:
        return None
    program = Program()
    flow = add_flow(program, nodes, arcs)
    for units in sorted(items):
        program.add(flow.placed[units] >= items[units])
    part = program.open_part(Linear(), program.lower, program.upper)
    if part is None:
        return None
    values = branch(part, seconds, effort.interrupter if effort else None, None).values
    if values is None:
        return None
    found = program.lower
    found[part.columns] = values
    return _paths([(arc, round(found[variable.column])) for arc, variable in flow.arcs], items)


def _nodes_from(nodes: Nodes, units: int) -> int:
    """Nodes with at least so many free units."""
    return sum(count for free, count in nodes.free if free >= units)


def _paths(flows: Iterable[tuple[Arc, int]], items: Items) -> list[tuple[int, ...]]:
    """The flow taken apart into contents; replicas beyond those asked for are dropped."""
    leaving: dict[Vertex, list[Arc]] = defaultdict(list)
    for arc, count in flows:
        leaving[arc.start] += [arc] * count
    missing = dict(items)
    found = []
    while leaving[SOURCE]:
        vertex = SOURCE
        content: list[int] = []
        while leaving[vertex]:
            arc = leaving[vertex].pop()
            if missing[arc.units]:
                missing[arc.units] -= 1
                content.append(arc.units)
            vertex = arc.end
        if content:
            found.append(tuple(content))
    return found
