"""Events that `kubectl describe` shows. The same event again raises a count instead of making another object.

Events inform people; a failure to write one is logged and never reaches the caller.
"""

import itertools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import structlog

from inferno_shared.errors import KubernetesError, NotFoundError
from inferno_shared.kubernetes.client import JsonObject, KubernetesClient
from inferno_shared.kubernetes.models import Metadata
from inferno_shared.kubernetes.resources import EVENTS, Resource

REMEMBERED_EVENTS = 2_000
MAX_MESSAGE_CHARACTERS = 1_024
MAX_NAME_CHARACTERS = 200

EventType = Literal["Normal", "Warning"]

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ObjectReference:
    """The object that an event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""

    @classmethod
    def to(cls, resource: Resource, metadata: Metadata) -> "ObjectReference":
        """Refer to the object of type `resource` with `metadata`."""
        return cls(resource.api_version, resource.kind, metadata.namespace, metadata.name, metadata.uid)


@dataclass(slots=True)
class _Written:
    name: str
    count: int


class EventRecorder:
    """Writes events as `component`; `instance` (the pod's name) tells replicas apart."""

    def __init__(
        self,
        client: KubernetesClient,
        component: str,
        *,
        instance: str = "",
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._component = component
        self._instance = instance
        self._wall_clock = wall_clock
        self._sequence = itertools.count()
        self._written: OrderedDict[tuple[ObjectReference, str, str, str], _Written] = OrderedDict()

    async def record(self, involved: ObjectReference, type: EventType, reason: str, message: str) -> None:  # noqa: A002 - Kubernetes' own word
        """Say that `reason` happened to `involved`, in words. Never raises a KubernetesError."""
        message = message[:MAX_MESSAGE_CHARACTERS]
        key = (involved, type, reason, message)
        try:
            known = self._written.get(key)
            if known is not None and await self._count_up(known, involved):
                self._written.move_to_end(key)
                return
            body = self._event(involved, type, reason, message)
            await self._client.create(EVENTS, body, _namespace(involved))
        except KubernetesError as error:
            log.warning(
                "event not written",
                subject=f"{involved.kind} {involved.namespace}/{involved.name}",
                event_reason=reason,
                reason=str(error),
            )
            return
        self._written[key] = _Written(body["metadata"]["name"], 1)
        self._written.move_to_end(key)
        if len(self._written) > REMEMBERED_EVENTS:
            self._written.popitem(last=False)

    async def _count_up(self, known: _Written, involved: ObjectReference) -> bool:
        """Raise the count of an earlier event; False when the API server has expired it."""
        patch = {"count": known.count + 1, "lastTimestamp": _seconds(self._wall_clock())}
        try:
            await self._client.merge_patch(EVENTS, patch, known.name, _namespace(involved))
        except NotFoundError:
            return False
        known.count += 1
        return True

    def _event(self, involved: ObjectReference, type_: EventType, reason: str, message: str) -> JsonObject:
        now = self._wall_clock()
        nanoseconds = int(now.timestamp() * 1_000_000) * 1_000 + next(self._sequence) % 1_000
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {
                "name": f"{involved.name[:MAX_NAME_CHARACTERS]}.{nanoseconds:x}",
                "namespace": _namespace(involved),
            },
            "involvedObject": {
                "apiVersion": involved.api_version,
                "kind": involved.kind,
                "name": involved.name,
                **({"namespace": involved.namespace} if involved.namespace else {}),
                **({"uid": involved.uid} if involved.uid else {}),
            },
            "type": type_,
            "reason": reason,
            "message": message,
            "count": 1,
            "firstTimestamp": _seconds(now),
            "lastTimestamp": _seconds(now),
            "source": {"component": self._component, **({"host": self._instance} if self._instance else {})},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
        }


def _namespace(involved: ObjectReference) -> str:
    return involved.namespace or "default"


def _seconds(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
