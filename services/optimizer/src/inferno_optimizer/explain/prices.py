"""About what one more unit of a device is worth in plans too large to be solved again: its price.

A linear relaxation of the program, in which replicas may be fractions, puts a price on every row of
constraint (3): how much better the objective gets per slot more. It is solved for one objective after the
other, in the order in which they decide, each with those before at their value in the relaxation; the first
that puts a price on a device tells what its units are worth: requests/min served, else cents per hour saved.
That costs milliseconds, and is an estimate: replicas are whole, so that one unit alone may serve nothing.

Left out: fair policies while not all is served (the least share has no price per unit that adds up to
requests/min), plans that miss minimums, and what the relaxation calls served where the plan cannot serve it.

The price is read from a column that adds slots to the row, as its reduced cost. Where every demand has one
variant the relaxation is that of a knapsack (`slot_prices`): smaller than the program's, and worth the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from ortools.util.python.solve_interrupter import SolveInterrupter

from inferno_optimizer.allocation import Demand, Nodes, Problem, Rationing, Solution
from inferno_optimizer.allocation.choices import Choices
from inferno_optimizer.allocation.linear import Linear, Variable, total
from inferno_optimizer.allocation.model import AllocationModel, Shape
from inferno_optimizer.allocation.nodes import Slots
from inferno_optimizer.allocation.objectives import Kind, Objective, places_of, value_of
from inferno_optimizer.allocation.saturation import choosing_steps, minimum_steps, rationing_steps
from inferno_optimizer.allocation.slot_prices import EXTRA_SLOTS, slot_prices
from inferno_optimizer.allocation.solver import Relaxed, Unsolved, relax

NOTHING: Final = 1e-6
SLACK: Final = 1e-7
FAIR: Final = (Rationing.FAIR, Rationing.FAIR_WITHIN_PRIORITY)


def prices_of(
    problem: Problem,
    solution: Solution,
    devices: Sequence[str],
    seconds: float,
    interrupter: SolveInterrupter | None = None,
) -> dict[str, tuple[Objective, float]]:
    """By device: the objective that one more unit makes better first, and by how much.

    Units are requests/min, or cents per hour for the cost; devices without a price, or whose price the
    relaxation cannot tell, are missing. `problem` are the demands that compete for the devices.

    Raises:
        InterruptedSolveError: the interrupter was triggered.
    """
    found: dict[str, tuple[Objective, float]] = {}
    kept: list[tuple[Objective, float]] = []
    for step, in_plan in _steps(problem, solution):
        if step.kind is not Kind.COST and in_plan <= NOTHING:
            kept.append((step, 0.0))
            continue
        priced = _known(problem, solution, devices, kept, step)
        if priced is None:
            concerned = replace(problem, demands=tuple(d for d in problem.demands if _concerned(d, step)))
            relaxation = Relaxation if any(len(d.variants) > 1 for d in problem.demands) else Mixture
            priced = relaxation(concerned, devices, kept, step).solve(seconds, interrupter)
        if priced is None:
            break
        value, prices = priced
        found |= {d: (step, price) for d, price in prices.items() if price > NOTHING and d not in found}
        if (step.kind is not Kind.COST and value <= NOTHING) or len(found) == len(devices):
            break
        kept.append((step, value))
    return found


def _steps(problem: Problem, solution: Solution) -> list[tuple[Objective, float]]:
    """The objectives of service, then cost, with their values in the plan; none where prices say nothing."""
    assignments = solution.assignments

    def value(step: Objective) -> float:
        return value_of(step, problem, assignments, {})

    if any(value(step) > 0 for step in minimum_steps(problem)):
        return []
    priorities = sorted({demand.priority for demand in problem.demands})
    cost = next(s for s in choosing_steps() if s.kind is Kind.COST)
    unserved = [Objective(Kind.UNSERVED, priority) for priority in priorities]
    if all(value(step) <= NOTHING for step in unserved):
        return [(cost, value(cost))]
    if problem.rationing in FAIR:
        return []
    wanted = [step for step in rationing_steps(problem) if isinstance(step, Objective)]
    return [(step, value(step)) for step in wanted] + [(cost, value(cost))]


def _known(
    problem: Problem,
    solution: Solution,
    devices: Sequence[str],
    kept: Sequence[tuple[Objective, float]],
    step: Objective,
) -> tuple[float, dict[str, float]] | None:
    """What the solver's own relaxation said, if it solved this one."""
    keys = tuple(demand.key for demand in problem.demands)
    for priced in solution.priced:
        if (priced.demands, priced.objective) == (keys, step.name) and not any(value for _, value in kept):
            return priced.value, _by_device(problem, devices, priced.prices)
    return None


def _by_device(
    problem: Problem, devices: Sequence[str], prices: Iterable[tuple[str, Slots, float]]
) -> dict[str, float]:
    """Prices of a unit, from those of slots."""
    found: dict[str, float] = defaultdict(float)
    for device, slots, price in prices:
        if device in devices:
            found[device] += price * _per_unit(problem.nodes(device), slots)
    return dict(found)


class Mixture:
    """The relaxation where every demand has one variant: a mixture of the choices that each has."""

    def __init__(
        self,
        problem: Problem,
        devices: Sequence[str],
        kept: Sequence[tuple[Objective, float]],
        step: Objective,
    ) -> None:
        objectives = [step, *(objective for objective, _ in kept)]
        self._problem = problem
        self._devices = devices
        self._choices = Choices(problem, objectives, places_of(problem))
        values = self._choices.values
        allowed = self._choices.ends
        for row, (_, value) in enumerate(kept, start=1):
            allowed &= (values[row] == 0) if value <= 0 else True
        if step.kind is Kind.COST and not any(value > 0 for _, value in kept):
            allowed &= self._choices.full
        self._knapsack = self._choices.knapsack(allowed, 0)
        self._kept = [
            (values[row, allowed], value * (1 + SLACK))
            for row, (_, value) in enumerate(kept, start=1)
            if value > 0
        ]

    def solve(
        self, seconds: float, interrupter: SolveInterrupter | None
    ) -> tuple[float, dict[str, float]] | None:
        """The least value, and what a unit of each device takes off it; None if it was not found in time."""
        if self._knapsack is None:
            return None
        values = self._knapsack.values[0]
        found = slot_prices(self._knapsack, values, seconds, interrupter, self._kept)
        if isinstance(found, Unsolved):
            return None
        rows = zip(self._choices.rows, found.prices.tolist(), strict=True)
        prices = ((device, slots, price) for (device, slots), price in rows)
        return found.value, _by_device(self._problem, self._devices, prices)


class Relaxation:
    """The relaxed program for one step, with a column per slots row that adds slots to it."""

    def __init__(
        self,
        problem: Problem,
        devices: Sequence[str],
        kept: Sequence[tuple[Objective, float]],
        step: Objective,
    ) -> None:
        partial = step.kind is not Kind.COST or any(value > 0 for _, value in kept)
        unlimited = replace(problem, capacity=None)
        self._model = AllocationModel(unlimited, Shape(partial=partial, flow=False), {})
        self._program = self._model.program
        self._objective = self._model.expression(step)
        self._extra: dict[str, list[tuple[Variable, float]]] = defaultdict(list)
        for before, value in kept:
            if value <= 0:
                self._model.require_full(before)
            else:
                self._program.add(self._model.expression(before) <= value * (1 + SLACK))
        for device, used in self._used().items():
            self._limit(device, problem.nodes(device), used, priced=device in devices)

    def solve(
        self, seconds: float, interrupter: SolveInterrupter | None
    ) -> tuple[float, dict[str, float]] | None:
        """The least value, and what a unit of each device takes off it; None if it was not found in time."""
        lower, upper = self._program.lower, self._program.upper
        choices = self._program.integer & (lower == 0.0) & (upper == 1.0)
        upper = np.where(choices, np.inf, upper)
        part = self._program.open_part(self._objective, lower, upper, np.zeros(len(lower), bool))
        relaxed = None if part is None else relax(part, seconds, interrupter)
        if part is None or not isinstance(relaxed, Relaxed):
            return None
        reduced = np.zeros(len(lower))
        reduced[part.columns] = relaxed.reduced
        return relaxed.bound, {
            device: sum(-float(reduced[column.column]) * share for column, share in extra)
            for device, extra in self._extra.items()
        }

    def _used(self) -> dict[str, dict[int, Linear]]:
        """Replicas by device and size."""
        used: dict[str, dict[int, list[Linear]]] = defaultdict(lambda: defaultdict(list))
        for block in self._model.blocks:
            for segment in block.segments:
                used[segment.candidate.device][segment.candidate.units].append(segment.replicas)
            for variant in block.demand.variants:
                if variant.unplaced:
                    [candidate] = variant.candidates
                    used[candidate.device][candidate.units].append(Linear(constant=-variant.unplaced))
        return {device: {size: total(n) for size, n in found.items()} for device, found in used.items()}

    def _limit(self, device: str, nodes: Nodes, used: Mapping[int, Linear], *, priced: bool) -> None:
        """Slots as in `limits`; a unit is as many slots as on a node like the largest."""
        for slots in nodes.conditions(used).slots:
            taken = total(slots.takes(size) * n for size, n in sorted(used.items()) if slots.takes(size))
            if priced:
                extra = self._program.variable(0.0, EXTRA_SLOTS)
                self._extra[device].append((extra, _per_unit(nodes, slots)))
                taken -= extra
            self._program.add(taken <= slots.count)


def _concerned(demand: Demand, step: Objective) -> bool:
    """Whether a demand has a say in a step, or a guarantee, which is all that later priorities keep."""
    guaranteed = any(max(v.minimum, v.floor) for v in demand.variants)
    return guaranteed or step.priority is None or demand.priority <= step.priority


def _per_unit(nodes: Nodes, slots: Slots) -> float:
    """How many slots a unit is, on a node like the largest."""
    return nodes.largest // slots.size / nodes.largest if nodes.largest else 1 / slots.size
