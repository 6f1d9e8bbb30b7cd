"""Writes what a cycle decided into VariantAutoscalings' statuses and Events: the loop's only way to write.

A write happens only when it tells something new; heartbeats, which tell that the loop lives, are a few per
cycle, the oldest first. An object that was deleted, recreated or is being changed by others meanwhile is
normal life, not an error; one object that cannot be written never stops the others; and a process that lost
its leadership writes nothing any more (see `fencing`).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Protocol

import structlog

from inferno_actuator.decisions import Decision
from inferno_actuator.fencing import Fence
from inferno_actuator.known import Key, KnownVariant
from inferno_actuator.notices import Notice, change_notices, condition_notices
from inferno_actuator.significance import Urgency, last_run, urgency
from inferno_actuator.status import Prices, render, render_failure, stamped, token_of
from inferno_actuator.verdicts import failure_verdict, verdicts
from inferno_shared.errors import KubernetesError
from inferno_shared.kubernetes import VARIANT_AUTOSCALINGS, EventType, ObjectReference, Resource

JsonObject = dict[str, Any]

_NEVER: Final = datetime.min.replace(tzinfo=UTC)

log = structlog.stdlib.get_logger(__name__)


class StatusClient(Protocol):
    """The one call of the Kubernetes client that writes a status."""

    async def update_status(
        self,
        resource: Resource,
        name: str,
        namespace: str,
        change: Callable[[JsonObject], JsonObject | None],
    ) -> bool:
        """Write the status that `change` makes of the current object; whether anything was written."""
        ...


class EventSink(Protocol):
    """Records Events; never fails."""

    async def record(self, involved: ObjectReference, type: EventType, reason: str, message: str) -> None:  # noqa: A002 - Kubernetes' own word
        """Say that `reason` happened to `involved`."""
        ...


@dataclass(frozen=True, slots=True)
class Update:
    """What is to become of one object, computed from whatever status it has when it is written.

    Args:
        known: the object as it was when the cycle began.
        render: (status before, generation) to the whole status after.
        notices: conditions before to the Events that the change is worth.
    """

    known: KnownVariant
    render: Callable[[Mapping[str, Any], int], JsonObject]
    notices: Callable[[object], tuple[Notice, ...]]


@dataclass(frozen=True, slots=True)
class WriteCounts:
    """How many statuses were written, needed no write, failed, belong to a later leader; the first error."""

    written: int = 0
    unchanged: int = 0
    failed: int = 0
    fenced: int = 0
    error: str | None = None


def update_for(decision: Decision, prices: Prices, now: datetime) -> Update:
    """The update that a decision asks for."""
    found = verdicts(decision)
    return Update(
        decision.known,
        lambda before, generation: render(decision, before, prices=prices, generation=generation, now=now),
        lambda conditions: change_notices(decision) + condition_notices(conditions, found),
    )


def update_for_failure(known: KnownVariant, message: str, now: datetime) -> Update:
    """The update that a failed cycle asks for: the condition, nothing else."""
    verdict = failure_verdict(message)
    return Update(
        known,
        lambda before, generation: render_failure(message, before, generation=generation, now=now),
        lambda conditions: condition_notices(conditions, [verdict]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When a write is worth it.

    Args:
        heartbeat_seconds: an unchanged status is written again when its lastRunTime is this old.
        heartbeats_per_cycle: at most so many of those, the oldest first; other writes that nobody waits for
            count among them.
        noise: relative change of measured numbers that is none.
        concurrency: writes under way at once.
    """

    heartbeat_seconds: float = 300.0
    heartbeats_per_cycle: int = 10
    noise: float = 0.1
    concurrency: int = 16


class WriteResult(StrEnum):
    """What became of an update that could be tried."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    FENCED = "fenced"


@dataclass(slots=True)
class _Attempt:
    """One read and, perhaps, write of one object."""

    written: bool = False
    later_token: int | None = None
    notices: tuple[Notice, ...] = ()


class Publisher:
    """Writes updates, a bounded number at a time.

    Args:
        client: writes statuses.
        events: records Events.
        fence: the term of this process.
        pace: when a write is worth it.
    """

    def __init__(self, client: StatusClient, events: EventSink, *, fence: Fence, pace: Pace) -> None:
        self._client = client
        self._events = events
        self._fence = fence
        self._pace = pace
        self._stamped: dict[Key, int | None] = {}

    async def publish(self, updates: Iterable[Update], *, now: datetime, besides: int = 0) -> WriteCounts:
        """Write every update that is due; how that went. `besides`: writes that take a heartbeat's place."""
        wanted = list(updates)
        keys = {update.known.key for update in wanted}
        self._stamped = {key: token for key, token in self._stamped.items() if key in keys}
        due = self._due(wanted, now, max(0, self._pace.heartbeats_per_cycle - besides))
        slots = asyncio.Semaphore(self._pace.concurrency)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._write(update, slots, now)) for update in due]
        results = [task.result() for task in tasks]
        errors = [str(result) for result in results if isinstance(result, KubernetesError)]
        written, fenced = results.count(WriteResult.WRITTEN), results.count(WriteResult.FENCED)
        return WriteCounts(
            written=written,
            unchanged=len(wanted) - written - fenced - len(errors),
            failed=len(errors),
            fenced=fenced,
            error=errors[0] if errors else None,
        )

    def _due(self, wanted: Sequence[Update], now: datetime, heartbeats_at_most: int) -> list[Update]:
        """Every change, and the oldest heartbeats, judged by the statuses that the cache has."""
        changes, heartbeats = [], []
        for update in wanted:
            status = update.known.status
            match self._urgency(update.known.key, status, self._following(update, status, 0), now):
                case Urgency.CHANGE:
                    changes.append(update)
                case Urgency.HEARTBEAT:
                    heartbeats.append((last_run(status) or _NEVER, update.known.key, update))
        heartbeats.sort(key=lambda heartbeat: heartbeat[:2])
        return changes + [update for _, _, update in heartbeats[:heartbeats_at_most]]

    def _following(self, update: Update, before: Mapping[str, Any], generation: int) -> JsonObject:
        """The status that is to be written over `before`, with our token in it."""
        following = update.render(before, update.known.generation or generation)
        token = self._fence.token
        return following if token is None else stamped(following, token)

    def _urgency(
        self, key: Key, before: Mapping[str, Any], following: Mapping[str, Any], now: datetime
    ) -> Urgency:
        """How much it wants to be written; a token that an older CRD drops is no news for ever."""
        token, pace = self._fence.token, self._pace
        if token is not None and self._stamped.get(key) == token:
            before = stamped(before, token)
        return urgency(before, following, now=now, heartbeat_seconds=pace.heartbeat_seconds, noise=pace.noise)

    async def _write(
        self, update: Update, slots: asyncio.Semaphore, now: datetime
    ) -> WriteResult | KubernetesError:
        """What became of one update; the error when it could not be written."""
        async with slots:
            try:
                attempt = await self._attempt(update, now)
                if attempt.later_token is not None and await self._fence.outrun(attempt.later_token):
                    attempt = await self._attempt(update, now)
            except KubernetesError as error:
                known = update.known
                log.warning(
                    "status not written", namespace=known.namespace, variant=known.name, reason=str(error)
                )
                return error
            if attempt.later_token is not None:
                return WriteResult.FENCED
            if not attempt.written:
                return WriteResult.UNCHANGED
            self._stamped[update.known.key] = self._fence.token
            await self._tell(update.known, attempt.notices)
            return WriteResult.WRITTEN

    async def _attempt(self, update: Update, now: datetime) -> _Attempt:
        attempt = _Attempt()

        def change(current: JsonObject) -> JsonObject | None:
            attempt.later_token, attempt.notices = None, ()
            metadata, before = current.get("metadata") or {}, current.get("status") or {}
            if not self._fence.may_write or _is_another(update.known, metadata):
                return None
            if _is_later(token_of(before), self._fence.token):
                attempt.later_token = token_of(before)
                return None
            following = self._following(update, before, int(metadata.get("generation") or 0))
            if self._urgency(update.known.key, before, following, now) is Urgency.NONE:
                return None
            attempt.notices = update.notices(before.get("conditions"))
            return following

        known = update.known
        attempt.written = await self._client.update_status(
            VARIANT_AUTOSCALINGS, known.name, known.namespace, change
        )
        return attempt

    async def _tell(self, known: KnownVariant, notices: Sequence[Notice]) -> None:
        resource = VARIANT_AUTOSCALINGS
        involved = ObjectReference(
            resource.api_version, resource.kind, known.namespace, known.name, known.uid
        )
        for notice in notices:
            await self._events.record(involved, notice.type.value, notice.reason, notice.message)


def _is_another(known: KnownVariant, metadata: Mapping[str, Any]) -> bool:
    """Whether the object was deleted and made anew since the cycle began: the next cycle decides about it."""
    return bool(known.uid) and metadata.get("uid") not in (None, known.uid)


def _is_later(theirs: int | None, ours: int | None) -> bool:
    return theirs is not None and ours is not None and theirs > ours
