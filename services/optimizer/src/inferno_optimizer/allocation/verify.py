"""Checks an allocation with nothing but arithmetic: no solver, and no formula shared with the program.

`mip` and `objectives` could be wrong together; this module can only be wrong by itself. It proves that a plan
keeps every constraint, that its certificate states the plan's own numbers, and that nobody less important
holds a device with which a more important demand could be served further. Optimal cost it cannot prove.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from inferno_optimizer.allocation.nodes import Items
from inferno_optimizer.allocation.problem import (
    Assignment,
    Candidate,
    Demand,
    Problem,
    Rationing,
    Solution,
    Variant,
)
from inferno_optimizer.allocation.witness import placement_violations, replicas_that_fit

TOLERANCE: Final = 1e-5
"""Relative difference below which two numbers of a certificate are the same."""


def verify(problem: Problem, solution: Solution) -> list[str]:
    """Sentences about everything that is wrong; empty for a plan that may leave."""
    unknown = sorted(set(solution.assignments) ^ {v.key for v in problem.variants()})
    if unknown:
        return [f"{'/'.join(key)} is assigned but not asked for, or the other way round" for key in unknown]
    book = _Book(problem, solution)
    wrong = [sentence for v in problem.variants() for sentence in _variant_violations(v, book)]
    if wrong:
        return wrong
    wrong += _limit_violations(book)
    wrong += _certificate_violations(book)
    if problem.rationing is Rationing.ALL_OR_NOTHING:
        wrong += _half_measures(book)
    if _rationing_proven(solution):
        wrong += _inversions(book)
    return wrong


@dataclass(frozen=True, slots=True)
class _Held:
    """What one variant got."""

    variant: Variant
    candidate: Candidate | None
    replicas: int

    @property
    def guaranteed(self) -> int:
        return max(self.variant.minimum, self.variant.floor)


class _Book:
    """The plan, looked at by variant, demand and device."""

    def __init__(self, problem: Problem, solution: Solution) -> None:
        self.problem = problem
        self.solution = solution
        self.held = {v.key: self._entry(v, solution.assignments[v.key]) for v in problem.variants()}
        self.used: dict[str, Counter[int]] = defaultdict(Counter)
        for entry in self.held.values():
            if entry.candidate is not None:
                self.used[entry.candidate.device][entry.candidate.units] += (
                    entry.replicas - entry.variant.unplaced
                )
        self.reclaimable = _reclaimable(self.held.values())
        self._fit: dict[tuple[str, int, int], int] = {}

    @staticmethod
    def _entry(variant: Variant, assignment: Assignment) -> _Held:
        named = [c for c in variant.candidates if c.accelerator == assignment.accelerator]
        return _Held(variant, named[0] if named else None, assignment.replicas)

    def entries(self, demand: Demand) -> list[_Held]:
        return [self.held[v.key] for v in demand.variants]

    def completes_rpm(self, demand: Demand) -> float:
        return sum(e.candidate.rate_rpm * e.replicas for e in self.entries(demand) if e.candidate is not None)

    def is_full(self, demand: Demand) -> bool:
        return self.completes_rpm(demand) >= _servable_rpm(demand) * (1 - TOLERANCE)

    def unserved_rpm(self, demand: Demand) -> float:
        return 0.0 if self.is_full(demand) else _servable_rpm(demand) - self.completes_rpm(demand)

    def fit(self, candidate: Candidate, freed: Mapping[str, Items]) -> int:
        """Replicas that certainly fit once others, by device and size, have left.

        The answer is remembered by the identity of `freed`, which has to live as long as the book.
        """
        asked = (candidate.device, candidate.units, id(freed))
        if asked not in self._fit:
            self._fit[asked] = self.fit_without(candidate, freed.get(candidate.device, {}))
        return self._fit[asked]

    def fit_without(self, candidate: Candidate, freed: Items) -> int:
        """The same for replicas of the candidate's own device, by size."""
        packing = self.solution.placement.get(candidate.device, ())
        return replicas_that_fit(self.problem.nodes(candidate.device), packing, candidate.units, freed)


def _servable_rpm(demand: Demand) -> float:
    """The rate, unless every variant has a maximum and these together fall short of it."""
    most = 0.0
    for variant in demand.variants:
        if variant.maximum is None:
            return demand.rate_rpm
        most += max(c.rate_rpm for c in variant.candidates) * max(variant.maximum, variant.floor)
    return min(demand.rate_rpm, most)


def _variant_violations(variant: Variant, book: _Book) -> Iterator[str]:
    entry = book.held[variant.key]
    name = "/".join(variant.key)
    assigned = book.solution.assignments[variant.key]
    if assigned.replicas < 0:
        yield f"{name} gets {assigned.replicas} replicas"
        return
    if assigned.replicas and entry.candidate is None:
        yield f"{name} is put on {assigned.accelerator}, which is not among its candidates"
        return
    if assigned.replicas < variant.floor:
        yield f"{name} gets {assigned.replicas} replicas, fewer than the {variant.floor} that it must keep"
    if variant.maximum is not None:
        most = max(variant.maximum, variant.minimum, variant.floor)
        if assigned.replicas > most:
            yield f"{name} gets {assigned.replicas} replicas, more than the {most} that it may have"
    if assigned.replicas < variant.minimum:
        yield from _missed_minimum(entry, book)


def _missed_minimum(entry: _Held, book: _Book) -> Iterator[str]:
    """A minimum may be missed only when no device could be found for one replica more."""
    name = "/".join(entry.variant.key)
    if book.problem.capacity is None:
        yield f"{name} gets {entry.replicas} replicas, below its minimum {entry.variant.minimum}"
        return
    if not _minimums_proven(book.solution):
        return
    for candidate in _growing(entry):
        if book.fit(candidate, book.reclaimable):
            yield (
                f"{name} misses its minimum {entry.variant.minimum} with {entry.replicas} replicas while"
                f" {candidate.device} could hold one more"
            )


def _limit_violations(book: _Book) -> Iterator[str]:
    """Units first, as that is easier to understand; then whether every replica has its node."""
    if book.problem.capacity is None:
        return
    for device in sorted({*book.used, *book.problem.capacity}):
        nodes, sizes = book.problem.nodes(device), book.used.get(device, Counter())
        limit = sum(free * count for free, count in nodes.free)
        used = sum(size * count for size, count in (*sizes.items(), *nodes.fixed))
        if used > limit:
            yield f"{used} units of {device} are used, the limit is {limit}"
        else:
            yield from placement_violations(device, nodes, book.solution.placement.get(device, ()), sizes)


def _half_measures(book: _Book) -> Iterator[str]:
    for demand in book.problem.demands:
        beyond = [e for e in book.entries(demand) if e.replicas > e.guaranteed]
        if beyond and not book.is_full(demand):
            yield f"{'/'.join(demand.key)} is served in part, which the policy does not allow"


def _certificate_violations(book: _Book) -> Iterator[str]:
    expected = _expected_values(book)
    for stage in book.solution.stages:
        value = expected.get(stage.objective)
        if value is not None and abs(value - stage.value) > TOLERANCE * max(1.0, abs(value)):
            yield f"the certificate states {stage.value:g} for {stage.objective}, the plan has {value:g}"
        if stage.bound is not None and stage.bound > stage.value + TOLERANCE * max(1.0, abs(stage.value)):
            yield f"the bound {stage.bound:g} of {stage.objective} is above its value {stage.value:g}"
        if stage.status == "optimal" and (stage.gap is None or stage.gap > TOLERANCE):
            yield f"{stage.objective} is called optimal with a gap of {stage.gap}"


def _expected_values(book: _Book) -> dict[str, float]:
    values = {"cost": 0.0, "replicas changed": 0.0, "unserved rate": 0.0}
    for entry in book.held.values():
        values["cost"] += _charged(entry)
        values["replicas changed"] += _changed(entry)
    for demand in book.problem.demands:
        priority = demand.priority
        unserved, full = book.unserved_rpm(demand), book.is_full(demand)
        values["unserved rate"] += unserved
        for name, amount in (
            (f"unserved rate, priority {priority}", unserved),
            (
                f"rate of demands not served in full, priority {priority}",
                0.0 if full else _servable_rpm(demand),
            ),
        ):
            values[name] = values.get(name, 0.0) + amount
    return values


def _charged(entry: _Held) -> float:
    """Cents per hour, plus 5 % of old and new cost when the accelerator changes."""
    if entry.candidate is None or not entry.replicas:
        return 0.0
    new = entry.candidate.cost_per_hour * entry.replicas
    current = entry.variant.current_accelerator
    if current in (None, entry.candidate.accelerator):
        return new
    return new + 0.05 * (new + entry.variant.current_cost_per_hour)


def _changed(entry: _Held) -> int:
    before = entry.variant.current_replicas
    current = entry.variant.current_accelerator
    if entry.replicas and entry.candidate is not None and current not in (None, entry.candidate.accelerator):
        return before + entry.replicas
    return abs(entry.replicas - before)


def _rationing_proven(solution: Solution) -> bool:
    words = ("unserved", "not served", "minimum", "demands at")
    return all(
        stage.status == "optimal"
        for stage in solution.stages
        if any(word in stage.objective for word in words)
    )


def _minimums_proven(solution: Solution) -> bool:
    return all(s.status == "optimal" for s in solution.stages if "minimum" in s.objective)


def _growing(entry: _Held) -> Iterable[Candidate]:
    """Where a variant could get one more replica: its accelerator, or any when it has none yet."""
    if entry.replicas and entry.candidate is not None:
        return [entry.candidate]
    return entry.variant.candidates


def _reclaimable(entries: Iterable[_Held]) -> dict[str, Counter[int]]:
    """Replicas by device and size that could be taken back without touching minimums."""
    spare: dict[str, Counter[int]] = defaultdict(Counter)
    for entry in entries:
        if entry.candidate is not None and entry.replicas > entry.guaranteed:
            spare[entry.candidate.device][entry.candidate.units] += entry.replicas - entry.guaranteed
    return spare


def _inversions(book: _Book) -> Iterator[str]:
    """Demands that could be served further with idle devices or those of less important demands."""
    if book.problem.capacity is None:
        return
    spares = {
        priority: _reclaimable(_less_important(priority, book))
        for priority in {demand.priority for demand in book.problem.demands}
    }
    for demand in book.problem.demands:
        if book.is_full(demand):
            continue
        spare = spares[demand.priority]
        grows = _whole_growth if book.problem.rationing is Rationing.ALL_OR_NOTHING else _one_more
        for device in grows(demand, book, spare):
            yield (
                f"{'/'.join(demand.key)} (priority {demand.priority}) is not served in full while {device} is"
                " idle or serves less important demands"
            )
            break


def _less_important(priority: int, book: _Book) -> Iterator[_Held]:
    """Variants that the policy ranks after a priority in all that they hold beyond their minimum."""
    if book.problem.rationing is Rationing.FAIR:
        return
    for other in book.problem.demands:
        if other.priority <= priority:
            continue
        if book.problem.delayed_best_effort and book.is_full(other):
            continue
        yield from book.entries(other)


def _one_more(demand: Demand, book: _Book, spare: Mapping[str, Items]) -> Iterator[str]:
    for entry in book.entries(demand):
        for candidate in _growing(entry):
            if entry.replicas >= entry.variant.most_replicas(candidate, _servable_rpm(demand)):
                continue
            if book.fit(candidate, spare):
                yield candidate.device


def _whole_growth(demand: Demand, book: _Book, spare: Mapping[str, Items]) -> Iterator[str]:
    """Devices on which one variant could serve all that is missing."""
    missing = _servable_rpm(demand) - book.completes_rpm(demand)
    for entry in book.entries(demand):
        for candidate in entry.variant.candidates:
            own_rpm = entry.candidate.rate_rpm * entry.replicas if entry.candidate is not None else 0.0
            needed = candidate.replicas_for(missing + own_rpm)
            if needed > entry.variant.most_replicas(candidate, _servable_rpm(demand)):
                continue
            freed = Counter(spare.get(candidate.device, {}))
            if entry.candidate is not None and entry.candidate.device == candidate.device:
                freed[entry.candidate.units] += entry.replicas - entry.variant.unplaced
            wanted = max(needed, entry.guaranteed) - entry.variant.unplaced
            if book.fit_without(candidate, freed) >= wanted:
                yield candidate.device
