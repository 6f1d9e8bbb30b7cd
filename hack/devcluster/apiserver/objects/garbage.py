"""What goes when something else goes: dependents after their owner, and everything in a deleted namespace.

The collector listens to the store, so it costs nothing while nothing is deleted. As in Kubernetes' background
cascade, an object is collected when none of its owners exists (any more); while another one lives, only the
references to those that are gone are taken out.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from devcluster.apiserver.objects.resources import DeleteOptions, Resources
from devcluster.apiserver.objects.status import ApiError
from devcluster.apiserver.objects.store import Event, EventType, Key, StoredObject

_Address: TypeAlias = tuple[str, Key]  # collection and key


@dataclass(slots=True)
class GarbageCollector:
    """Finds orphans by an index over owner references; `wake` is called when there is work for `collect`."""

    resources: Resources
    wake: Callable[[], None]
    _alive: set[str] = field(default_factory=set)
    _dependents: dict[str, set[_Address]] = field(default_factory=dict)
    _suspects: deque[_Address] = field(default_factory=deque)
    _ending_namespaces: set[str] = field(default_factory=set)
    _namespaces_to_check: set[str] = field(default_factory=set)

    def start(self) -> None:
        """Follow the store from now on."""
        self.resources.store.subscribe_all(self._notice)

    def collect(self) -> None:
        """Delete what is known to be garbage; deletions may make more of it, which is collected as well."""
        while self._suspects:
            collection, key = self._suspects.popleft()
            stored = self.resources.store.get(collection, key)
            if stored is None or not self._has_lost_an_owner(stored):
                continue
            if any(owner in self._alive for owner in _owners(stored)):
                self._forget_lost_owners(collection, stored)
            else:
                self._delete(collection, key)
        while self._namespaces_to_check:
            self._end_namespace(self._namespaces_to_check.pop())
        if self._suspects:
            self.wake()

    def _notice(self, collection: str, event: Event) -> None:
        address = (collection, event.current.key)
        for owner in _owners(event.previous):
            self._dependents.get(owner, set()).discard(address)
        if event.type is EventType.DELETED:
            self._notice_deletion(event)
        else:
            self._alive.add(event.current.uid)
            for owner in _owners(event.current):
                self._dependents.setdefault(owner, set()).add(address)
            if event.type is EventType.ADDED and self._has_lost_an_owner(event.current):
                self._suspects.append(address)
            if collection == "namespaces" and "deletionTimestamp" in event.current.document["metadata"]:
                self._ending_namespaces.add(event.current.key[1])
                self._namespaces_to_check.add(event.current.key[1])
        if self._suspects or self._namespaces_to_check:
            self.wake()

    def _notice_deletion(self, event: Event) -> None:
        self._alive.discard(event.current.uid)
        self._suspects.extend(sorted(self._dependents.pop(event.current.uid, ())))
        namespace = event.current.key[0]
        if namespace in self._ending_namespaces:
            self._namespaces_to_check.add(namespace)

    def _has_lost_an_owner(self, stored: StoredObject) -> bool:
        return any(owner not in self._alive for owner in _owners(stored))

    def _forget_lost_owners(self, collection: str, stored: StoredObject) -> None:
        metadata = stored.document["metadata"]
        kept = [reference for reference in metadata["ownerReferences"] if reference.get("uid") in self._alive]
        document = {**stored.document, "metadata": {**metadata, "ownerReferences": kept}}
        self.resources.store.update(collection, stored.key, document)

    def _end_namespace(self, namespace: str) -> None:
        """Empty a namespace and remove it when it is empty and nobody's finalizer holds it."""
        found = self.resources.store.get("namespaces", ("", namespace))
        if found is None:
            self._ending_namespaces.discard(namespace)
            return
        contents = self._contents_of(namespace)
        for collection, key in contents:
            self._delete(collection, key)
        left = bool(self._contents_of(namespace)) if contents else False
        if not left and not found.document["metadata"].get("finalizers"):
            self._ending_namespaces.discard(namespace)
            self.resources.store.delete("namespaces", ("", namespace))

    def _contents_of(self, namespace: str) -> list[_Address]:
        return [
            (resource.collection, stored.key)
            for resource in self.resources.registry
            if resource.namespaced
            for stored in self.resources.store.listed(resource.collection, namespace)
        ]

    def _delete(self, collection: str, key: Key) -> None:
        resource = self.resources.registry.by_collection(collection)
        if resource is None:
            return
        try:
            self.resources.delete(resource, key, DeleteOptions())
        except ApiError as error:
            if error.reason != "NotFound":
                raise


def _owners(stored: StoredObject | None) -> list[str]:
    if stored is None:
        return []
    references = stored.document["metadata"].get("ownerReferences") or ()
    return [str(reference["uid"]) for reference in references if reference.get("uid")]
