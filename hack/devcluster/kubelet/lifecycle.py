"""The life of a pod's server as a state machine: start, probe, crash and back off, stop, delete.

Pure: every transition takes the moment as an argument. The worker asks `next_action` what to do, does it,
and reports what happened through one of the transitions.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class Stage(StrEnum):
    """Where the server is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing-off"
    STOPPING = "stopping"
    ENDED = "ended"


class Action(StrEnum):
    """What the worker does next."""

    START = "start"
    PROBE = "probe"
    TERMINATE = "terminate"
    KILL = "kill"
    WAIT = "wait"
    DELETE = "delete"


_AT_ONCE = {Stage.STARTING: Action.START, Stage.ENDED: Action.DELETE}
_WHEN_DUE = {Stage.RUNNING: Action.PROBE, Stage.BACKING_OFF: Action.START, Stage.STOPPING: Action.KILL}


@dataclass(frozen=True, slots=True)
class LifecyclePolicy:
    """Paces, in seconds. A first crash restarts at once; the delay then doubles, as in Kubernetes."""

    first_probe_seconds: float = 0.5
    starting_probe_seconds: float = 0.5
    ready_probe_seconds: float = 10.0
    backoff_seconds: float = 10.0
    max_backoff_seconds: float = 300.0
    healthy_after_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended."""

    code: int
    started_at: datetime
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class ServerState:
    """Everything that the pod's status says about its server."""

    stage: Stage = Stage.STARTING
    started_at: datetime | None = None
    ready: bool = False
    restarts: int = 0
    crashes: int = 0
    last_exit: Exit | None = None
    due_at: datetime | None = None
    backoff_seconds: float = 0.0
    signalled: bool = False
    has_process: bool = False


def next_action(state: ServerState, now: datetime) -> tuple[Action, datetime | None]:
    """What to do now; for WAIT, until when at the latest (None: until something happens)."""
    if state.stage in _AT_ONCE:
        return _AT_ONCE[state.stage], None
    if state.stage is Stage.STOPPING and not state.signalled:
        return Action.TERMINATE, None
    if state.due_at is None or now < state.due_at:
        return Action.WAIT, state.due_at
    return _WHEN_DUE[state.stage], None


def started(state: ServerState, now: datetime, policy: LifecyclePolicy) -> ServerState:
    """A process runs (again)."""
    restarts = state.restarts + 1 if state.last_exit is not None else state.restarts
    return replace(
        state,
        stage=Stage.RUNNING,
        started_at=now,
        ready=False,
        restarts=restarts,
        due_at=now + timedelta(seconds=policy.first_probe_seconds),
        has_process=True,
    )


def probed(state: ServerState, now: datetime, policy: LifecyclePolicy, *, healthy: bool) -> ServerState:
    """/health was asked. Probes are frequent until the server is ready and rare afterwards."""
    if state.stage is not Stage.RUNNING:
        return state
    period = policy.ready_probe_seconds if healthy else policy.starting_probe_seconds
    return replace(state, ready=healthy, due_at=now + timedelta(seconds=period))


def exited(state: ServerState, code: int, now: datetime, policy: LifecyclePolicy) -> ServerState:
    """The process ended: as asked, or it crashed and is started again after a growing delay."""
    ended = Exit(code, state.started_at or now, now)
    gone = replace(state, ready=False, last_exit=ended, has_process=False, due_at=None)
    if state.stage is Stage.STOPPING:
        return replace(gone, stage=Stage.ENDED)
    lasted = now - ended.started_at
    crashes = 1 if lasted >= timedelta(seconds=policy.healthy_after_seconds) else state.crashes + 1
    if crashes == 1:
        return replace(gone, stage=Stage.STARTING, crashes=crashes, backoff_seconds=0.0)
    delay = min(policy.backoff_seconds * 2 ** (crashes - 2), policy.max_backoff_seconds)
    return replace(
        gone,
        stage=Stage.BACKING_OFF,
        crashes=crashes,
        backoff_seconds=delay,
        due_at=now + timedelta(seconds=delay),
    )


def deletion_requested(state: ServerState) -> ServerState:
    """Somebody deleted the pod."""
    if state.stage in {Stage.STOPPING, Stage.ENDED}:
        return state
    stage = Stage.STOPPING if state.has_process else Stage.ENDED
    return replace(state, stage=stage, ready=False, due_at=None)


def signalled(state: ServerState, now: datetime, grace_seconds: float) -> ServerState:
    """SIGTERM was sent: after the grace period comes SIGKILL."""
    return replace(state, signalled=True, due_at=now + timedelta(seconds=grace_seconds))


def killed(state: ServerState) -> ServerState:
    """SIGKILL was sent: only the end of the process is still to come."""
    return replace(state, due_at=None)
