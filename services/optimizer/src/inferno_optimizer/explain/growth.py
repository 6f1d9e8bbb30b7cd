"""What one more unit of each scarce device would save or serve: by solving again with it, or by its price.

A unit is worth what the best plan with it is better than the best plan without it; no price that a linear
relaxation puts on it says that of whole replicas. Solving again costs about as much as the plan did. So it is
done for the demands that compete for a device, where these have few variants, or where `policy.one_more_unit`
asks for it; and told only where both plans are proven optimal: the difference of two guesses says nothing.
Larger plans get an estimate: the price in a linear relaxation (`prices`), and the answer says that it is one.

The unit comes to the node where it does most: with replicas of 4, to one with 3 or 7 units. Where it changes
nothing, a new node with the units of the smallest replica is tried.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Literal

from ortools.util.python.solve_interrupter import SolveInterrupter

from inferno_optimizer.allocation import Nodes, Problem, Rationing, Solution, SolverError, solve
from inferno_optimizer.allocation.components import components
from inferno_optimizer.allocation.objectives import Kind, Objective, places_of, served_share, value_of
from inferno_optimizer.allocation.saturation import choosing_steps, minimum_steps, rationing_steps
from inferno_optimizer.candidates import SizedGroup
from inferno_optimizer.decisions import Service
from inferno_optimizer.demands import DemandKey
from inferno_optimizer.explain.prices import prices_of

FEW: Final = 10
"""Competing variants up to which it is done without being asked for: some milliseconds per device."""

MOST_COMPETING: Final = 500
MOST_DEVICES: Final = 8
MOST_PRICED: Final = 4_000
"""Competing variants up to which a price is looked for: about 0.3 s."""

MOST_PRICED_DEVICES: Final = 64
SHARE_OF_TIME: Final = 0.25
"""Part of a plan's time limit that is kept for solving again."""

SHARE_FOR_PRICES: Final = 0.05

NOTHING: Final = 1e-6
TOGETHER: Final = (Rationing.FAIR, Rationing.FAIR_WITHIN_PRIORITY)


@dataclass(frozen=True, slots=True)
class Growth:
    """What `units` more of a device change.

    Requests/min served by priority, cents per hour saved, and replicas that bring variants to their minimums.
    A `price` is an estimate per unit, with no cost where it is in requests/min: what serving these would cost
    is not looked into.
    """

    units: int
    serves_rpm: Mapping[int, float]
    saves_cents_per_hour: float | None
    minimum_replicas: int = 0
    basis: Literal["re-solve", "price"] = "re-solve"

    @property
    def nothing(self) -> bool:
        """Whether the units would be of no use."""
        changes = (*self.serves_rpm.values(), self.saves_cents_per_hour or 0.0, self.minimum_replicas)
        return all(abs(change) < NOTHING for change in changes)


@dataclass(frozen=True, slots=True)
class Question:
    """A scarce device, and the demands that compete for it; `exact`: few enough to solve again."""

    device: str
    part: Problem
    exact: bool = True

    @property
    def sizes(self) -> list[int]:
        """Units that a replica takes, largest first."""
        candidates = [c for v in self.part.variants() for c in v.candidates]
        return sorted({c.units for c in candidates if c.device == self.device}, reverse=True)


def questions_of(problem: Problem, scarce: set[str], *, asked: bool | None) -> list[Question]:
    """What is worth finding out about scarce devices; `asked` is `policy.one_more_unit`."""
    if asked is False or problem.capacity is None:
        return []
    most = MOST_COMPETING if asked else FEW
    together = [problem.demands] if problem.rationing in TOGETHER else components(problem, scarce)
    exact: list[Question] = []
    priced: list[Question] = []
    for device in sorted(scarce):
        for demands in together:
            used = {c.device for d in demands for v in d.variants for c in v.candidates}
            variants = sum(len(d.variants) for d in demands)
            if device not in used or variants > MOST_PRICED:
                continue
            part = replace(problem, demands=tuple(demands))
            if variants <= most and len(exact) < MOST_DEVICES:
                exact.append(Question(device, part))
            elif variants > FEW:
                priced.append(Question(device, part, exact=False))
    return [*exact, *priced[:MOST_PRICED_DEVICES]]


def share_of_time(questions: Sequence[Question]) -> float:
    """Part of the time limit that is to be kept for the questions."""
    if any(question.exact for question in questions):
        return SHARE_OF_TIME
    return SHARE_FOR_PRICES if questions else 0.0


def growth_of(
    questions: Sequence[Question],
    solution: Solution,
    groups: Sequence[SizedGroup],
    time_limit_seconds: float,
    interrupter: SolveInterrupter | None,
    clock: Callable[[], float],
) -> dict[str, Growth]:
    """By device, for the questions that could be answered; `time_limit_seconds` is for all of them.

    Raises:
        InterruptedSolveError: the interrupter was triggered.
    """
    deadline = clock() + time_limit_seconds
    sized = {group.group.key: group for group in groups}
    found: dict[str, Growth] = {}
    left = [question for question in questions if question.exact and _proven(solution)]
    while left:
        question = left.pop(0)
        base = _Worth(question.part, sized, solution)
        until = clock() + (deadline - clock()) / (len(left) + 1)
        for units, grown in _richer(question):
            solved = _best(question, grown, until, interrupter, clock)
            if solved is None:
                break
            found[question.device] = _difference(units, base, _Worth(question.part, sized, solved))
            if not found[question.device].nothing:
                break
    priced = [question for question in questions if not question.exact]
    return found | _priced(priced, solution, deadline, interrupter, clock)


def _priced(
    questions: Sequence[Question],
    solution: Solution,
    deadline: float,
    interrupter: SolveInterrupter | None,
    clock: Callable[[], float],
) -> dict[str, Growth]:
    """Estimates, for all devices that the same demands compete for at once."""
    together: dict[DemandKey, list[Question]] = defaultdict(list)
    for question in questions:
        together[question.part.demands[0].key].append(question)
    found: dict[str, Growth] = {}
    for alike in together.values():
        seconds = deadline - clock()
        if seconds <= 0:
            break
        devices = [question.device for question in alike]
        for device, (step, price) in prices_of(
            alike[0].part, solution, devices, seconds, interrupter
        ).items():
            if step.kind is Kind.COST:
                found[device] = Growth(1, {}, price, basis="price")
            else:
                found[device] = Growth(1, {step.priority or 0: price}, None, basis="price")
    return found


def _best(
    question: Question,
    grown: Sequence[Nodes],
    deadline: float,
    interrupter: SolveInterrupter | None,
    clock: Callable[[], float],
) -> Solution | None:
    """The best plan with any of these nodes instead, if all of them were solved and proven in time."""
    solved = []
    for done, nodes in enumerate(grown):
        problem = _with_nodes(question, nodes)
        seconds = (deadline - clock()) / (1 + len(grown) - done)
        if seconds <= 0:
            return None
        try:
            solution = solve(problem, time_limit_seconds=seconds, interrupter=interrupter, clock=clock)
        except SolverError:
            return None
        if not _proven(solution):
            return None
        solved.append((_merit(problem, solution), solution))
    return min(solved, key=lambda entry: entry[0])[1]


def _proven(solution: Solution) -> bool:
    return all(stage.status == "optimal" for stage in solution.stages)


def _merit(problem: Problem, solution: Solution) -> list[float]:
    """All that plans are compared by, in its order; smaller is better."""
    assignments, places = solution.assignments, places_of(problem)
    values: list[float] = []
    for step in (*minimum_steps(problem), *rationing_steps(problem), *choosing_steps()):
        if isinstance(step, Objective):
            values.append(value_of(step, problem, assignments, places))
        else:
            concerned = [demand for demand in problem.demands if step.concerns(demand)]
            values += sorted((1 - served_share(demand, assignments) for demand in concerned), reverse=True)
    return [round(value, 6) for value in values]


def _richer(question: Question) -> Iterator[tuple[int, list[Nodes]]]:
    """What the nodes are with one unit more, wherever it may be of use, then with a node for a replica."""
    nodes = question.part.nodes(question.device)
    grown = list(_grown(nodes, question.sizes))
    if grown:
        yield 1, grown
    smallest = question.sizes[-1]
    if smallest > 1:
        yield smallest, [nodes.plus(smallest)]


def _grown(nodes: Nodes, sizes: Sequence[int]) -> Iterator[Nodes]:
    """One unit more on a node that replicas can fill to the last unit then; any other would leave it free.

    Where each size divides the next, a node that is full of the largest one serves all others as well.
    """
    placed = sorted({*sizes, *(size for size, _ in nodes.fixed)}, reverse=True)
    chain = all(large % small == 0 for large, small in pairwise(placed))
    filled = _filled(nodes.largest + 1, placed)
    useful = [units for units, _ in (*nodes.free, (0, 1)) if units + 1 in filled]
    if chain and useful:
        useful = [max(useful, key=lambda units: max(size for size in placed if (units + 1) % size == 0))]
    for units in useful:
        others = Counter(dict(nodes.free))
        others[units] -= 1
        others[units + 1] += 1
        yield replace(
            nodes, free=tuple(sorted(((u, n) for u, n in others.items() if u and n > 0), reverse=True))
        )


def _filled(most: int, sizes: Sequence[int]) -> set[int]:
    """Units that replicas of these sizes can take together, up to `most`."""
    filled = {0}
    for units in range(1, most + 1):
        if any(units - size in filled for size in sizes):
            filled.add(units)
    return filled


def _with_nodes(question: Question, nodes: Nodes) -> Problem:
    return replace(question.part, capacity={**(question.part.capacity or {}), question.device: nodes})


class _Worth:
    """What a plan of some demands is worth."""

    def __init__(
        self, part: Problem, sized: Mapping[tuple[str, str, str], SizedGroup], solution: Solution
    ) -> None:
        self.cost_per_hour = 0.0
        self.missed = sum(max(0, v.minimum - solution.assignments[v.key].replicas) for v in part.variants())
        self.served_rpm: dict[int, float] = defaultdict(float)
        for demand in part.demands:
            capacity_rpm = 0.0
            for variant in demand.variants:
                for candidate in variant.candidates:
                    replicas = solution.replicas(variant, candidate)
                    capacity_rpm += candidate.rate_rpm * replicas
                    self.cost_per_hour += candidate.cost_per_hour * replicas
            self.served_rpm[demand.priority] += Service(sized[demand.key], capacity_rpm).served_rpm


def _difference(units: int, before: _Worth, after: _Worth) -> Growth:
    served = {p: after.served_rpm[p] - before.served_rpm[p] for p in sorted(before.served_rpm)}
    saved = before.cost_per_hour - after.cost_per_hour
    return Growth(units, served, saved, before.missed - after.missed)
