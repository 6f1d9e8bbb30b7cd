"""One turn of the loop while it runs: times its stages, and makes a StageError of whatever a stage raises.

That is the line of defence behind which the loop cannot die: a bug in a stage is logged with its traceback
and ends that stage, not the process.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from inferno_actuator.apply import WriteCounts
from inferno_actuator.clock import Clock
from inferno_actuator.decisions import Decisions, Doubt
from inferno_actuator.journal import Cycle
from inferno_actuator.stages import FailureReason, Stage, StageError
from inferno_actuator.timings import Timings
from inferno_actuator.triggers import Trigger
from inferno_shared.errors import InfernoError, KubernetesError

log = structlog.stdlib.get_logger(__name__)


class Turn:
    """The turn under way.

    Args:
        number: counts turns since the start of the process.
        trigger: why it runs.
        clock: measures it.
        timings: receives the measures.
    """

    def __init__(self, number: int, trigger: Trigger, clock: Clock, timings: Timings) -> None:
        self.snapshot_id: str | None = None
        self.number = number
        self.trigger = trigger
        self._clock = clock
        self._timings = timings
        self._started_at = clock.now()
        self._started = clock.monotonic()
        self._stage_seconds: dict[Stage, float] = {}

    @asynccontextmanager
    async def stage(self, stage: Stage, limit_seconds: float | None = None) -> AsyncIterator[None]:
        """Run a stage: timed, bounded, and failing with nothing but StageError."""
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(limit_seconds):
                yield
        except Exception as error:
            failure = _as_stage_error(stage, error, limit_seconds)
            self._timings.error(failure.stage, failure.reason)
            raise failure from error
        finally:
            self._stage_seconds[stage] = self._clock.monotonic() - started
            self._timings.stage(stage, self._stage_seconds[stage])

    def finish(
        self,
        writes: WriteCounts,
        *,
        decisions: Decisions | None = None,
        failure: StageError | None = None,
    ) -> Cycle:
        """What the turn did, for the journal, the log and whoever asked for it."""
        decided = tuple(decisions.by_key.values()) if decisions else ()
        cycle = Cycle(
            number=self.number,
            trigger=self.trigger,
            started_at=self._started_at,
            duration_seconds=self._clock.monotonic() - self._started,
            stage_seconds=self._stage_seconds,
            snapshot_id=self.snapshot_id,
            failure=failure,
            variants=len(decided),
            changed=tuple("/".join(d.key) for d in decided if d.direction is not None),
            held=sum(d.held for d in decided),
            awaited=sum(d.reason is Doubt.NOT_IN_SNAPSHOT for d in decided),
            without_target=sum(d.reason is Doubt.TARGET_NOT_FOUND for d in decided),
            unknown=decisions.unknown if decisions else (),
            writes=writes,
        )
        self._timings.cycle(cycle.duration_seconds, outcome=cycle.outcome)
        _tell(cycle)
        return cycle


def _as_stage_error(stage: Stage, error: Exception, limit_seconds: float | None) -> StageError:
    match error:
        case StageError():
            return error
        case TimeoutError():
            return StageError(stage, FailureReason.TIMEOUT, f"not done within {limit_seconds} s")
        case KubernetesError():
            return StageError(stage, FailureReason.KUBERNETES, str(error))
        case InfernoError():
            return StageError(stage, FailureReason.REFUSED, str(error))
    log.error("bug in a stage of the loop", stage=stage, exc_info=error)
    return StageError(
        stage, FailureReason.UNEXPECTED, f"{type(error).__name__}: {error}; see the actuator's log"
    )


def _tell(cycle: Cycle) -> None:
    if cycle.writes.error is not None:
        log.error("statuses not written", failed=cycle.writes.failed, reason=cycle.writes.error)
    if cycle.failure is not None:
        failure = cycle.failure
        log.error("cycle failed", stage=failure.stage, failure=failure.reason, reason=failure.message)
        return
    log.info(
        "cycle completed",
        trigger=cycle.trigger,
        snapshot=cycle.snapshot_id,
        variants=cycle.variants,
        changed=len(cycle.changed),
        held=cycle.held,
        status_writes=cycle.writes.written,
        seconds=round(cycle.duration_seconds, 3),
    )
