"""A plan without a solver: where the program starts from, and the answer if its time ends before a solution.

Demands are taken by importance and name: first the floors and minimums of all, then each in full on the
cheapest accelerators that still have room, or as far as that goes. No claim of optimality: a certificate that
rests on it says `fallback`.
"""

from collections import defaultdict

from inferno_optimizer.allocation.objectives import Assignments
from inferno_optimizer.allocation.packing import Room
from inferno_optimizer.allocation.problem import (
    RELATIVE_TOLERANCE,
    Assignment,
    Candidate,
    Demand,
    Key,
    Problem,
    Rationing,
    Variant,
)


def construct(problem: Problem, minimums: Assignments | None = None) -> Assignments:
    """Assignments for every variant, within all limits. Floors are placed without asking for room.

    `minimums` are assignments to begin with, which fit; without them the minimums of some may find no room
    although all could be kept.
    """
    ledger = _Ledger(problem)
    if minimums is not None:
        for variant in problem.variants():
            ledger.begin(variant, minimums[variant.key])
    for variant in problem.variants():
        ledger.raise_to(variant, variant.floor, forced=True)
    for variant in problem.variants():
        ledger.raise_to(variant, variant.minimum, forced=False)
    for demand in problem.demands:
        _serve(demand, ledger, whole_only=problem.rationing is Rationing.ALL_OR_NOTHING)
    return {variant.key: ledger.assignment(variant) for variant in problem.variants()}


def keeps_minimums(problem: Problem, assignments: Assignments) -> bool:
    """Whether no variant is below its minimum."""
    return all(assignments[v.key].replicas >= v.minimum for v in problem.variants())


class _Ledger:
    """Room on the nodes, and what each variant has been given."""

    def __init__(self, problem: Problem) -> None:
        self._given: dict[Key, tuple[Candidate, int]] = {}
        sizes: dict[str, set[int]] = defaultdict(set)
        for variant in problem.variants():
            for candidate in variant.candidates:
                sizes[candidate.device].add(candidate.units)
        limited = problem.capacity is not None
        self._rooms = {d: Room(problem.nodes(d), found) for d, found in sizes.items()} if limited else {}

    def assignment(self, variant: Variant) -> Assignment:
        if not self.replicas(variant):
            return Assignment(variant.current_accelerator, 0)
        return Assignment(self._given[variant.key][0].accelerator, self.replicas(variant))

    def given(self, variant: Variant) -> tuple[Candidate, int] | None:
        return self._given.get(variant.key)

    def replicas(self, variant: Variant) -> int:
        return self._given[variant.key][1] if variant.key in self._given else 0

    def completes_rpm(self, variant: Variant) -> float:
        replicas = self.replicas(variant)
        return self._given[variant.key][0].rate_rpm * replicas if replicas else 0.0

    def room(self, candidate: Candidate, wanted: int) -> int:
        """How many of the wanted replicas fit."""
        room = self._rooms.get(candidate.device)
        return wanted if room is None else room.more(candidate.units, max(0, wanted))

    def raise_to(self, variant: Variant, replicas: int, *, forced: bool) -> None:
        """Bring a variant to that many replicas, or as near as fits; it stays on what it has."""
        missing = replicas - self.replicas(variant)
        if missing <= 0:
            return
        given = self.given(variant)
        choices = [given[0]] if given else sorted(variant.candidates, key=_cost_per_rate)
        candidate = max(choices, key=lambda c: self.room(c, missing))
        added = missing if forced else self.room(candidate, missing)
        if added:
            self.put(variant, candidate, self.replicas(variant) + added)

    def begin(self, variant: Variant, assignment: Assignment) -> None:
        """Give a variant what it has in a plan that fits."""
        candidate = variant.candidate(assignment.accelerator)
        if candidate is not None and assignment.replicas:
            self.put(variant, candidate, assignment.replicas)

    def put(self, variant: Variant, candidate: Candidate, replicas: int) -> None:
        """Replace what a variant has."""
        self.clear(variant)
        self._given[variant.key] = (candidate, replicas)
        self._count(variant, candidate, replicas)

    def clear(self, variant: Variant) -> None:
        """Take back what a variant has."""
        before = self._given.pop(variant.key, None)
        if before is not None:
            self._count(variant, before[0], -before[1])

    def _count(self, variant: Variant, candidate: Candidate, replicas: int) -> None:
        placed = max(0, abs(replicas) - variant.unplaced)
        if candidate.device in self._rooms:
            self._rooms[candidate.device].add(candidate.units, placed if replicas > 0 else -placed)


def _cost_per_rate(candidate: Candidate) -> float:
    return candidate.cost_per_hour / candidate.rate_rpm if candidate.rate_rpm else candidate.cost_per_hour


def _serve(demand: Demand, ledger: _Ledger, *, whole_only: bool) -> None:
    """Serve variant by variant until all is served or nothing fits; minimums may change their accelerator."""
    before = [(variant, ledger.given(variant)) for variant in demand.variants]
    rest_rpm = demand.servable_rpm * (1 - RELATIVE_TOLERANCE)
    rest_rpm -= sum(ledger.completes_rpm(variant) for variant in demand.variants)
    for variant in demand.variants:
        if rest_rpm > 0:
            rest_rpm += ledger.completes_rpm(variant)
            _serve_by(variant, rest_rpm, demand.servable_rpm, ledger)
            rest_rpm -= ledger.completes_rpm(variant)
    if whole_only and rest_rpm > 0:
        for variant, given in before:
            ledger.clear(variant)
            if given is not None:
                ledger.put(variant, *given)


def _serve_by(variant: Variant, rate_rpm: float, whole_rpm: float, ledger: _Ledger) -> None:
    """Give a variant what serves the rate at least cost, or the most of it that fits."""
    given = ledger.given(variant)
    guaranteed = max(variant.floor, min(variant.minimum, ledger.replicas(variant)))
    ledger.clear(variant)
    options = []
    for position, candidate in enumerate(variant.candidates):
        if variant.floor and given is not None and candidate is not given[0]:
            continue
        most = variant.most_replicas(candidate, whole_rpm)
        wanted = max(guaranteed, min(most, candidate.replicas_for(rate_rpm)))
        fitting = variant.unplaced + ledger.room(candidate, wanted - variant.unplaced)
        replicas = max(fitting, variant.floor)
        if replicas >= max(guaranteed, 1):
            served_rpm = min(rate_rpm, candidate.rate_rpm * replicas)
            options.append((-served_rpm, candidate.cost_per_hour * replicas, position, replicas))
    if options:
        _, _, position, replicas = min(options)
        ledger.put(variant, variant.candidates[position], replicas)
    elif given is not None:
        ledger.put(variant, *given)
