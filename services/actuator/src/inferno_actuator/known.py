"""A VariantAutoscaling as the loop sees it, and what its status still remembers of earlier decisions.

The status is the only memory that survives a restart: `persisted` reads the last desired allocation back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from inferno_actuator.modes import Mode
from inferno_actuator.ties import Tie
from inferno_shared.kubernetes import ScaleTargetRef

Key = tuple[str, str]
"""(namespace, name)"""


def counted(replicas: int) -> str:
    """A number of replicas in words. Example: `1 replica`, `3 replicas`."""
    return f"{replicas} replica{'' if replicas == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Desired:
    """So many replicas on this accelerator."""

    accelerator: str
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVariant:
    """One VariantAutoscaling of the API server at the start of a cycle.

    Args:
        malformed: why its spec could not be read; None when it could.
        target: what is scaled; None when the spec could not be read.
        mode: how its decisions become replicas.
        mode_problem: what is wrong with the annotation that chooses the mode.
        tie: how it is to be tied to its target.
        tied: how it is.
    """

    namespace: str
    name: str
    uid: str = ""
    generation: int = 0
    status: Mapping[str, Any] = field(default_factory=dict)
    malformed: str | None = None
    target: ScaleTargetRef | None = None
    mode: Mode = Mode.HPA
    mode_problem: str | None = None
    tie: Tie = Tie.OUTLIVES
    tied: Tie = Tie.NONE

    @property
    def key(self) -> Key:
        """(namespace, name)."""
        return self.namespace, self.name

    @property
    def subject(self) -> str:
        """How problems of a snapshot or plan name it."""
        return f"VariantAutoscaling {self.namespace}/{self.name}"

    @property
    def target_words(self) -> str:
        """The scale target for people. Example: `Deployment llm-d-sim/my-model`."""
        kind, name = (self.target.kind, self.target.name) if self.target else ("Deployment", self.name)
        return f"{kind} {self.namespace}/{name}"

    def persisted(self) -> Desired | None:
        """The desired allocation that an earlier cycle, perhaps of another process, wrote into the status."""
        return _allocation(self.status, "desiredOptimizedAlloc")

    def allocated(self) -> Desired | None:
        """What ran in the eyes of that cycle."""
        return _allocation(self.status, "currentAlloc")


def _allocation(status: Mapping[str, Any], part: str) -> Desired | None:
    allocation = status.get(part)
    if not isinstance(allocation, Mapping):
        return None
    accelerator, replicas = allocation.get("accelerator"), allocation.get("numReplicas")
    if not isinstance(accelerator, str) or not accelerator:
        return None
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        return None
    return Desired(accelerator, replicas)
