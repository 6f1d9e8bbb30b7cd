"""The versioned store: objects by collection, one counter of versions, and a bounded history for watches.

It decides what a resource version means (one counter for everything, as etcd has it), when a write
conflicts, and how far back a watch may start. It knows nothing of HTTP, kinds or clocks. Stored objects are
never changed after they were stored; their bytes are made at most once, however many lists and watches send
them.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from pydantic_core import to_json

from devcluster.apiserver.objects.json_types import JsonObject

Key: TypeAlias = tuple[str, str]  # (namespace, name); the namespace of a cluster-scoped object is ""


class StoreError(Exception):
    """A write or a watch that the store cannot accept."""


class ObjectExistsError(StoreError):
    """Created twice."""


class ObjectMissingError(StoreError):
    """Not there (any more)."""


class VersionConflictError(StoreError):
    """The version that the writer has read is not the current one."""


class HistoryLostError(StoreError):
    """The version asked for is older than the remembered history."""

    def __init__(self, asked: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {asked} ({oldest})")


class EventType(StrEnum):
    """What happened to an object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


class StoredObject:
    """One immutable version of an object with its bytes, which are made when first needed."""

    __slots__ = ("_encoded", "document", "key", "resource_version")

    def __init__(self, key: Key, document: JsonObject, resource_version: int) -> None:
        self.key = key
        self.document = document
        self.resource_version = resource_version
        self._encoded: bytes | None = None

    @property
    def encoded(self) -> bytes:
        """The object as JSON."""
        if self._encoded is None:
            self._encoded = to_json(self.document)
        return self._encoded

    @property
    def uid(self) -> str:
        """The identity that survives updates and not a deletion."""
        return str(self.document["metadata"].get("uid", ""))


@dataclass(frozen=True, slots=True)
class Event:
    """One change; `previous` is the version before it (None when added)."""

    type: EventType
    current: StoredObject
    previous: StoredObject | None

    @property
    def resource_version(self) -> int:
        """The version that this change made."""
        return self.current.resource_version


Listener: TypeAlias = Callable[[Event], None]
GlobalListener: TypeAlias = Callable[[str, Event], None]


@dataclass(slots=True)
class _Collection:
    objects: dict[Key, StoredObject] = field(default_factory=dict)
    history: deque[Event] = field(default_factory=deque)
    listeners: list[Listener] = field(default_factory=list)
    forgotten_version: int = 0  # a watch must start at this version or later
    ordered_keys: list[Key] | None = None


class Store:
    """All collections of a cluster. `history_size` events are remembered per collection.

    Versions count from `first_version`. A store that begins anew must begin beyond all that the one before it
    gave out: then whoever watches from one of those is told that it is gone.
    """

    def __init__(self, *, history_size: int = 10_000, first_version: int = 0) -> None:
        self._history_size = history_size
        self._first_version = first_version
        self._collections: dict[str, _Collection] = {}
        self._global_listeners: list[GlobalListener] = []
        self._version = first_version

    @property
    def version(self) -> int:
        """The version of the latest write."""
        return self._version

    def get(self, collection: str, key: Key) -> StoredObject | None:
        """The current version of one object."""
        found = self._collections.get(collection)
        return found.objects.get(key) if found else None

    def listed(self, collection: str, namespace: str | None = None) -> Iterator[StoredObject]:
        """The objects of a collection in the order of namespace and name; None means every namespace."""
        found = self._collections.get(collection)
        if found is None:
            return
        if found.ordered_keys is None:
            found.ordered_keys = sorted(found.objects)
        for key in found.ordered_keys:
            if namespace is None or key[0] == namespace:
                yield found.objects[key]

    def count(self, collection: str) -> int:
        """How many objects a collection holds."""
        found = self._collections.get(collection)
        return len(found.objects) if found else 0

    def create(self, collection: str, key: Key, document: JsonObject) -> StoredObject:
        """Store a new object; the store owns the document from here on.

        Raises:
            ObjectExistsError: the key is taken.
        """
        target = self._collection(collection)
        if key in target.objects:
            raise ObjectExistsError(f"{collection} {key} exists")
        stored = self._version_of(key, document)
        target.objects[key] = stored
        target.ordered_keys = None
        self._publish(collection, target, Event(EventType.ADDED, stored, None))
        return stored

    def update(
        self, collection: str, key: Key, document: JsonObject, *, expected_version: int | None = None
    ) -> StoredObject:
        """Replace an object, if its version still is the expected one (None: whatever it is).

        Raises:
            ObjectMissingError: there is nothing to replace.
            VersionConflictError: somebody else wrote in between.
        """
        target, previous = self._existing(collection, key, expected_version)
        stored = self._version_of(key, document)
        target.objects[key] = stored
        self._publish(collection, target, Event(EventType.MODIFIED, stored, previous))
        return stored

    def delete(self, collection: str, key: Key, *, expected_version: int | None = None) -> StoredObject:
        """Remove an object; the answer is its last state with the version of the deletion.

        Raises:
            ObjectMissingError: there is nothing to remove.
            VersionConflictError: somebody else wrote in between.
        """
        target, previous = self._existing(collection, key, expected_version)
        last = dict(previous.document)
        last["metadata"] = dict(last["metadata"])
        stored = self._version_of(key, last)
        del target.objects[key]
        target.ordered_keys = None
        self._publish(collection, target, Event(EventType.DELETED, stored, previous))
        return stored

    def events_since(self, collection: str, version: int) -> list[Event]:
        """The changes after a version, oldest first.

        Raises:
            HistoryLostError: some of them are forgotten.
        """
        self.check_history(collection, version)
        target = self._collection(collection)
        if not target.history or target.history[-1].resource_version <= version:
            return []
        return [event for event in target.history if event.resource_version > version]

    def check_history(self, collection: str, version: int) -> None:
        """Make sure that the changes after a version are remembered.

        Raises:
            HistoryLostError: some of them are not.
        """
        forgotten_version = self._collection(collection).forgotten_version
        if version < forgotten_version or version > self._version:
            raise HistoryLostError(version, forgotten_version)

    def subscribe(self, collection: str, listener: Listener) -> Callable[[], None]:
        """Call the listener on each change from now on, until the returned function is called."""
        listeners = self._collection(collection).listeners
        listeners.append(listener)

        def unsubscribe() -> None:
            if listener in listeners:
                listeners.remove(listener)

        return unsubscribe

    def subscribe_all(self, listener: GlobalListener) -> None:
        """Call the listener with collection and event on each change of anything, for good."""
        self._global_listeners.append(listener)

    def forget_history(self) -> None:
        """Make every version read so far too old to watch from, as a compaction of etcd does."""
        self._version += 1
        for collection in self._collections.values():
            collection.history.clear()
            collection.forgotten_version = self._version

    def _collection(self, name: str) -> _Collection:
        found = self._collections.get(name)
        if found is None:
            found = self._collections[name] = _Collection(forgotten_version=self._first_version)
        return found

    def _existing(
        self, collection: str, key: Key, expected_version: int | None
    ) -> tuple[_Collection, StoredObject]:
        target = self._collection(collection)
        current = target.objects.get(key)
        if current is None:
            raise ObjectMissingError(f"{collection} {key} does not exist")
        if expected_version is not None and expected_version != current.resource_version:
            raise VersionConflictError(f"{collection} {key} is at {current.resource_version}")
        return target, current

    def _version_of(self, key: Key, document: JsonObject) -> StoredObject:
        self._version += 1
        document["metadata"]["resourceVersion"] = str(self._version)
        return StoredObject(key, document, self._version)

    def _publish(self, name: str, target: _Collection, event: Event) -> None:
        target.history.append(event)
        if len(target.history) > self._history_size:
            target.forgotten_version = target.history.popleft().resource_version
        for listener in tuple(target.listeners):
            listener(event)
        for global_listener in self._global_listeners:
            global_listener(name, event)
