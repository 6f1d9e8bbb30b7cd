"""Watches: the history after a version, then live changes, filtered and written as one JSON line per event.

A watcher costs nothing while nothing changes: it waits on its own queue until an event, the next bookmark or
its time limit. An object that starts or stops to match the selector is an ADDED or DELETED event for it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeAlias

from pydantic_core import to_json

from devcluster.apiserver.objects.json_types import JsonObject
from devcluster.apiserver.objects.resource_types import ResourceType
from devcluster.apiserver.objects.selectors import Matcher
from devcluster.apiserver.objects.store import Event, EventType, HistoryLostError, Store, StoredObject

Encode: TypeAlias = Callable[[StoredObject, bool], bytes]  # (object, whether it is the first of the watch)

_LONGEST_QUEUE = 100_000
_INITIAL_END = "k8s.io/initial-events-end"
_CLOSED = None  # in a queue: the watch ends here


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """One watch as its client asked for it. `since` None means: the present objects first, then changes."""

    namespace: str | None
    since: int | None
    matches: Matcher | None
    bookmarks: bool
    timeout_seconds: float
    send_initial_events: bool = False


class Watches:
    """All open watches of a server, so that they can be cut together."""

    def __init__(self, store: Store, *, bookmark_seconds: float) -> None:
        self._store = store
        self._bookmark_seconds = bookmark_seconds
        self._queues: set[asyncio.Queue[Event | None]] = set()
        self._closing = False

    @property
    def open_count(self) -> int:
        """How many watches are open."""
        return len(self._queues)

    def cut(self) -> int:
        """End every open watch, as a restarting server does; returns how many there were."""
        count = len(self._queues)
        for queue in tuple(self._queues):
            queue.put_nowait(_CLOSED)
        return count

    def close(self) -> None:
        """End every open watch, and each one that a client opens instead, at once."""
        self._closing = True
        self.cut()

    async def stream(
        self, resource: ResourceType, options: WatchOptions, encode: Encode
    ) -> AsyncIterator[bytes]:
        """The lines of one watch until its time limit; a version that is too old gives one ERROR line."""
        if self._closing:
            return
        queue: asyncio.Queue[Event | None] = asyncio.Queue()

        def listen(event: Event) -> None:
            if options.namespace is not None and event.current.key[0] != options.namespace:
                return
            queue.put_nowait(event if queue.qsize() < _LONGEST_QUEUE else _CLOSED)

        writer = _LineWriter(resource, options, encode)
        unsubscribe = self._store.subscribe(resource.collection, listen)
        self._queues.add(queue)
        try:
            for line in self._beginning(resource, options, writer):
                yield line
            async for line in self._live(queue, options, writer):
                yield line
        except HistoryLostError as error:
            yield _error_line(str(error))
        finally:
            unsubscribe()
            self._queues.discard(queue)

    def _beginning(self, resource: ResourceType, options: WatchOptions, writer: "_LineWriter") -> list[bytes]:
        if options.since is not None and not options.send_initial_events:
            events = self._store.events_since(resource.collection, options.since)
            inside = (event for event in events if options.namespace in {None, event.current.key[0]})
            return [line for event in inside if (line := writer.event(event))]
        present = self._store.listed(resource.collection, options.namespace)
        lines = [
            writer.line(EventType.ADDED, stored)
            for stored in present
            if options.matches is None or options.matches(stored.document)
        ]
        if options.send_initial_events:
            lines.append(writer.bookmark(self._store.version, ends_initial_events=True))
        return lines

    async def _live(
        self, queue: "asyncio.Queue[Event | None]", options: WatchOptions, writer: "_LineWriter"
    ) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + options.timeout_seconds
        while (left_seconds := ends_at - loop.time()) > 0:
            wait_seconds = min(left_seconds, self._bookmark_seconds) if options.bookmarks else left_seconds
            try:
                event = await asyncio.wait_for(queue.get(), wait_seconds)
            except TimeoutError:
                if options.bookmarks:
                    yield writer.bookmark(self._store.version)
                continue
            if event is _CLOSED:
                return
            lines = [writer.event(event)]
            while not queue.empty():
                following = queue.get_nowait()
                if following is _CLOSED:
                    yield b"".join(line for line in lines if line)
                    return
                lines.append(writer.event(following))
            if joined := b"".join(line for line in lines if line):
                yield joined


class _LineWriter:
    """Turns events into the lines of one watch."""

    def __init__(self, resource: ResourceType, options: WatchOptions, encode: Encode) -> None:
        self._resource = resource
        self._matches = options.matches
        self._encode = encode
        self._first = True

    def event(self, event: Event) -> bytes | None:
        """The line of an event, None when this watch must not see it."""
        if self._matches is None:
            return self.line(event.type, event.current)
        matched = event.previous is not None and self._matches(event.previous.document)
        matches = event.type is not EventType.DELETED and self._matches(event.current.document)
        if matches:
            return self.line(EventType.MODIFIED if matched else EventType.ADDED, event.current)
        return self.line(EventType.DELETED, event.current) if matched else None

    def line(self, kind: EventType, stored: StoredObject) -> bytes:
        """One object with what happened to it."""
        encoded = self._encode(stored, self._first)
        self._first = False
        return b'{"type":"%s","object":%s}\n' % (kind.encode(), encoded)

    def bookmark(self, version: int, *, ends_initial_events: bool = False) -> bytes:
        """Tells the client up to which version it has seen everything."""
        metadata: JsonObject = {"resourceVersion": str(version), "creationTimestamp": None}
        if ends_initial_events:
            metadata["annotations"] = {_INITIAL_END: "true"}
        document = {
            "kind": self._resource.kind,
            "apiVersion": self._resource.api_version,
            "metadata": metadata,
        }
        stored = StoredObject(("", ""), document, version)
        return b'{"type":"BOOKMARK","object":%s}\n' % self._encode(stored, False)


def _error_line(message: str) -> bytes:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "Expired",
        "code": 410,
    }
    return b'{"type":"ERROR","object":%s}\n' % to_json(status)
