"""Writes what a cycle decided into VariantAutoscalings' statuses and Events: the loop's only way to write.

A write happens only when it tells something new. An object that was deleted, recreated or is being changed
by others meanwhile is normal life, not an error; one object that cannot be written never stops the others;
and a process that lost its leadership writes nothing any more.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog

from inferno_actuator.decisions import Decision
from inferno_actuator.known import KnownVariant
from inferno_actuator.notices import Notice, change_notices, condition_notices
from inferno_actuator.status import Prices, is_due, render, render_failure
from inferno_actuator.verdicts import failure_verdict, verdicts
from inferno_shared.errors import KubernetesError
from inferno_shared.kubernetes import VARIANT_AUTOSCALINGS, EventType, ObjectReference, Resource

JsonObject = dict[str, Any]

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
    """How many statuses were written, needed no write, could not be written; and why the first of them."""

    written: int = 0
    unchanged: int = 0
    failed: int = 0
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


class Publisher:
    """Writes updates, a bounded number at a time.

    Args:
        client: writes statuses.
        events: records Events.
        may_write: asked before each write; False once leadership is lost.
        heartbeat_seconds: an unchanged status is written again when its lastRunTime is this old.
        concurrency: writes under way at once.
    """

    def __init__(
        self,
        client: StatusClient,
        events: EventSink,
        *,
        may_write: Callable[[], bool],
        heartbeat_seconds: float,
        concurrency: int,
    ) -> None:
        self._client = client
        self._events = events
        self._may_write = may_write
        self._heartbeat_seconds = heartbeat_seconds
        self._concurrency = concurrency

    async def publish(self, updates: Iterable[Update], *, now: datetime) -> WriteCounts:
        """Write every update that is due; how that went."""
        wanted = list(updates)
        due = [update for update in wanted if self._following(update, update.known.status, 0, now)]
        slots = asyncio.Semaphore(self._concurrency)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._write(update, slots, now)) for update in due]
        results = [task.result() for task in tasks]
        errors = [result for result in results if isinstance(result, str)]
        written = sum(result is True for result in results)
        return WriteCounts(
            written=written,
            unchanged=len(wanted) - written - len(errors),
            failed=len(errors),
            error=errors[0] if errors else None,
        )

    def _following(
        self, update: Update, before: Mapping[str, Any], generation: int, now: datetime
    ) -> JsonObject | None:
        """The status to be written over `before`; None when it would tell nothing."""
        following = update.render(before, update.known.generation or generation)
        due = is_due(before, following, now=now, heartbeat_seconds=self._heartbeat_seconds)
        return following if due else None

    async def _write(self, update: Update, slots: asyncio.Semaphore, now: datetime) -> bool | str:
        """Whether it was written; the error's text when it could not be."""
        notices: Sequence[Notice] = ()

        def change(current: JsonObject) -> JsonObject | None:
            nonlocal notices
            metadata = current.get("metadata") or {}
            if not self._may_write() or _is_another(update.known, metadata):
                return None
            before = current.get("status") or {}
            following = self._following(update, before, int(metadata.get("generation") or 0), now)
            notices = update.notices(before.get("conditions")) if following is not None else ()
            return following

        known = update.known
        async with slots:
            try:
                written = await self._client.update_status(
                    VARIANT_AUTOSCALINGS, known.name, known.namespace, change
                )
            except KubernetesError as error:
                log.warning(
                    "status not written", namespace=known.namespace, variant=known.name, reason=str(error)
                )
                return str(error)
            if written:
                await self._tell(known, notices)
            return written

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
