"""Builds the mixed-integer program of `mip` from a `Problem`: variables, constraints (1) to (4), objectives.

A demand with a single variant is written as a choice among segments (serve in full; serve in part), which
describes its whole replicas by their convex hull: the linear relaxation is then nearly integral and its
reduced costs are sharp, which is what makes 10,000 variants solvable (`lexicographic`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from inferno_optimizer.allocation.blocks import Block, Segment
from inferno_optimizer.allocation.limits import limit_flow, limit_slots
from inferno_optimizer.allocation.linear import Linear, Variable, total
from inferno_optimizer.allocation.objectives import Kind, Objective, Places
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
from inferno_optimizer.allocation.program import Program

HALF: Final = 0.5
"""The middle between 0 and 1: how a solver's value of a binary variable is read."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Which parts of the model are needed.

    `partial`: demands may get less than all of it. `soft_minimum`: minimums may be missed, at a price.
    `flow`: sizes that do not divide each other are placed exactly; otherwise only their slots are counted.
    """

    partial: bool = True
    soft_minimum: bool = False
    flow: bool = True


class AllocationModel:
    """The program of one problem, to be solved for one objective after the other."""

    def __init__(self, problem: Problem, shape: Shape, places: Places) -> None:
        self.problem = problem
        self.program = Program()
        self._shape = shape
        self._places = places
        self._all_or_nothing = problem.rationing is Rationing.ALL_OR_NOTHING
        self.blocks = [self._block(demand) for demand in problem.demands]
        if problem.capacity is not None:
            self._limit_devices()

    def expression(self, objective: Objective) -> Linear:
        """The objective as a linear expression."""
        return total(
            term
            for block in self.blocks
            if objective.concerns(block.demand)
            for term in self._terms(objective.kind, block)
        )

    def assignments(self, values: Sequence[float]) -> dict[Key, Assignment]:
        """Whole replicas out of the solver's values."""
        found = {v.key: Assignment(v.current_accelerator, 0) for v in self.problem.variants()}
        for block in self.blocks:
            for segment in block.segments:
                if values[segment.chosen.column] > HALF:
                    replicas = round(segment.replicas.value(values))
                    if replicas:
                        found[segment.variant.key] = Assignment(segment.candidate.accelerator, replicas)
        return found

    def require_full(self, objective: Objective, *, required: bool = True) -> None:
        """Leave the demands of an objective no way to be served in part, or give it back."""
        for block in self.concerned(objective):
            if block.whole is not None:
                self.program.bound(block.whole, lower=1.0 if required else 0.0)
                continue
            for chosen in block.short_choices:
                self.program.bound(chosen, upper=0.0 if required else 1.0)

    def concerned(self, objective: Objective) -> list[Block]:
        """The blocks of an objective of service that has something to serve."""
        return [b for b in self.blocks if objective.concerns(b.demand) and b.demand.servable_rpm]

    def settle_fullness(self, block: Block, *, full: bool) -> None:
        """From now on a demand is served in full, or is not."""
        if block.whole is not None:
            self.program.bound(block.whole, lower=float(full), upper=float(full))
            return
        for chosen in block.short_choices if full else [s.chosen for s in block.segments if s.full]:
            self.program.bound(chosen, upper=0.0)

    def drop_excluded(self) -> None:
        """Forget the segments that can no longer be chosen: less to carry through the stages to come."""
        for block in self.blocks:
            block.segments = [s for s in block.segments if self.program.upper_bound(s.chosen) > HALF]
            if block.idle is not None and self.program.upper_bound(block.idle) < HALF:
                block.idle = None

    def _block(self, demand: Demand) -> Block:
        if len(demand.variants) == 1:
            return self._single(demand, demand.variants[0])
        return self._shared(demand)

    def _single(self, demand: Demand, variant: Variant) -> Block:
        """(1) in its tight form: share served = full choices + r_vj y_vj / lambda_d of partial ones."""
        rate = demand.servable_rpm
        block = Block(demand)
        block.segments = [
            self._segment(variant, candidate, lower, upper, full=full)
            for candidate in variant.candidates
            for lower, upper, full in self._ranges(variant, candidate, rate)
        ]
        must_run = bool(rate) and not self._shape.partial
        block.idle = self._one_accelerator(block, variant, block.segments, must_run=must_run)
        return block

    def _ranges(self, variant: Variant, candidate: Candidate, rate: float) -> Iterator[tuple[int, int, bool]]:
        """(fewest, most, serves in full) replicas of each way to use a candidate of a single variant."""
        needed = candidate.replicas_for(rate)
        most = variant.most_replicas(candidate, rate)
        all_of_it = max(needed, variant.minimum, variant.floor)
        if 0 < all_of_it <= most:
            yield all_of_it, all_of_it, True
        if not self._shape.partial:
            return
        fewest = max(self._guaranteed(variant), 1)
        if self._shape.soft_minimum and max(fewest, needed) < all_of_it:
            yield max(fewest, needed), all_of_it - 1, True
        if self._all_or_nothing:
            most = max(variant.minimum, variant.floor)
        if fewest <= min(most, needed - 1):
            yield fewest, min(most, needed - 1), False

    def _shared(self, demand: Demand) -> Block:
        """(1) divided by lambda_d: share served <= sum of r_vj y_vj / lambda_d; whole only if share is 1."""
        rate = demand.servable_rpm
        block = Block(demand)
        whole = block.whole = self.program.binary()
        share = block.share = self.program.variable(0.0, 1.0)
        for variant in demand.variants:
            fewest = max(self._guaranteed(variant), 1)
            segments = [
                self._segment(variant, candidate, fewest, most)
                for candidate in variant.candidates
                if (most := variant.most_replicas(candidate, rate)) >= fewest
            ]
            self._one_accelerator(block, variant, segments, must_run=False)
            block.segments.extend(segments)
            if self._all_or_nothing and segments:
                base = max(variant.minimum, variant.floor)
                highest = max(variant.most_replicas(s.candidate, rate) for s in segments)
                replicas = total(s.replicas for s in segments)
                self.program.add(replicas <= base + (highest - base) * whole)
        if rate:
            served = total(s.replicas * (s.candidate.rate_rpm / rate) for s in block.segments)
            self.program.add(share <= served + RELATIVE_TOLERANCE * whole)
        self.program.add(whole <= share)
        if not self._shape.partial:
            self.program.bound(whole, lower=1.0)
        return block

    def _segment(
        self, variant: Variant, candidate: Candidate, lower: int, upper: int, *, full: bool = False
    ) -> Segment:
        """(2) y = lo z + y', 0 <= y' <= (hi - lo) z; no y' where only one number of replicas is possible."""
        chosen = self.program.binary()
        replicas = lower * chosen
        if lower < upper:
            more = self.program.variable(0.0, upper - lower, integer=True)
            self.program.add(more <= (upper - lower) * chosen)
            replicas += more
        return Segment(variant, candidate, chosen, replicas, lower, upper, full)

    def _one_accelerator(
        self, block: Block, variant: Variant, segments: list[Segment], *, must_run: bool
    ) -> Variable | None:
        """(2) sum of z_vj <= 1, (4) exactly 1 where replicas are guaranteed.

        To choose nothing is a choice too, so that its price shows and it can be excluded (`cores`); it is
        the answer.
        """
        idle = None
        chosen = total(s.chosen for s in segments)
        if must_run or self._guaranteed(variant):
            self.program.add(chosen.equals(1))
        elif segments:
            idle = self.program.binary()
            self.program.add((chosen + idle).equals(1))
        if self._shape.soft_minimum and variant.minimum:
            missed = self.program.variable(0.0, variant.minimum)
            counted = total(self._counted(s, variant.minimum) for s in segments)
            self.program.add(missed >= variant.minimum - counted)
            block.missed.append(missed)
        return idle

    def _counted(self, segment: Segment, minimum: int) -> Linear:
        """min(y, minimum), tight: half a choice of many replicas does not make up for the other half."""
        if segment.lower >= minimum:
            return minimum * segment.chosen
        if segment.upper <= minimum:
            return segment.replicas
        counted = self.program.variable(0.0, minimum)
        self.program.add(counted <= segment.replicas)
        self.program.add(counted <= minimum * segment.chosen)
        return counted

    def _guaranteed(self, variant: Variant) -> int:
        """Replicas that no plan goes below."""
        return max(variant.floor, 0 if self._shape.soft_minimum else variant.minimum)

    def _limit_devices(self) -> None:
        """(3) what is used of every device can be placed on its nodes."""
        used: dict[str, dict[int, list[Linear]]] = defaultdict(lambda: defaultdict(list))
        floors: dict[str, Counter[int]] = defaultdict(Counter)
        for block in self.blocks:
            for segment in block.segments:
                used[segment.candidate.device][segment.candidate.units].append(segment.replicas)
            for variant in block.demand.variants:
                if variant.floor:
                    [candidate] = variant.candidates
                    floors[candidate.device][candidate.units] += variant.floor - variant.unplaced
                    used[candidate.device][candidate.units].append(Linear(constant=-variant.unplaced))
        for device in sorted(used):
            replicas = {size: total(found) for size, found in used[device].items()}
            limit_slots(self.program, self.problem.nodes(device), replicas)
            if self._shape.flow:
                limit_flow(self.program, self.problem.nodes(device), replicas, floors[device])

    def _terms(self, kind: Kind, block: Block) -> Sequence[Linear]:
        match kind:
            case Kind.MINIMUM_MISSED:
                return block.missed
            case Kind.NOT_FULL:
                return [block.demand.servable_rpm * (1.0 - block.full)]
            case Kind.UNSERVED:
                return [block.demand.servable_rpm * (1.0 - block.served_share)]
            case Kind.COST:
                return [segment.cost for segment in block.segments]
            case Kind.CHANGES:
                return [*map(self._changes, block.segments), *block.stopped]
            case Kind.NAME_ORDER:
                return [self._order(segment) for segment in block.segments]

    def _changes(self, segment: Segment) -> Linear:
        """Replicas changed if the segment is chosen, 0 otherwise."""
        current, chosen, replicas = segment.variant.current_replicas, segment.chosen, segment.replicas
        if segment.variant.switches_to(segment.candidate.accelerator):
            return replicas + current * chosen
        if segment.lower >= current:
            return replicas - current * chosen
        if segment.upper <= current:
            return current * chosen - replicas
        most = max(segment.upper - current, current - segment.lower)
        changes = self.program.variable(0.0, most, integer=True)
        self.program.add(changes >= replicas - current * chosen)
        self.program.add(changes >= current * chosen - replicas)
        return changes

    def _order(self, segment: Segment) -> Linear:
        rank = segment.variant.candidates.index(segment.candidate)
        return self._places[segment.variant.key] * segment.replicas + rank * segment.chosen
