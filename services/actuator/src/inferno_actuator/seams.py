"""What the loop needs of the world around it, and how long it waits for it: the seams that tests use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from inferno_actuator.actuation.verdict import Actuation
from inferno_actuator.decision_log import CycleLines
from inferno_actuator.decisions import Decision
from inferno_actuator.known import Key, KnownVariant
from inferno_actuator.rails import RailLimits
from inferno_shared.kubernetes.autoscalers import HorizontalPodAutoscaler


class ClusterView(Protocol):
    """What the loop reads of the cluster."""

    def known(self) -> Mapping[Key, KnownVariant]:
        """Every VariantAutoscaling that is not on its way out."""
        ...

    def interval_seconds(self) -> float:
        """How often the loop runs."""
        ...

    def rail_limits(self) -> RailLimits:
        """How far the guard rails let a plan go."""
        ...

    def autoscalers(self) -> Sequence[HorizontalPodAutoscaler] | None:
        """Every HPA; None while they cannot be read."""
        ...


class Actor(Protocol):
    """Scales targets directly."""

    async def act(self, decisions: Sequence[Decision]) -> Mapping[Key, Actuation]:
        """Carry the decisions out; what became of each."""
        ...


class DecisionSink(Protocol):
    """Keeps what was decided."""

    async def write(self, cycle: CycleLines) -> None:
        """Append a cycle; never fails."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long each stage may take, how old a plan may be; None: five intervals, at least five minutes."""

    collect_seconds: float = 30
    optimize_seconds: float = 90
    apply_seconds: float = 60
    plan_max_age_seconds: float | None = None

    def max_age_seconds(self, interval_seconds: float) -> float:
        """The age at which a desired value is not exported any more."""
        if self.plan_max_age_seconds is not None:
            return self.plan_max_age_seconds
        return max(5 * interval_seconds, 300.0)


class Owners(Protocol):
    """Ties VariantAutoscalings to their targets where users want that."""

    def due(self, decisions: Sequence[Decision]) -> int:
        """How many writes `settle` is going to make: they leave less room for heartbeats."""
        ...

    async def settle(self, decisions: Sequence[Decision]) -> None:
        """Set or remove owner references; never fails."""
        ...
