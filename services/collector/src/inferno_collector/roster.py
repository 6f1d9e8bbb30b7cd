"""Which pods belong to which variant, those deleted a moment ago included.

A scale-down deletes a pod whose completions still lie in the window: without it the rate would drop at once.
And a pod's readiness tells its start-up time only the first time: later it may tell of a restart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from inferno_collector.samples import PodKey


@dataclass(frozen=True, slots=True)
class ServingPod:
    """A pod of a variant. Times in seconds since the epoch; `address` is "IP:port" of its metrics."""

    key: PodKey
    variant: tuple[str, str]
    born_at: float | None = None
    ready_at: float | None = None
    ready: bool = False
    exists: bool = True
    address: str | None = None
    startup_seconds: float | None = None
    last_seen_at: float = 0.0

    def first_startup_seconds(self, before: "ServingPod | None") -> float | None:
        """From creation to ready, as first seen: readiness lost and regained (a restart) is no start."""
        if before is not None and before.born_at == self.born_at and before.startup_seconds is not None:
            return before.startup_seconds
        if not self.ready or self.ready_at is None or self.born_at is None:
            return None
        return max(self.ready_at - self.born_at, 0.0)

    def has_been_ready_for(self, seconds: float, now: float) -> bool:
        """Whether it is ready and has been for so long that its metrics must have been read."""
        return self.ready and (self.ready_at is None or now - self.ready_at > seconds)


Roster = Mapping[PodKey, ServingPod]


def update_roster(
    previous: Roster, present: Iterable[ServingPod], *, now: float, keep_seconds: float
) -> Roster:
    """The pods present now, and those that vanished within the last `keep_seconds`."""
    roster = {
        pod.key: replace(
            pod, last_seen_at=now, startup_seconds=pod.first_startup_seconds(previous.get(pod.key))
        )
        for pod in present
    }
    for key, pod in previous.items():
        if key not in roster and now - pod.last_seen_at <= keep_seconds:
            roster[key] = replace(pod, exists=False, ready=False)
    return roster
