"""Decides which Events a cycle is worth: changes of the desired replicas, broken conditions, recoveries.

Pure: compares the conditions before with this cycle's verdicts, so that a problem is told once when it
begins and once when it ends, not every minute.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from inferno_actuator.conditions import Verdict
from inferno_actuator.decisions import Decision, Direction


class NoticeType(StrEnum):
    """The two types of Kubernetes Events."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Notice:
    """One Event to be recorded on a VariantAutoscaling."""

    type: NoticeType
    reason: str
    message: str


def change_notices(decision: Decision) -> tuple[Notice, ...]:
    """What to tell about a change of the desired replicas or accelerator."""
    desired, previous = decision.desired, decision.previous
    if desired is None:
        return ()
    notices = []
    if decision.direction is not None:
        before = previous.replicas if previous else decision.current_replicas
        reason = "ScaleUp" if decision.direction is Direction.UP else "ScaleDown"
        message = (
            f"Desired replicas {before} -> {desired.replicas} on {desired.accelerator}: {decision.message}"
        )
        notices.append(Notice(NoticeType.NORMAL, reason, message))
    if previous is not None and previous.accelerator != desired.accelerator:
        message = f"Accelerator {previous.accelerator} -> {desired.accelerator}: {decision.message}"
        notices.append(Notice(NoticeType.NORMAL, "AcceleratorChanged", message))
    return tuple(notices)


def condition_notices(previous: object, found: Iterable[Verdict]) -> tuple[Notice, ...]:
    """What to tell about conditions: a new problem or a problem's end; silence otherwise.

    A target or metrics that are missing make the optimization fail, too: that consequence is not told again.

    Args:
        previous: `.status.conditions` before this cycle.
        found: this cycle's verdicts.
    """
    before = _by_type(previous)
    broken = recovered = False
    notices: list[Notice] = []
    for verdict in found:
        status, reason = before.get(verdict.type, (None, None))
        if verdict.routine:
            notices += _routine_notices(verdict, known=(status, reason))
            continue
        begins = not verdict.met and (status != "False" or reason != verdict.reason)
        ends = verdict.met and status == "False"
        consequence = broken if not verdict.met else recovered
        if begins and not consequence:
            notices.append(Notice(NoticeType.WARNING, str(verdict.reason), verdict.message))
        elif ends and not consequence:
            message = f"Recovered from {reason}: {verdict.message}"
            notices.append(Notice(NoticeType.NORMAL, str(verdict.reason), message))
        broken, recovered = broken or not verdict.met, recovered or ends
    return tuple(notices)


def _by_type(conditions: object) -> Mapping[str, tuple[object, object]]:
    if not isinstance(conditions, Sequence) or isinstance(conditions, str):
        return {}
    readable: list[Mapping[str, Any]] = [c for c in conditions if isinstance(c, Mapping)]
    return {str(c.get("type")): (c.get("status"), c.get("reason")) for c in readable}


def _routine_notices(verdict: Verdict, *, known: tuple[object, object]) -> list[Notice]:
    """What is no problem is told when it begins or changes its reason, never as a warning."""
    now = ("True" if verdict.met else "False", str(verdict.reason))
    if verdict.quiet or known == now:
        return []
    return [Notice(NoticeType.NORMAL, str(verdict.reason), verdict.message)]
