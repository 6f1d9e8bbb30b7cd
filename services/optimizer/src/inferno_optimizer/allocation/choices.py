"""All that variants may be given, written out as arrays: the options of a `Knapsack`.

The same choices as in the program (`model`), and the formulas of `objectives`, for many options at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
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
)
from inferno_optimizer.allocation.program import Flags, Floats, Indices


class Choices:
    """The options of all demands, of which each has one variant, in the order of the demands."""

    def __init__(self, problem: Problem, objectives: Sequence[Objective], places: Places) -> None:
        lines = [line for group, demand in enumerate(problem.demands) for line in _lines(group, demand)]
        options = _Options.of(lines, places)
        if problem.rationing is Rationing.ALL_OR_NOTHING:
            options = options.only(options.full | (options.replicas == options.guaranteed))
        rows = tuple(_rows(problem))
        devices = sorted({device for device, _ in rows})
        self.rows = rows
        self.full = options.full
        self._problem = problem
        self._lines = lines
        self._options = options
        self.values = np.array([options.values(objective) for objective in objectives])
        self._all = Knapsack(
            group=options.group,
            device=np.array([_number(line, devices) for line in lines], np.int64)[options.line],
            takes=_takes(lines, rows)[:, options.line] * (options.replicas - options.unplaced),
            values=self.values,
            room=np.array([slots.count for _, slots in rows], np.int64),
            row_device=np.array([devices.index(device) for device, _ in rows], np.int64),
        )

    @property
    def ends(self) -> Flags:
        """The options among which a relaxation mixes all others: fewest and most replicas, and one less."""
        first, last = (np.array([(line.first, line.last) for line in self._lines]).T)[:, self._options.line]
        replicas = self._options.replicas
        ends: Flags = (replicas == first) | (replicas >= last - 1)
        return ends

    def knapsack(self, allowed: Flags, first: int) -> Knapsack | None:
        """Only the allowed options, valued from the `first` objective on; None if a demand has none."""
        everything = self._all
        group = everything.group[allowed]
        if len(np.unique(group)) < len(self._problem.demands):
            return None
        return replace(
            everything,
            group=group,
            device=everything.device[allowed],
            takes=everything.takes[:, allowed],
            values=everything.values[first:, allowed],
        )

    def assignments(self, allowed: Flags, chosen: Indices) -> dict[Key, Assignment]:
        """What the chosen ones of the allowed options mean."""
        found = {}
        for option in np.flatnonzero(allowed)[chosen].tolist():
            line, replicas = self._lines[self._options.line[option]], int(self._options.replicas[option])
            [variant] = line.demand.variants
            name = variant.current_accelerator if line.candidate is None else line.candidate.accelerator
            found[variant.key] = Assignment(name, replicas)
        return found


@dataclass(frozen=True, slots=True)
class _Line:
    """From `first` to `last` replicas of one candidate; no candidate: no replicas."""

    group: int
    demand: Demand
    rank: int
    candidate: Candidate | None
    first: int
    last: int


@dataclass(frozen=True)
class _Options:
    """What the formulas need of every option, as arrays."""

    line: Indices
    replicas: Indices
    group: Indices
    rank: Indices
    priority: Indices
    place: Indices
    guaranteed: Indices
    unplaced: Indices
    current: Indices
    switches: Indices
    servable_rpm: Floats
    rate_rpm: Floats
    cost_per_hour: Floats
    old_cost_per_hour: Floats

    @classmethod
    def of(cls, lines: Sequence[_Line], places: Places) -> "_Options":
        """Every number of replicas of every line."""
        counts = np.array([line.last - line.first + 1 for line in lines], np.int64)
        begins = np.cumsum(counts) - counts - np.array([line.first for line in lines], np.int64)
        line_of = np.repeat(np.arange(len(lines)), counts)
        whole = np.array([_whole_numbers(line, places) for line in lines], np.int64)
        real = np.array([_real_numbers(line) for line in lines], float)
        return cls(line_of, np.arange(len(line_of)) - begins[line_of], *whole[line_of].T, *real[line_of].T)

    def only(self, kept: Flags) -> "_Options":
        """The kept ones."""
        return _Options(*(getattr(self, field.name)[kept] for field in fields(self)))

    @cached_property
    def full(self) -> Flags:
        """`objectives.is_full`."""
        return self.rate_rpm * self.replicas >= self.servable_rpm * (1 - RELATIVE_TOLERANCE)

    def values(self, objective: Objective) -> Floats:
        """`objectives.demand_value` of the option's demand."""
        amounts = self._amounts(objective.kind)
        if objective.priority is None:
            return amounts.astype(float)
        return np.where(self.priority == objective.priority, amounts, 0.0)

    def _amounts(self, kind: Kind) -> NDArray[Any]:
        replicas = self.replicas
        match kind:
            case Kind.NOT_FULL:
                amounts = np.where(self.full, 0.0, self.servable_rpm)
            case Kind.UNSERVED:
                amounts = np.where(self.full, 0.0, self.servable_rpm - self.rate_rpm * replicas)
            case Kind.MINIMUM_MISSED:  # no option misses one: these are constraints
                amounts = np.zeros(len(replicas))
            case Kind.COST:
                new = self.cost_per_hour * replicas
                amounts = new + self.switches * SWITCHING_SHARE * (self.old_cost_per_hour + new)
            case Kind.CHANGES:
                restarted = 2 * self.switches * np.minimum(self.current, replicas)
                amounts = np.abs(replicas - self.current) + restarted
            case Kind.NAME_ORDER:
                amounts = self.place * replicas + self.rank
        return amounts


def _lines(group: int, demand: Demand) -> Iterator[_Line]:
    [variant] = demand.variants
    guaranteed, servable_rpm = max(variant.minimum, variant.floor), demand.servable_rpm
    if not guaranteed:
        yield _Line(group, demand, 0, None, 0, 0)
    for rank, candidate in enumerate(variant.candidates):
        first, last = max(1, guaranteed), variant.most_replicas(candidate, servable_rpm)
        if first <= last:
            yield _Line(group, demand, rank, candidate, first, last)


def _whole_numbers(line: _Line, places: Places) -> tuple[int, ...]:
    """In the order of the fields of `_Options`."""
    [variant] = line.demand.variants
    return (
        line.group,
        line.rank,
        line.demand.priority,
        places[variant.key],
        max(variant.minimum, variant.floor),
        variant.unplaced,
        variant.current_replicas,
        line.candidate is not None and variant.switches_to(line.candidate.accelerator),
    )


def _real_numbers(line: _Line) -> tuple[float, ...]:
    [variant] = line.demand.variants
    candidate = line.candidate
    rate_rpm, cost = (0.0, 0.0) if candidate is None else (candidate.rate_rpm, candidate.cost_per_hour)
    return line.demand.servable_rpm, rate_rpm, cost, variant.current_cost_per_hour


def _number(line: _Line, devices: Sequence[str]) -> int:
    return -1 if line.candidate is None else devices.index(line.candidate.device)


def _takes(lines: Sequence[_Line], rows: Sequence[tuple[str, Slots]]) -> Indices:
    """Slots of every row that a replica of every line takes."""
    taken = [
        [slots.takes(c.units) if (c := line.candidate) and c.device == device else 0 for line in lines]
        for device, slots in rows
    ]
    return np.array(taken, np.int64).reshape(len(rows), len(lines))


def _rows(problem: Problem) -> Iterator[tuple[str, Slots]]:
    """Constraint (3), where counting slots is exact."""
    for device, sizes in sorted(uses_of(problem).items()):
        for slots in problem.nodes(device).conditions(sizes).slots:
            yield device, slots
