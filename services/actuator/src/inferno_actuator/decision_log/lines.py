"""The lines of the decision log, and how a cycle becomes lines. Pure.

A snapshot is written once for all decisions made from it, on a line of its own before them; each decision
names it by its id. So every decision can be replayed from the file alone.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from inferno_actuator.decisions import Decision, Decisions
from inferno_actuator.views import RulingView
from inferno_shared.contracts import Allocation, CurrentAllocation, Load, Snapshot, WireModel
from inferno_shared.contracts.wire import SCHEMA_VERSION


class LoggedSnapshot(WireModel):
    """What the decisions on the following lines were made from."""

    kind: Literal["snapshot"] = "snapshot"
    schema_version: Literal["1"] = SCHEMA_VERSION
    snapshot_id: str
    snapshot: Snapshot


class LoggedDecision(WireModel):
    """One variant in one cycle: what was seen, what the plan says, what was decided and why."""

    kind: Literal["decision"] = "decision"
    at: datetime
    cycle: int
    trigger: str
    snapshot_id: str
    namespace: str
    name: str
    uid: str
    mode: str
    current: CurrentAllocation | None
    load: Load | None
    allocation: Allocation | None = Field(description="The plan's figures; null when they could not be used")
    planned_replicas: int | None = Field(description="Before any guard rail")
    desired_replicas: int | None
    accelerator: str | None
    held: bool
    reason: str
    message: str
    rails: list[RulingView]
    actuation: str | None = Field(description="Who acts on it: reason of the condition Actuated")

    @property
    def variant(self) -> str:
        """namespace/name."""
        return f"{self.namespace}/{self.name}"


class LoggedFailure(WireModel):
    """A cycle that came to no decision."""

    kind: Literal["failure"] = "failure"
    at: datetime
    cycle: int
    trigger: str
    snapshot_id: str | None
    stage: str
    reason: str
    message: str


Line = LoggedSnapshot | LoggedDecision | LoggedFailure
_LINES: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])


@dataclass(frozen=True, slots=True)
class CycleLines:
    """What one cycle adds to the log: perhaps a snapshot, then its decisions or its failure."""

    snapshot: Snapshot | None
    lines: tuple[LoggedDecision | LoggedFailure, ...]

    @classmethod
    def of(
        cls, snapshot: Snapshot, decisions: Decisions, *, at: datetime, cycle: int, trigger: str
    ) -> "CycleLines":
        """The lines of a cycle that came to decisions."""
        snapshot_id = snapshot.id or snapshot.content_id()
        return cls(
            snapshot,
            tuple(_decision(d, snapshot_id, at, cycle, trigger) for d in decisions.by_key.values()),
        )


def parse_line(text: str) -> Line:
    """One line of the log.

    Raises:
        ValueError: it is none; the message names the field.
    """
    try:
        return _LINES.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "line"
        raise ValueError(f"not a line of a decision log: {where}: {first['msg']}") from error


def _decision(decision: Decision, snapshot_id: str, at: datetime, cycle: int, trigger: str) -> LoggedDecision:
    variant, desired = decision.variant, decision.desired
    return LoggedDecision(
        at=at,
        cycle=cycle,
        trigger=trigger,
        snapshot_id=snapshot_id,
        namespace=decision.key[0],
        name=decision.key[1],
        uid=decision.known.uid,
        mode=decision.known.mode,
        current=variant.current if variant else None,
        load=variant.load if variant else None,
        allocation=decision.allocation,
        planned_replicas=decision.planned_replicas,
        desired_replicas=desired.replicas if desired else None,
        accelerator=desired.accelerator if desired else None,
        held=decision.held,
        reason=decision.reason,
        message=decision.message,
        rails=[RulingView.of(ruling) for ruling in decision.rulings],
        actuation=decision.actuation.reason if decision.actuation else None,
    )
