"""A plan without a solver: where the program starts from, and the answer if its time ends before a solution.

Demands are taken by importance and name: first the floors and minimums of all, then each in full on the
cheapest accelerators that still have room, or as far as that goes. No claim of optimality: a certificate that
rests on it says `fallback`.
"""

from collections.abc import Mapping

from inferno_optimizer.allocation.objectives import Assignments
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


def construct(problem: Problem) -> Assignments:
    """Assignments for every variant, within all limits. Floors are placed without asking for room."""
    ledger = _Ledger(problem.capacity)
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
    """Free devices, and what each variant has been given."""

    def __init__(self, capacity: Mapping[str, int] | None) -> None:
        self._free = None if capacity is None else dict(capacity)
        self._given: dict[Key, tuple[Candidate, int]] = {}

    def assignment(self, variant: Variant) -> Assignment:
        if not self.replicas(variant):
            return Assignment(variant.current_accelerator, 0)
        return Assignment(self._given[variant.key][0].accelerator, self.replicas(variant))

    def replicas(self, variant: Variant) -> int:
        return self._given[variant.key][1] if variant.key in self._given else 0

    def completes_rpm(self, variant: Variant) -> float:
        replicas = self.replicas(variant)
        return self._given[variant.key][0].rate_rpm * replicas if replicas else 0.0

    def choices(self, variant: Variant) -> list[Candidate]:
        """Candidates, cheapest per unit of rate first; only the one in use once there is one."""
        if self.replicas(variant):
            return [self._given[variant.key][0]]
        return sorted(variant.candidates, key=_cost_per_rate)

    def room(self, candidate: Candidate, wanted: int) -> int:
        """How many of the wanted replicas fit."""
        if self._free is None:
            return wanted
        return min(wanted, max(0, self._free.get(candidate.device, 0)) // candidate.units)

    def raise_to(self, variant: Variant, replicas: int, *, forced: bool) -> None:
        """Bring a variant to that many replicas, or as near as fits."""
        missing = replicas - self.replicas(variant)
        if missing > 0:
            candidate = max(self.choices(variant), key=lambda c: self.room(c, missing))
            self.add(variant, candidate, missing if forced else self.room(candidate, missing))

    def add(self, variant: Variant, candidate: Candidate, replicas: int) -> None:
        """Give (or, below zero, take back) replicas."""
        self._given[variant.key] = (candidate, self.replicas(variant) + replicas)
        if self._free is not None:
            self._free[candidate.device] = self._free.get(candidate.device, 0) - candidate.units * replicas


def _cost_per_rate(candidate: Candidate) -> float:
    return candidate.cost_per_hour / candidate.rate_rpm if candidate.rate_rpm else candidate.cost_per_hour


def _serve(demand: Demand, ledger: _Ledger, *, whole_only: bool) -> None:
    """Add replicas variant by variant until the demand is served or nothing fits."""
    rest_rpm = demand.servable_rpm * (1 - RELATIVE_TOLERANCE)
    rest_rpm -= sum(ledger.completes_rpm(variant) for variant in demand.variants)
    given: list[tuple[Variant, Candidate, int]] = []
    for variant in demand.variants:
        for candidate in ledger.choices(variant):
            if rest_rpm <= 0:
                return
            most = variant.most_replicas(candidate, demand.servable_rpm) - ledger.replicas(variant)
            adding = ledger.room(candidate, min(most, candidate.replicas_for(rest_rpm)))
            if adding > 0:
                ledger.add(variant, candidate, adding)
                given.append((variant, candidate, adding))
                rest_rpm -= candidate.rate_rpm * adding
                break
    if whole_only and rest_rpm > 0:
        for variant, candidate, added in given:
            ledger.add(variant, candidate, -added)
