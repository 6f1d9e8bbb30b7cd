"""What a guard rail decided: the words in which rails, conditions, metrics and the decision log agree."""

from dataclasses import dataclass
from enum import StrEnum


class Rail(StrEnum):
    """Every guard rail between plan and export; reason of the condition `Guarded` and label of a metric."""

    DEMAND_UNKNOWN = "DemandUnknown"
    WOULD_REVERT = "WouldRevert"
    STABILIZING = "Stabilizing"
    STEP_DOWN_BOUND = "StepDownBound"
    STEP_UP_BOUND = "StepUpBound"
    ZERO_NOT_ALLOWED = "ZeroNotAllowed"
    WAITS_FOR_DEVICES = "WaitsForDevices"


@dataclass(frozen=True, slots=True)
class Ruling:
    """One rail's intervention.

    Args:
        rail: which one.
        wanted: replicas before it, the plan's or an earlier rail's.
        allowed: replicas after it.
        message: why, with the numbers, and what changes it.
    """

    rail: Rail
    wanted: int
    allowed: int
    message: str
