"""The stages of a cycle, and the one error in which every failure of a stage arrives at the loop.

`stage` and `reason` are metric labels, so both are closed vocabularies; the message is for people.
"""

from enum import StrEnum

from inferno_shared.errors import InfernoError


class Stage(StrEnum):
    """The steps of a cycle, in order."""

    COLLECT = "collect"
    OPTIMIZE = "optimize"
    DECIDE = "decide"
    ACT = "act"
    APPLY = "apply"


class FailureReason(StrEnum):
    """What kind of failure it was."""

    TIMEOUT = "Timeout"
    UNREACHABLE = "Unreachable"
    REFUSED = "Refused"
    INVALID_ANSWER = "InvalidAnswer"
    STALE_SNAPSHOT = "StaleSnapshot"
    WRONG_SNAPSHOT = "WrongSnapshot"
    UNVERIFIED_PLAN = "UnverifiedPlan"
    UNKNOWN_VARIANT = "UnknownVariant"
    KUBERNETES = "KubernetesError"
    UNEXPECTED = "Unexpected"


class StageError(InfernoError):
    """A stage of the cycle did not come to a usable result."""

    def __init__(self, stage: Stage, reason: FailureReason, message: str) -> None:
        super().__init__(message)
        self.stage = stage
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        """The sentence that goes into conditions and logs."""
        return f"Stage {self.stage} failed ({self.reason}): {self.message}"
