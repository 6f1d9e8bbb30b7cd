"""What is known about whether somebody acts on a decision; becomes the condition `Actuated`."""

from dataclasses import dataclass

from inferno_actuator.conditions import ConditionReason


@dataclass(frozen=True, slots=True)
class Actuation:
    """Whether the desired replicas become running ones.

    Args:
        works: somebody follows, or needs not.
        reason: of the condition.
        message: with the numbers, and the fix when it does not work.
        routine: as the user wants it, no problem.
    """

    works: bool
    reason: ConditionReason
    message: str
    routine: bool = False
