"""The verbs on objects: create, update, delete, each as one decision over the store.

Every write of the server, whether a client, the garbage collector or a subresource asks for it, goes through
this class, so that the rules of `lifecycle` and the checks of a kind hold everywhere.
"""

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from devcluster.apiserver.objects import lifecycle
from devcluster.apiserver.objects.json_types import JsonObject, copy_object
from devcluster.apiserver.objects.resource_types import Registry, ResourceType
from devcluster.apiserver.objects.status import (
    ApiError,
    already_exists,
    bad_request,
    forbidden,
    invalid,
    invalid_object,
    not_found,
)
from devcluster.apiserver.objects.store import Key, ObjectExistsError, Store, StoredObject
from devcluster.apiserver.objects.timestamps import rfc3339

Change: TypeAlias = Callable[[JsonObject], JsonObject]
Preparation: TypeAlias = Callable[[JsonObject, JsonObject | None], None]

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # no vowels: no words by accident
_DEFAULT_GRACE_SECONDS = 30
_UNKNOWN_VERSION = 0


@dataclass(slots=True)
class WriteOptions:
    """How a write is done; `warnings` collects what the client should be told.

    `trusted` is for what the server writes itself: its shape needs no check.
    """

    dry_run: bool = False
    field_validation: str = "Warn"
    trusted: bool = False
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How an object is removed; a grace period of None means what the object itself asks for."""

    grace_seconds: int | None = None
    propagation_policy: str = "Background"
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False


@dataclass(slots=True)
class Resources:
    """All objects of the cluster with the rules for changing them.

    `preparations` are extra steps of single kinds (by collection) that need to know the rest of the cluster,
    for example the address of a Service; they run after the defaults and before the checks.
    """

    store: Store
    registry: Registry
    clock: Callable[[], datetime]
    preparations: dict[str, Preparation] = field(default_factory=dict)

    def get(self, resource: ResourceType, namespace: str, name: str) -> StoredObject:
        """One object.

        Raises:
            ApiError: 404.
        """
        found = self.store.get(resource.collection, (namespace, name))
        if found is None:
            raise not_found(resource.plural, name, resource.group)
        return found

    def create(
        self, resource: ResourceType, namespace: str, body: JsonObject, options: WriteOptions
    ) -> StoredObject:
        """Add an object.

        Raises:
            ApiError: 400, 403, 404 (namespace), 409 or 422.
        """
        self._check_namespace(resource, namespace)
        body = copy_object(body)
        lifecycle.check_type(resource, body)
        _check_shape(resource, body, None, options)
        document = lifecycle.for_creation(resource, body, namespace, self._birth())
        self._complete(resource, document, None)
        key = (namespace, document["metadata"]["name"])
        if options.dry_run:
            if self.store.get(resource.collection, key):
                raise already_exists(resource.plural, key[1], resource.group)
            return StoredObject(key, document, _UNKNOWN_VERSION)
        try:
            return self.store.create(resource.collection, key, document)
        except ObjectExistsError:
            raise already_exists(resource.plural, key[1], resource.group) from None

    def update(
        self,
        resource: ResourceType,
        key: Key,
        change: Change,
        options: WriteOptions,
        *,
        subresource: str = "",
    ) -> StoredObject:
        """Replace an object by what `change` makes of a copy of it; nothing is written if nothing changed.

        Raises:
            ApiError: 400, 404, 409 or 422.
        """
        current = self.get(resource, *key)
        body = change(copy_object(current.document))
        lifecycle.check_type(resource, body)
        _check_shape(resource, body, current.document, options)
        document = lifecycle.for_update(resource, current.document, body, subresource=subresource)
        self._complete(resource, document, current.document)
        lifecycle.count_generation(resource, current.document, document)
        if document == current.document:
            return current
        if options.dry_run:
            return StoredObject(key, document, current.resource_version)
        stored = self.store.update(resource.collection, key, document)
        if lifecycle.is_released(document) and resource.plural != "namespaces":
            return self.store.delete(resource.collection, key)
        return stored

    def replace(
        self,
        resource: ResourceType,
        key: Key,
        body: JsonObject,
        options: WriteOptions,
        *,
        subresource: str = "",
    ) -> StoredObject:
        """Replace an object by a client's document; a resourceVersion in it must be the current one."""
        metadata = body.get("metadata") or {}
        if resource.custom and not metadata.get("resourceVersion"):
            error = invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid_object(resource.kind, resource.group, key[1], [error])
        return self.update(resource, key, lambda _: body, options, subresource=subresource)

    def delete(self, resource: ResourceType, key: Key, options: DeleteOptions) -> tuple[StoredObject, bool]:
        """Remove an object, or mark it when finalizers or a kubelet must act first.

        Returns:
            The last state, and whether the object is gone.

        Raises:
            ApiError: 404 or 409.
        """
        current = self.get(resource, *key)
        document = current.document
        lifecycle.check_preconditions(
            resource, document, uid=options.uid, resource_version=options.resource_version
        )
        grace_seconds = _grace_seconds(resource, document, options)
        waits = bool(document["metadata"].get("finalizers")) or grace_seconds > 0
        waits = waits or resource.collection == "namespaces"
        if options.dry_run:
            return current, not waits
        if options.propagation_policy == "Orphan":
            self._orphan_dependents(current.uid)
        if not waits:
            return self.store.delete(resource.collection, key), True
        already = document["metadata"].get("deletionGracePeriodSeconds")
        if already is not None and grace_seconds >= already:
            return current, False
        deleted_at = rfc3339(self.clock() + timedelta(seconds=grace_seconds))
        marked = lifecycle.marked_for_deletion(document, deleted_at, grace_seconds)
        if resource.collection == "namespaces":
            marked["status"] = {**marked.get("status", {}), "phase": "Terminating"}
        return self.store.update(resource.collection, key, marked), False

    def _orphan_dependents(self, owner_uid: str) -> None:
        """Take the owner out of its dependents, so that the garbage collector leaves them alone."""
        for resource in self.registry:
            for stored in list(self.store.listed(resource.collection)):
                owners = stored.document["metadata"].get("ownerReferences") or []
                kept = [owner for owner in owners if owner.get("uid") != owner_uid]
                if len(kept) != len(owners):
                    metadata = {**stored.document["metadata"], "ownerReferences": kept}
                    self.store.update(
                        resource.collection, stored.key, {**stored.document, "metadata": metadata}
                    )

    def _complete(self, resource: ResourceType, document: JsonObject, old: JsonObject | None) -> None:
        """Defaults, preparation, checks."""
        name = document["metadata"]["name"]
        try:
            if resource.set_defaults:
                resource.set_defaults(document)
            if prepare := self.preparations.get(resource.collection):
                prepare(document, old)
            errors = resource.validate(document, old) if resource.validate else ()
        except (AttributeError, TypeError, KeyError) as error:
            raise _unreadable(resource, repr(error)) from error
        if errors:
            raise invalid_object(resource.kind, resource.group, name, list(errors))

    def _check_namespace(self, resource: ResourceType, namespace: str) -> None:
        if not resource.namespaced:
            return
        if not namespace:
            raise bad_request("an empty namespace may not be set during creation")
        found = self.store.get("namespaces", ("", namespace))
        if found is None:
            raise not_found("namespaces", namespace)
        if "deletionTimestamp" in found.document["metadata"]:
            detail = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise forbidden(resource.plural, "", detail, resource.group)

    def _birth(self) -> lifecycle.Birth:
        suffix = "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5))
        return lifecycle.Birth(str(uuid.uuid4()), rfc3339(self.clock()), suffix)


def _check_shape(
    resource: ResourceType, body: JsonObject, old: JsonObject | None, options: WriteOptions
) -> None:
    """Refuse wrong types; drop unknown fields with a warning, or refuse them if the client is strict."""
    if options.trusted:
        return
    unknown = resource.drop_unknown_fields(body, old) if resource.drop_unknown_fields else ()
    misshapen = resource.find_misshapen(body, old) if resource.find_misshapen else ()
    if misshapen:
        raise _unreadable(resource, "; ".join(misshapen))
    messages = [f'unknown field "{path}"' for path in unknown]
    if messages and options.field_validation == "Strict":
        raise _unreadable(resource, f"strict decoding error: {', '.join(messages)}")
    if options.field_validation != "Ignore":
        options.warnings.extend(messages)


def _unreadable(resource: ResourceType, why: str) -> ApiError:
    return bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}'
    )


def _grace_seconds(resource: ResourceType, document: JsonObject, options: DeleteOptions) -> int:
    """How long a pod may take to end; a pod that no kubelet runs, and any other object, goes at once."""
    if resource.collection != "pods":
        return 0
    spec, phase = document.get("spec") or {}, (document.get("status") or {}).get("phase")
    if not spec.get("nodeName") or phase in {"Succeeded", "Failed"}:
        return 0
    if options.grace_seconds is not None:
        return max(options.grace_seconds, 0)
    return int(spec.get("terminationGracePeriodSeconds") or _DEFAULT_GRACE_SECONDS)
