"""What `GET /plan` and `POST /invoke` answer: cycles and decisions in numbers and in words."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import Field

from inferno_actuator.decisions import Decision
from inferno_actuator.explain import headline, in_words
from inferno_actuator.journal import Cycle, PlanInForce
from inferno_actuator.ruling import Ruling
from inferno_shared.contracts import Allocation, Plan, Problem, SloTarget, Variant, WireModel


class FailureView(WireModel):
    """Which stage failed and why."""

    stage: str
    reason: str
    message: str


class CycleView(WireModel):
    """What one run of the loop did."""

    number: int = Field(description="Counts the runs since the start of the process")
    trigger: str = Field(description="start, interval, change, invoke or retry")
    outcome: str = Field(description="planned: a new plan is in force; failed: the last one stays")
    started_at: datetime
    duration_seconds: float
    stage_seconds: dict[str, float]
    snapshot_id: str | None
    variants: int
    changed: list[str] = Field(description="namespace/name of variants whose desired replicas changed")
    held: int
    status_writes: int
    failure: FailureView | None
    write_failure: str | None = Field(description="Why a status could not be written")

    @classmethod
    def of(cls, cycle: Cycle) -> "CycleView":
        """The view of a cycle."""
        failure = cycle.failure
        return cls(
            number=cycle.number,
            trigger=cycle.trigger,
            outcome=cycle.outcome,
            started_at=cycle.started_at,
            duration_seconds=cycle.duration_seconds,
            stage_seconds={str(stage): seconds for stage, seconds in cycle.stage_seconds.items()},
            snapshot_id=cycle.snapshot_id,
            variants=cycle.variants,
            changed=list(cycle.changed),
            held=cycle.held,
            status_writes=cycle.writes.written,
            failure=FailureView(stage=failure.stage, reason=failure.reason, message=failure.message)
            if failure
            else None,
            write_failure=cycle.writes.error,
        )


class RulingView(WireModel):
    """One guard rail's intervention."""

    rail: str
    wanted: int = Field(description="Replicas before it")
    allowed: int = Field(description="Replicas after it")
    message: str

    @classmethod
    def of(cls, ruling: Ruling) -> "RulingView":
        """The view of a ruling."""
        return cls(rail=ruling.rail, wanted=ruling.wanted, allowed=ruling.allowed, message=ruling.message)


class VariantView(WireModel):
    """The decision for one variant, in a line."""

    namespace: str
    name: str
    current_replicas: int | None
    desired_replicas: int | None
    accelerator: str | None
    held: bool
    reason: str
    planned_replicas: int | None = Field(description="Before any guard rail")
    rails: list[RulingView] = Field(description="What the guard rails changed, in order")
    words: str

    @classmethod
    def of(cls, decision: Decision) -> "VariantView":
        """The view of a decision."""
        namespace, name = decision.key
        return cls(
            namespace=namespace,
            name=name,
            current_replicas=decision.current_replicas,
            desired_replicas=decision.desired.replicas if decision.desired else None,
            accelerator=decision.desired.accelerator if decision.desired else None,
            held=decision.held,
            reason=decision.reason,
            planned_replicas=decision.planned_replicas,
            rails=[RulingView.of(ruling) for ruling in decision.rulings],
            words=headline(decision),
        )


class PlanView(WireModel):
    """The plan in force, what it was made from and when, and the last run of the loop."""

    snapshot_id: str | None
    decided_at: datetime | None
    age_seconds: float | None
    fresh: bool = Field(description="Whether its desired values are exported: it is younger than the bound")
    variants: list[VariantView]
    problems: list[Problem] = Field(description="What is wrong anywhere, and what to do about it")
    plan: Plan | None
    last_cycle: CycleView | None
    cycles: list[CycleView] = Field(description="The runs before it, oldest first")

    @classmethod
    def of(
        cls,
        in_force: PlanInForce | None,
        cycles: tuple[Cycle, ...],
        *,
        age_seconds: float | None,
        fresh: bool,
        problems: Sequence[Problem] = (),
    ) -> "PlanView":
        """The view of the plan in force; `problems` are the actuator's own."""
        views = [CycleView.of(cycle) for cycle in cycles]
        return cls(
            snapshot_id=in_force.plan.snapshot_id if in_force else None,
            decided_at=in_force.decided_at if in_force else None,
            age_seconds=age_seconds,
            fresh=fresh,
            variants=[VariantView.of(d) for d in in_force.decisions.values()] if in_force else [],
            problems=[*problems, *(in_force.problems if in_force else ())],
            plan=in_force.plan if in_force else None,
            last_cycle=views[-1] if views else None,
            cycles=views[:-1],
        )


class VariantDetailView(VariantView):
    """One variant: what was seen, what the plan says, what was decided, in numbers and in sentences."""

    explanation: list[str]
    variant: Variant | None
    allocation: Allocation | None
    target: SloTarget | None

    @classmethod
    def explained(cls, decision: Decision, target: SloTarget | None) -> "VariantDetailView":
        """The detailed view of a decision."""
        return cls(
            **VariantView.of(decision).model_dump(),
            explanation=in_words(decision, target),
            variant=decision.variant,
            allocation=decision.allocation,
            target=target,
        )
