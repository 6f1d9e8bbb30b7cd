"""What a rail may look at: one decision, its past, and the limits. No rail looks anywhere else."""

from dataclasses import dataclass

from inferno_actuator.decisions import Decision
from inferno_actuator.known import Desired
from inferno_actuator.rails.limits import RailLimits
from inferno_actuator.rails.memory import Runs
from inferno_shared.contracts import Allocation, Outcome, PlanReason, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One variant at the moment of decision.

    Args:
        decision: what the plan led to, before any rail.
        variant: as the snapshot has it.
        desired: the decision's, never None here.
        runs: what was planned and allowed lately; at a start the last value of the status.
        limits: of the rails.
        headroom: the factor by which the optimizer sizes demand up.
        interval_seconds: of the loop.
        now: monotonic seconds.
    """

    decision: Decision
    variant: Variant
    desired: Desired
    runs: Runs
    limits: RailLimits
    headroom: float
    interval_seconds: float
    now: float

    @property
    def allocation(self) -> Allocation | None:
        """What the plan says of the variant."""
        return self.decision.allocation

    @property
    def before(self) -> int:
        """Replicas in force until now."""
        return self.runs[-1].allowed if self.runs else self.variant.current.replicas

    @property
    def changes_accelerator(self) -> bool:
        """Whether replicas before and after cannot be compared."""
        previous = self.decision.previous
        return previous is not None and previous.accelerator != self.desired.accelerator

    @property
    def yields_to_scarcity(self) -> bool:
        """Whether the plan takes replicas because somebody more important needs the devices."""
        allocation = self.allocation
        return allocation is not None and (
            allocation.reason is PlanReason.INSUFFICIENT_CAPACITY
            or allocation.outcome in (Outcome.PARTIAL, Outcome.UNSERVED)
        )
