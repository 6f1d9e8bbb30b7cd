"""The watch protocol: one JSON object per line, cut into events, with its errors told apart."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from inferno_shared.errors import KubernetesError, UnreachableError
from inferno_shared.kubernetes.failures import Operation, failure

MAX_EVENT_BYTES = 16 * 2**20

WatchEventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
EVENT_TYPES = frozenset(get_args(WatchEventType))


class SilentWatchError(UnreachableError):
    """An open watch brought nothing, not even a bookmark: the connection may be dead. Resume."""


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change. A BOOKMARK carries only `metadata.resourceVersion`, to resume from."""

    type: WatchEventType
    object: dict[str, Any]

    @property
    def resource_version(self) -> str | None:
        """Where a later watch may resume after this event."""
        version = (self.object.get("metadata") or {}).get("resourceVersion")
        return version if isinstance(version, str) and version else None


async def lines(chunks: AsyncIterator[bytes], operation: Operation) -> AsyncGenerator[bytes, None]:
    """Cut the stream into lines. Raises UnreachableError when it ends in the middle of one."""
    pending = bytearray()
    async for chunk in chunks:
        pending += chunk
        if b"\n" in chunk:
            *whole, rest = pending.split(b"\n")
            pending = bytearray(rest)
            for line in whole:
                if line.strip():
                    yield bytes(line)
        if len(pending) > MAX_EVENT_BYTES:
            raise KubernetesError(f"{operation}: an event is larger than {MAX_EVENT_BYTES} bytes")
    if pending.strip():
        raise UnreachableError(f"{operation}: the stream was cut in the middle of an event")


def decode_event(line: bytes, operation: Operation) -> WatchEvent:
    """Return the event in `line`. Raises the error that an ERROR event stands for (GoneError for 410)."""
    try:
        raw = json.loads(line)
        kind, body = raw["type"], raw["object"]
    except (ValueError, KeyError, TypeError) as error:
        raise KubernetesError(f"{operation}: not a watch event: {line[:100]!r}") from error
    if kind == "ERROR" and isinstance(body, dict):
        code = body.get("code")
        text = str(body.get("message") or body.get("reason") or "")
        raise failure(operation, code if isinstance(code, int) else 500, text)
    if kind not in EVENT_TYPES or not isinstance(body, dict):
        raise KubernetesError(f"{operation}: unknown watch event {kind!r}")
    return WatchEvent(cast("WatchEventType", kind), body)
