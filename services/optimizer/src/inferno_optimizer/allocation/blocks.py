"""What one demand is in the program of `model`: its segments, and what they say as linear expressions."""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from inferno_optimizer.allocation.linear import Linear, Variable, total
from inferno_optimizer.allocation.problem import SWITCHING_SHARE, Candidate, Demand, Key, Variant
from inferno_optimizer.allocation.program import Floats

ONE: Final = Linear(constant=1.0)


@dataclass(frozen=True, slots=True)
class Segment:
    """One way to use one candidate: `chosen` [z] in {0, 1}, and then lower to upper replicas [y]."""

    variant: Variant
    candidate: Candidate
    chosen: Variable
    replicas: Linear
    lower: int
    upper: int
    full: bool

    @property
    def cost(self) -> Linear:
        """Cost, with the charge for switching accelerators: `objectives.cost_with_switching`."""
        variant, candidate = self.variant, self.candidate
        if not variant.switches_to(candidate.accelerator):
            return candidate.cost_per_hour * self.replicas
        charge = SWITCHING_SHARE * variant.current_cost_per_hour
        return candidate.cost_per_hour * (1 + SWITCHING_SHARE) * self.replicas + charge * self.chosen


@dataclass(slots=True)
class Block:
    """One demand in the model; `share` [1 - u_d / lambda_d] and `whole` are variables if it is shared.

    `idle`, of a demand that is not shared: its variant has no replicas; None where it cannot be so.
    """

    demand: Demand
    segments: list[Segment] = field(default_factory=list)
    missed: list[Variable] = field(default_factory=list)
    share: Variable | None = None
    whole: Variable | None = None
    idle: Variable | None = None

    @property
    def served_share(self) -> Linear:
        """Served part of what can be served, 0 to 1."""
        rate = self.demand.servable_rpm
        if not rate or self.share is not None:
            return self.share if rate and self.share is not None else ONE
        return total(
            s.chosen if s.full else s.replicas * (s.candidate.rate_rpm / rate) for s in self.segments
        )

    @property
    def full(self) -> Linear:
        """1 when served in full, else 0."""
        if not self.demand.servable_rpm or self.whole is not None:
            return ONE if self.whole is None else self.whole
        return total(s.chosen for s in self.segments if s.full)

    @property
    def short_choices(self) -> list[Variable]:
        """Columns of which one is chosen where it is not served in full, of a demand that is not shared."""
        idle = [] if self.idle is None else [self.idle]
        return [*(s.chosen for s in self.segments if not s.full), *idle]

    @property
    def stopped(self) -> Iterator[Linear]:
        """Replicas of the variants that end altogether."""
        chosen: dict[Key, list[Variable]] = defaultdict(list)
        for segment in self.segments:
            chosen[segment.variant.key].append(segment.chosen)
        for variant in self.demand.variants:
            yield variant.current_replicas * (1.0 - total(chosen[variant.key]))

    def fullness_costs(self, costs: Floats) -> tuple[float, float]:
        """Least cost of being served in full, and of not being so, where to choose a column costs so much."""
        if self.whole is not None:
            return float(costs[self.whole.column]), 0.0
        full = (costs[s.chosen.column] for s in self.segments if s.full)
        short = (costs[chosen.column] for chosen in self.short_choices)
        return float(min(full, default=math.inf)), float(min(short, default=math.inf))
