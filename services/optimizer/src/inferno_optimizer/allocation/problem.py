"""The allocation problem and its answer as plain frozen data, so that solver and verifier share nothing else.

The symbols in brackets are those of the model in `mip`: a reader can check one against the other.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from inferno_optimizer.allocation.nodes import NO_NODES, Nodes, Slots
from inferno_optimizer.allocation.packing import Packing

Key = tuple[str, str]
"""(namespace, name) of a variant."""

RELATIVE_TOLERANCE: Final = 1e-6
"""A demand counts as served in full when at most this share of it is not."""

SWITCHING_SHARE: Final = 0.05
"""Switching the accelerator is charged this share of old + new cost; see `switching_cost`."""


class Rationing(StrEnum):
    """Who gets the devices when they do not suffice for every demand."""

    ALL_OR_NOTHING = "all-or-nothing"
    PRIORITY = "priority"
    FAIR_WITHIN_PRIORITY = "fair-within-priority"
    FAIR = "fair"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One accelerator for one variant (j in C_v).

    `rate_rpm` [r_vj] is what one replica completes within the SLO, `units` [a_vj mult_j] the devices that it
    takes and `cost_per_hour` [c_vj] its price in cents.
    """

    accelerator: str
    device: str
    units: int
    cost_per_hour: float
    rate_rpm: float

    def replicas_for(self, rate_rpm: float) -> int:
        """Fewest replicas that serve a rate in full: 37.5 rpm at 14.3 rpm each are 3."""
        if rate_rpm <= 0:
            return 0
        return math.ceil(rate_rpm / self.rate_rpm * (1 - RELATIVE_TOLERANCE))


@dataclass(frozen=True, slots=True)
class Variant:
    """One workload (v in V_d), on one accelerator at a time.

    `minimum` [lo_v] gives way only when the devices do not even suffice for the minimums; `floor` never does.
    `candidates` are in the order of their accelerators' names and never empty: one if there is a floor.
    `unplaced` replicas of the floor run although the nodes have no room for them: they count against none.
    """

    key: Key
    candidates: tuple[Candidate, ...]
    minimum: int = 0
    maximum: int | None = None
    floor: int = 0
    current_accelerator: str | None = None
    current_replicas: int = 0
    current_cost_per_hour: float = 0.0
    unplaced: int = 0

    def candidate(self, accelerator: str | None) -> Candidate | None:
        """The candidate of that name, if it is one."""
        for candidate in self.candidates:
            if candidate.accelerator == accelerator:
                return candidate
        return None

    def most_replicas(self, candidate: Candidate, rate_rpm: float) -> int:
        """Upper bound [hi_vj]: never more than would serve the whole rate alone, nor than the maximum."""
        needed = candidate.replicas_for(rate_rpm)
        wanted = needed if self.maximum is None else min(needed, self.maximum)
        return max(wanted, self.minimum, self.floor)

    def switches_to(self, accelerator: str | None) -> bool:
        """Whether a plan with that accelerator moves the workload to other devices."""
        return self.current_accelerator is not None and accelerator not in (None, self.current_accelerator)


@dataclass(frozen=True, slots=True)
class Demand:
    """Load of one (namespace, model, service class) [d], shared by all its variants.

    `rate_rpm` [lambda_d] is what is to be provided for: head-room and throughput targets are in it already.
    """

    key: tuple[str, str, str]
    priority: int
    rate_rpm: float
    variants: tuple[Variant, ...]

    @property
    def servable_rpm(self) -> float:
        """What devices without limit could serve: the rate, cut only by the variants' own maximums."""
        bound = 0.0
        for variant in self.variants:
            if variant.maximum is None:
                return self.rate_rpm
            bound += max(c.rate_rpm for c in variant.candidates) * max(variant.maximum, variant.floor)
        return min(self.rate_rpm, bound)


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything that a choice depends on; demands by importance and name, variants by name.

    `capacity` [W_k] are the nodes of each device, without the units of unmanaged pods; what held variants
    keep is fixed on them. None: unlimited. A device that is not named has none.
    """

    demands: tuple[Demand, ...]
    capacity: Mapping[str, Nodes] | None = None
    rationing: Rationing = Rationing.ALL_OR_NOTHING
    delayed_best_effort: bool = False

    def variants(self) -> Iterator[Variant]:
        """Every variant, demand by demand."""
        for demand in self.demands:
            yield from demand.variants

    def nodes(self, device: str) -> Nodes:
        """Nodes of a device in a problem with limits."""
        return (self.capacity or {}).get(device, NO_NODES)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one variant gets [z_vj, y_vj]; no accelerator only with no replica."""

    accelerator: str | None
    replicas: int


@dataclass(frozen=True, slots=True)
class Stage:
    """One solved objective; `bound` is None when the stage was not solved for its own sake."""

    objective: str
    value: float
    bound: float | None
    status: Literal["optimal", "feasible", "fallback"]

    @property
    def gap(self) -> float | None:
        """Relative distance between value and bound; 0 is proven optimal."""
        if self.bound is None:
            return None
        return max(0.0, self.value - self.bound) / max(1e-9, abs(self.value)) if self.value else 0.0


@dataclass(frozen=True, slots=True)
class Priced:
    """The linear relaxation of one objective over some demands, all objectives before it being 0.

    `value` is its least value, `prices` what one slot more takes off it, by device and size of the slots.
    """

    demands: tuple[tuple[str, str, str], ...]
    objective: str
    value: float
    prices: tuple[tuple[str, Slots, float], ...]


@dataclass(frozen=True, slots=True)
class Solution:
    """Assignments of all variants, and how good they are stage by stage.

    `placement` is the witness that they fit: for every device with limits, how its nodes are filled. `alone`
    are assignments that demands would have if they were alone, by the demand's key, as far as they are known;
    `priced` are relaxations that were solved on the way.
    """

    assignments: Mapping[Key, Assignment]
    stages: tuple[Stage, ...] = ()
    placement: Mapping[str, Packing] = field(default_factory=dict)
    alone: Mapping[tuple[str, str, str], Mapping[Key, Assignment]] = field(default_factory=dict)
    priced: tuple[Priced, ...] = ()

    def replicas(self, variant: Variant, candidate: Candidate) -> int:
        """Replicas of a variant on one candidate [y_vj]."""
        assignment = self.assignments[variant.key]
        return assignment.replicas if assignment.accelerator == candidate.accelerator else 0
