"""All that variants may be given, written out as arrays: the options of a `Knapsack`.

The same choices as in the program (`model`), and the formulas of `objectives`, for many options at once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inferno_optimizer.allocation.knapsack import Knapsack
from inferno_optimizer.allocation.limits import uses_of
from inferno_optimizer.allocation.nodes import Slots
from inferno_optimizer.allocation.objectives import Kind, Objective, Places
from inferno_optimizer.allocation.problem import (
    RELATIVE_TOLERANCE,
    SWITCHING_SHARE,
    Assignment,
    Candidate,
    Demand,
    Key,
    Problem,
    Rationing,
    Variant,
)
from inferno_optimizer.allocation.program import Flags, Floats, Indices


@dataclass(frozen=True, slots=True)
class _Line:
    """From `first` to `last` replicas of one candidate; no candidate: no replicas."""

    place: int
    demand: Demand
    servable_rpm: float
    guaranteed: int
    rank: int
    candidate: Candidate | None
    first: int
    last: int

    @property
    def variant(self) -> Variant:
        [variant] = self.demand.variants
        return variant

    @property
    def switches(self) -> bool:
        return self.candidate is not None and self.variant.switches_to(self.candidate.accelerator)

    @property
    def device(self) -> str:
        return self.candidate.device if self.candidate is not None else ""

    @property
    def units(self) -> int:
        return self.candidate.units if self.candidate is not None else 0

    @property
    def rate_rpm(self) -> float:
        return self.candidate.rate_rpm if self.candidate is not None else 0.0

    @property
    def cost_per_hour(self) -> float:
        return self.candidate.cost_per_hour if self.candidate is not None else 0.0


class Choices:
    """The options of all demands, of which each has one variant, in the order of the demands."""

    def __init__(self, problem: Problem, objectives: Sequence[Objective], places: Places) -> None:
        self._problem = problem
        lines = [line for place, demand in enumerate(problem.demands) for line in _lines(place, demand)]
        counts = np.array([line.last - line.first + 1 for line in lines], np.int64)
        begins = np.cumsum(counts) - counts - np.array([line.first for line in lines], np.int64)
        line_of = np.repeat(np.arange(len(lines)), counts)
        self._table = _Table(lines, line_of, np.arange(len(line_of)) - begins[line_of], places)
        if problem.rationing is Rationing.ALL_OR_NOTHING:
            table = self._table
            self._table = table.only(table.full | (table.replicas == table.of(lambda line: line.guaranteed)))
        self.values = np.stack([self._table.values(objective) for objective in objectives])

    def knapsack(self, allowed: Flags, first: int) -> Knapsack | None:
        """Only the allowed options, valued from the `first` objective on; None if a demand has none."""
        table = self._table.only(allowed)
        groups = table.of(lambda line: line.place)
        if len(np.unique(groups)) < len(self._problem.demands):
            return None
        rows = list(_rows(self._problem))
        numbers = {device: number for number, device in enumerate(sorted({device for device, _ in rows}))}
        numbers[""] = -1
        return Knapsack(
            group=groups,
            device=table.of(lambda line: numbers[line.device]),
            takes=table.takes(rows),
            values=self.values[first:, allowed],
            room=np.array([slots.count for _, slots in rows], np.int64),
            row_device=np.array([numbers[device] for device, _ in rows], np.int64),
        )

    def assignments(self, allowed: Flags, chosen: Indices) -> dict[Key, Assignment]:
        """What the chosen ones of the allowed options mean."""
        table = self._table.only(allowed)
        found = {}
        for option in chosen.tolist():
            line, replicas = table.lines[table.line[option]], int(table.replicas[option])
            variant, candidate = line.variant, line.candidate
            name = candidate.accelerator if candidate and replicas else variant.current_accelerator
            found[variant.key] = Assignment(name, replicas)
        return found


@dataclass(frozen=True)
class _Table:
    """Every option as its line and its replicas."""

    lines: Sequence[_Line]
    line: Indices
    replicas: Indices
    places: Places

    def only(self, kept: Flags) -> "_Table":
        return replace(self, line=self.line[kept], replicas=self.replicas[kept])

    def of(self, read: Callable[[_Line], float]) -> NDArray[Any]:
        """What every option's line says."""
        return np.array([read(line) for line in self.lines])[self.line]

    @cached_property
    def served_rpm(self) -> Floats:
        """What the replicas complete: `objectives.capacity_rpm`."""
        served: Floats = self.replicas * self.of(lambda line: line.rate_rpm)
        return served

    @cached_property
    def servable_rpm(self) -> Floats:
        """What could be served of the demand."""
        return self.of(lambda line: line.servable_rpm)

    @cached_property
    def full(self) -> Flags:
        """`objectives.is_full`."""
        return self.served_rpm >= self.servable_rpm * (1 - RELATIVE_TOLERANCE)

    def takes(self, rows: Sequence[tuple[str, Slots]]) -> Indices:
        """Slots of every row; replicas that have no room on the nodes take none."""
        per_replica = np.array(
            [
                [slots.takes(line.units) if device == line.device else 0 for device, slots in rows]
                for line in self.lines
            ],
            np.int64,
        ).reshape(len(self.lines), len(rows))
        placed = self.replicas - self.of(lambda line: line.variant.unplaced)
        takes: Indices = per_replica[self.line] * placed[:, None]
        return takes.T.copy()

    def values(self, objective: Objective) -> Floats:
        """`objectives.demand_value` of the option's demand."""
        concerned = self.of(lambda line: objective.concerns(line.demand))
        return np.where(concerned, self._amounts(objective.kind), 0.0)

    def _amounts(self, kind: Kind) -> NDArray[Any]:
        match kind:
            case Kind.NOT_FULL:
                amounts = np.where(self.full, 0.0, self.servable_rpm)
            case Kind.UNSERVED:
                amounts = np.where(self.full, 0.0, self.servable_rpm - self.served_rpm)
            case Kind.MINIMUM_MISSED:
                amounts = np.maximum(0, self.of(lambda line: line.variant.minimum) - self.replicas)
            case Kind.COST:
                new = self.replicas * self.of(lambda line: line.cost_per_hour)
                old = self.of(lambda line: line.variant.current_cost_per_hour)
                amounts = new + np.where(self._switches, SWITCHING_SHARE * (old + new), 0.0)
            case Kind.CHANGES:
                current = self.of(lambda line: line.variant.current_replicas)
                stopped_and_started = self._switches * 2 * np.minimum(current, self.replicas)
                amounts = np.abs(self.replicas - current) + stopped_and_started
            case Kind.NAME_ORDER:
                place = self.of(lambda line: self.places[line.variant.key])
                amounts = place * self.replicas + self.of(lambda line: line.rank)
        return amounts

    @cached_property
    def _switches(self) -> Flags:
        return self.of(lambda line: line.switches)


def _lines(place: int, demand: Demand) -> Iterator[_Line]:
    [variant] = demand.variants
    servable_rpm = demand.servable_rpm
    guaranteed = max(variant.minimum, variant.floor)
    if not guaranteed:
        yield _Line(place, demand, servable_rpm, guaranteed, 0, None, 0, 0)
    for rank, candidate in enumerate(variant.candidates):
        first, last = max(1, guaranteed), variant.most_replicas(candidate, servable_rpm)
        if first <= last:
            yield _Line(place, demand, servable_rpm, guaranteed, rank, candidate, first, last)


def _rows(problem: Problem) -> Iterator[tuple[str, Slots]]:
    """Constraint (3), where counting slots is exact."""
    for device, sizes in sorted(uses_of(problem).items()):
        for slots in problem.nodes(device).conditions(sizes).slots:
            yield device, slots
