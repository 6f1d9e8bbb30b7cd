"""What every Kubernetes object has: where it is, which version of it this is, and who owns it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from inferno_shared.kubernetes.models.fields import (
    JsonObject,
    entries,
    flag,
    optional_text,
    optional_time,
    section,
    text,
    text_map,
    whole,
)


@dataclass(frozen=True, slots=True)
class OwnerReference:
    """An owner; at most one of an object's owners is its controller."""

    kind: str
    name: str
    uid: str
    controller: bool


@dataclass(frozen=True, slots=True)
class Metadata:
    """Identity, version, labels and owners. Cluster-scoped objects have the namespace ""."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    creation_timestamp: datetime | None
    deletion_timestamp: datetime | None
    owners: tuple[OwnerReference, ...]

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name): unique among objects of one kind."""
        return self.namespace, self.name

    @property
    def controller(self) -> OwnerReference | None:
        """The owner that controls this object, such as the ReplicaSet of a pod."""
        return next((owner for owner in self.owners if owner.controller), None)

    @property
    def owner_uid(self) -> str | None:
        """Uid of the controlling owner."""
        controller = self.controller
        return controller.uid if controller else None

    @property
    def deleting(self) -> bool:
        """Whether the object is on its way out."""
        return self.deletion_timestamp is not None


def parse_metadata(raw: JsonObject) -> Metadata:
    """Read `metadata` of an object. Raises MalformedObjectError."""
    at = "metadata"
    metadata = section(raw, at, "")
    return Metadata(
        namespace=optional_text(metadata, "namespace", at) or "",
        name=text(metadata, "name", at),
        uid=optional_text(metadata, "uid", at) or "",
        resource_version=optional_text(metadata, "resourceVersion", at) or "",
        generation=whole(metadata, "generation", at),
        labels=text_map(metadata, "labels", at),
        annotations=text_map(metadata, "annotations", at),
        creation_timestamp=optional_time(metadata, "creationTimestamp", at),
        deletion_timestamp=optional_time(metadata, "deletionTimestamp", at),
        owners=tuple(
            _parse_owner(owner, f"{at}.ownerReferences[{index}]")
            for index, owner in enumerate(entries(metadata, "ownerReferences", at))
        ),
    )


def _parse_owner(raw: JsonObject, at: str) -> OwnerReference:
    return OwnerReference(
        kind=text(raw, "kind", at),
        name=text(raw, "name", at),
        uid=text(raw, "uid", at),
        controller=flag(raw, "controller", at),
    )
