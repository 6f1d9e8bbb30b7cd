"""Remembers the last cycles, bounded, so that `GET /plan` can say what was decided, when, and why."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from inferno_actuator.apply import WriteCounts
from inferno_actuator.decisions import Decision
from inferno_actuator.known import Key
from inferno_actuator.stages import Stage, StageError
from inferno_actuator.triggers import Trigger
from inferno_shared.contracts import Plan, Problem, SloTarget, Snapshot

_CYCLES_KEPT: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInForce:
    """The last plan that could be used, with what it was made from and what became of it."""

    snapshot: Snapshot
    plan: Plan
    decisions: Mapping[Key, Decision]
    targets: Mapping[Key, SloTarget]
    planned_at: float
    decided_at: datetime

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What the collector and the optimizer had to report."""
        return reported(self.snapshot, self.plan)


def reported(snapshot: Snapshot, plan: Plan) -> tuple[Problem, ...]:
    """What the collector and the optimizer have to report, each problem once."""
    found = (*snapshot.problems, *plan.problems)
    return tuple({(p.subject, p.reason, p.message): p for p in found}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """What one run of the loop did.

    Args:
        failure: the stage that failed and why; None when a new plan came into force.
        awaited: variants that the collector did not know yet.
        without_target: variants whose scale target does not exist.
        unknown: variants of the plan that its snapshot did not have.
        writes: how writing the statuses went.
    """

    number: int
    trigger: Trigger
    started_at: datetime
    duration_seconds: float
    stage_seconds: Mapping[Stage, float] = field(default_factory=dict)
    snapshot_id: str | None = None
    failure: StageError | None = None
    variants: int = 0
    changed: tuple[str, ...] = ()
    held: int = 0
    awaited: int = 0
    without_target: int = 0
    unknown: tuple[Key, ...] = ()
    writes: WriteCounts

    @property
    def outcome(self) -> str:
        """Whether a new plan came into force."""
        return "planned" if self.failure is None else "failed"

    @property
    def is_worth_repeating(self) -> bool:
        """Whether another try soon, before the interval is over, may do better."""
        return self.failure is not None or self.awaited > 0


class Journal:
    """The last cycles and the plan in force."""

    def __init__(self) -> None:
        self._cycles: deque[Cycle] = deque(maxlen=_CYCLES_KEPT)
        self.in_force: PlanInForce | None = None

    def record(self, cycle: Cycle) -> Cycle:
        """Keep a cycle, dropping the oldest."""
        self._cycles.append(cycle)
        return cycle

    @property
    def last(self) -> Cycle | None:
        """The last cycle, failed or not."""
        return self._cycles[-1] if self._cycles else None

    @property
    def cycles(self) -> tuple[Cycle, ...]:
        """The cycles kept, oldest first."""
        return tuple(self._cycles)
