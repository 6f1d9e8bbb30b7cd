"""What the server knows about a kind, and the registry that finds a kind by its path.

A `ResourceType` is data plus a few pure functions (defaults, checks, columns), so that built-in kinds and
kinds registered by a CustomResourceDefinition go through exactly the same code.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from devcluster.apiserver.objects.json_types import JsonObject, JsonValue
from devcluster.apiserver.objects.status import FieldError

Render: TypeAlias = Callable[[JsonObject, datetime], JsonValue]
Defaulter: TypeAlias = Callable[[JsonObject], None]
Validator: TypeAlias = Callable[[JsonObject, JsonObject | None], Sequence[FieldError]]
ShapeCheck: TypeAlias = Callable[[JsonObject, JsonObject | None], Sequence[str]]

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`; priority above 0 shows it only with `-o wide`."""

    name: str
    render: Render
    type: str = "string"
    priority: int = 0
    format: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where the scale subresource finds its numbers in an object."""

    spec_replicas: tuple[str, ...] = ("spec", "replicas")
    status_replicas: tuple[str, ...] = ("status", "replicas")
    selector: tuple[str, ...] | None = ("spec", "selector")


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One kind at one version.

    `subresources` are the path segments served below an object. `set_defaults` changes the document that it
    is given and `validate` compares it with the old one (None on creation). Before both,
    `drop_unknown_fields` takes out and lists what the kind does not know, and `find_misshapen` lists what has
    a wrong type.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    columns: tuple[Column, ...] = ()
    scale: ScalePaths | None = None
    custom: bool = False
    has_generation: bool = False
    keeps_status_on_create: bool = False
    set_defaults: Defaulter | None = None
    validate: Validator | None = None
    drop_unknown_fields: ShapeCheck | None = None
    find_misshapen: ShapeCheck | None = None
    schema: JsonObject | None = None
    singular: str = ""
    list_kind: str = ""

    @property
    def api_version(self) -> str:
        """Group and version as objects carry them."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def collection(self) -> str:
        """The name of the kind's collection in the store, the same for all versions."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular_name(self) -> str:
        """The name for one object on the command line."""
        return self.singular or self.kind.lower()

    @property
    def kind_of_list(self) -> str:
        """The kind of a list response."""
        return self.list_kind or f"{self.kind}List"

    @property
    def has_status(self) -> bool:
        """Whether the status is written only through its own endpoint."""
        return "status" in self.subresources


@dataclass(slots=True)
class Registry:
    """The kinds served now; custom ones come and go. `revision` changes with each registration."""

    revision: int = 0
    _by_path: dict[tuple[str, str, str], ResourceType] = field(default_factory=dict)

    def register(self, types: Iterable[ResourceType]) -> None:
        """Serve these kinds (again)."""
        for resource in types:
            self._by_path[resource.group, resource.version, resource.plural] = resource
        self.revision += 1

    def unregister(self, group: str, plural: str) -> None:
        """Stop serving a kind at all its versions."""
        for path in [path for path in self._by_path if path[0] == group and path[2] == plural]:
            del self._by_path[path]
        self.revision += 1

    def find(self, group: str, version: str, plural: str) -> ResourceType | None:
        """The kind at a path."""
        return self._by_path.get((group, version, plural))

    def by_plural(self, group: str, plural: str) -> ResourceType | None:
        """The kind by its name at whatever version it is served."""
        return next(
            (kind for kind in self._by_path.values() if kind.group == group and kind.plural == plural), None
        )

    def by_collection(self, collection: str) -> ResourceType | None:
        """The kind whose objects a collection of the store holds."""
        plural, _, group = collection.partition(".")
        return self.by_plural(group, plural)

    def __iter__(self) -> Iterator[ResourceType]:
        return iter(tuple(self._by_path.values()))

    def groups(self) -> dict[str, list[str]]:
        """The API groups with their versions, in the order of registration."""
        found: dict[str, list[str]] = {}
        for group, version, _ in self._by_path:
            versions = found.setdefault(group, [])
            if version not in versions:
                versions.append(version)
        return found
