"""The rules that every object obeys from creation to deletion, whatever its kind.

Pure functions on documents: metadata that only the server may write, the separation of spec and status, and
when `generation` counts up. Names and times come in as arguments.
"""

import re
from dataclasses import dataclass

from devcluster.apiserver.objects.json_types import JsonObject, copy_object
from devcluster.apiserver.objects.resource_types import ResourceType
from devcluster.apiserver.objects.status import (
    FieldError,
    bad_request,
    conflict,
    forbidden_field,
    invalid,
    invalid_object,
    required,
)

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_NAME = 253
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_FREE_NAMES = frozenset({"roles", "rolebindings", "clusterroles", "clusterrolebindings", "apiservices"})
_SERVER_OWNED = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")


@dataclass(frozen=True, slots=True)
class Birth:
    """What the server gives to a new object."""

    uid: str
    created_at: str
    name_suffix: str


def check_type(resource: ResourceType, body: JsonObject) -> None:
    """Fill in apiVersion and kind, or refuse a body of another kind.

    Raises:
        ApiError: 400.
    """
    kind = body.setdefault("kind", resource.kind)
    api_version = body.setdefault("apiVersion", resource.api_version)
    if kind != resource.kind or api_version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}, kind {kind}) does not match the expected API "
            f"version ({resource.api_version}, kind {resource.kind})"
        )
    metadata = body.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise bad_request("metadata must be an object")


def for_creation(resource: ResourceType, body: JsonObject, namespace: str, birth: Birth) -> JsonObject:
    """A new object as it is stored: the client's document with the server's metadata and without its status.

    Raises:
        ApiError: 400 or 422.
    """
    document = copy_object(body)
    check_type(resource, document)
    metadata = document["metadata"]
    name = metadata.get("name") or _generated_name(metadata, birth)
    _check_namespace(metadata, namespace)
    errors = check_name(resource, name)
    if errors:
        raise invalid_object(resource.kind, resource.group, name or "", errors)
    for owned in (*_SERVER_OWNED, "selfLink", "managedFields", "resourceVersion"):
        metadata.pop(owned, None)
    metadata["name"] = name
    if namespace:
        metadata["namespace"] = namespace
    metadata["uid"] = birth.uid
    metadata["creationTimestamp"] = birth.created_at
    if resource.has_generation:
        metadata["generation"] = 1
    if resource.has_status and not resource.keeps_status_on_create:
        document.pop("status", None)
    return _ordered(document)


def for_update(
    resource: ResourceType, old: JsonObject, body: JsonObject, *, subresource: str = ""
) -> JsonObject:
    """The next version of an object: the client's document where it may write, the old one elsewhere.

    Raises:
        ApiError: 400, 409 or 422.
    """
    document = copy_object(body)
    check_type(resource, document)
    name = old["metadata"]["name"]
    _check_identity(resource, old["metadata"], document["metadata"])
    if subresource == "status":
        merged = {**old, "metadata": dict(old["metadata"])}
        merged.pop("status", None)
        if "status" in document:
            merged["status"] = document["status"]
        return _ordered(merged)
    metadata = document["metadata"]
    for owned in _SERVER_OWNED:
        metadata.pop(owned, None)
        if owned in old["metadata"]:
            metadata[owned] = old["metadata"][owned]
    metadata.pop("selfLink", None)
    metadata.pop("managedFields", None)
    metadata["name"] = name
    if "namespace" in old["metadata"]:
        metadata["namespace"] = old["metadata"]["namespace"]
    metadata["resourceVersion"] = old["metadata"]["resourceVersion"]
    errors = check_name(resource, name)
    if errors:
        raise invalid_object(resource.kind, resource.group, name, errors)
    if resource.has_status:
        document.pop("status", None)
        if "status" in old:
            document["status"] = old["status"]
    return _ordered(document)


def count_generation(resource: ResourceType, old: JsonObject, document: JsonObject) -> None:
    """Count `generation` up when something other than metadata and status changed."""
    if not resource.has_generation:
        return
    outside = {"metadata", "status"} if resource.has_status else {"metadata"}
    keys = (set(old) | set(document)) - outside
    if any(old.get(key) != document.get(key) for key in keys):
        document["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def marked_for_deletion(document: JsonObject, deleted_at: str, grace_seconds: int) -> JsonObject:
    """The object while it waits for its finalizers or its kubelet."""
    metadata = {
        **document["metadata"],
        "deletionTimestamp": deleted_at,
        "deletionGracePeriodSeconds": grace_seconds,
    }
    if metadata.get("generation"):
        metadata["generation"] += 1
    return {**document, "metadata": metadata}


def is_released(document: JsonObject) -> bool:
    """Whether an object marked for deletion waits for nobody any more."""
    metadata = document["metadata"]
    return (
        "deletionTimestamp" in metadata
        and not metadata.get("finalizers")
        and not metadata.get("deletionGracePeriodSeconds")
    )


def check_name(resource: ResourceType, name: str | None) -> list[FieldError]:
    """The mistakes that a name can hold."""
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    errors = []
    if resource.plural in _FREE_NAMES:
        if "/" in name or "%" in name:
            errors.append(invalid("metadata.name", name, "may not contain '/' or '%'"))
    elif not _SUBDOMAIN.fullmatch(name):
        errors.append(invalid("metadata.name", name, _SUBDOMAIN_RULE))
    if len(name) > _LONGEST_NAME:
        errors.append(invalid("metadata.name", name, f"must be no more than {_LONGEST_NAME} characters"))
    return errors


def check_preconditions(
    resource: ResourceType, document: JsonObject, *, uid: str | None, resource_version: str | None
) -> None:
    """Refuse an operation meant for another object or another version.

    Raises:
        ApiError: 409.
    """
    metadata = document["metadata"]
    for what, expected, actual in (
        ("UID", uid, metadata["uid"]),
        ("ResourceVersion", resource_version, metadata["resourceVersion"]),
    ):
        if expected and expected != actual:
            raise conflict(
                resource.plural,
                metadata["name"],
                resource.group,
                f"Precondition failed: {what} in precondition: {expected}, {what} in object meta: {actual}",
            )


def _check_identity(resource: ResourceType, old: JsonObject, new: JsonObject) -> None:
    name = old["name"]
    if new.get("name", name) != name:
        raise bad_request(
            f"the name of the object ({new['name']}) does not match the name on the URL ({name})"
        )
    _check_namespace(new, old.get("namespace", ""))
    version = new.get("resourceVersion")
    if version and version != old["resourceVersion"]:
        raise conflict(resource.plural, name, resource.group)
    if new.get("uid") and new["uid"] != old["uid"]:
        detail = f"Precondition failed: UID in precondition: {new['uid']}, UID in object meta: {old['uid']}"
        raise conflict(resource.plural, name, resource.group, detail)
    if "deletionTimestamp" in old:
        added = set(new.get("finalizers") or ()) - set(old.get("finalizers") or ())
        if added:
            message = "no new finalizers can be added if the object is being deleted"
            error = forbidden_field("metadata.finalizers", f"{message}, found new finalizers {sorted(added)}")
            raise invalid_object(resource.kind, resource.group, name, [error])


def _check_namespace(metadata: JsonObject, namespace: str) -> None:
    if metadata.get("namespace") and metadata["namespace"] != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def _generated_name(metadata: JsonObject, birth: Birth) -> str | None:
    prefix = metadata.get("generateName")
    return f"{prefix}{birth.name_suffix}" if prefix else None


def _ordered(document: JsonObject) -> JsonObject:
    """The document with its well-known keys first, as people expect to read it."""
    first = {key: document[key] for key in ("apiVersion", "kind", "metadata") if key in document}
    return first | {key: value for key, value in document.items() if key not in first}
