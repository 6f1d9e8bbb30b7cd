"""The shapes of built-in kinds: which fields they have and of which type, as Kubernetes publishes them.

They are read from the models of the official Python client, when a kind is first written or explained: to
import those takes longer than to start the server. A body that does not have its kind's shape is refused
before anything looks into it, so everything behind can rely on the types.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module

from devcluster.apiserver.kinds import schema
from devcluster.apiserver.objects.json_types import JsonObject, JsonValue
from devcluster.apiserver.objects.resource_types import ResourceType

_OWN_NAMES = {("", "Event"): "CoreV1Event"}
_DEFINITIONS = "#/$defs/"
_QUANTITY = {"anyOf": [{"type": "string"}, {"type": "number"}]}
_QUANTITIES = frozenset({"averageValue", "value", "sizeLimit", "divisor"})
_QUANTITY_MAPS = frozenset(
    {"limits", "requests", "capacity", "allocatable", "allocatedResources", "hard", "used"}
)
_NO_DESCRIPTION = "Attributes:\n"


def with_shape(resource: ResourceType) -> ResourceType:
    """A built-in kind that drops unknown fields and refuses wrong types."""

    def part_of(document: JsonObject, old: JsonObject | None) -> Iterator[tuple[str, JsonValue, JsonObject]]:
        """The top-level fields that are new, with their shapes; what has not changed was checked before."""
        shape = shape_of(resource.group, resource.version, resource.kind) or {}
        for field, known in (shape.get("properties") or {}).items():
            if field in document and (old is None or document[field] != old.get(field)):
                yield field, document[field], known

    def drop_unknown_fields(document: JsonObject, old: JsonObject | None) -> Sequence[str]:
        shape = shape_of(resource.group, resource.version, resource.kind)
        if shape is None:
            return ()
        unknown = [field for field in document if field not in shape["properties"]]
        for field in unknown:
            del document[field]
        for field, value, known in part_of(document, old):
            unknown.extend(schema.prune(value, known, field, root=False))
        return unknown

    def find_misshapen(document: JsonObject, old: JsonObject | None) -> Sequence[str]:
        parts = part_of(document, old)
        return [str(error) for field, value, known in parts for error in schema.validate(value, known, field)]

    return replace(resource, drop_unknown_fields=drop_unknown_fields, find_misshapen=find_misshapen)


def misshapen_metadata(metadata: JsonObject) -> Sequence[str]:
    """What has a wrong type in the metadata of any object; unknown fields and nulls are dropped."""
    config_map = shape_of("", "v1", "ConfigMap")
    if config_map is None:
        return ()
    known = config_map["properties"]["metadata"]
    list(schema.prune(metadata, known, root=False))
    return [str(error) for error in schema.validate(metadata, known, "metadata")]


@cache
def shape_of(group: str, version: str, kind: str) -> JsonObject | None:
    """The schema of a kind with its references followed (it may contain itself); None if there is none."""
    found = described(group, version, kind)
    if found is None:
        return None
    root, definitions = found
    shapes: dict[str, JsonObject] = {name: {} for name in definitions}
    for name, definition in definitions.items():
        shapes[name].update(_resolved(definition, shapes))
    return _resolved(root, shapes)


@cache
def described(group: str, version: str, kind: str) -> tuple[JsonObject, dict[str, JsonObject]] | None:
    """The schema of a kind as published, and the definitions that it refers to by `$ref`."""
    name = _OWN_NAMES.get((group, kind), f"{version.capitalize()}{kind}")
    model = getattr(import_module("kubernetes.client"), name, None)
    if model is None:
        return None
    published = model.model_json_schema(by_alias=True)
    definitions = {name: _simplified("", part) for name, part in published.get("$defs", {}).items()}
    return _simplified("", published), definitions


def _simplified(field: str, published: JsonObject) -> JsonObject:
    """One schema without what only matters to the client: nullable fields, titles, defaults."""
    alternatives = [item for item in published.get("anyOf", ()) if item != {"type": "null"}]
    types = {item.get("type") for item in alternatives}
    if field in _QUANTITIES:
        part: JsonObject = dict(_QUANTITY)
    elif types == {"integer", "string"}:
        part = {"x-kubernetes-int-or-string": True}
    elif alternatives and len(types) == 1:
        part = _simplified(field, alternatives[0])
    else:
        part = {key: published[key] for key in ("type", "format", "$ref") if key in published}
        if part.get("format") == "binary":
            del part["format"]
        _simplify_children(field, published, part)
    text = str(published.get("description", "")).partition(_NO_DESCRIPTION)[0].strip()
    return {**part, "description": text} if text else part


def _simplify_children(field: str, published: JsonObject, part: JsonObject) -> None:
    if "properties" in published:
        properties = published["properties"].items()
        part["properties"] = {name: _simplified(name, child) for name, child in properties}
    if "items" in published:
        part["items"] = _simplified("", published["items"])
    extra = published.get("additionalProperties")
    if field in _QUANTITY_MAPS:
        part["additionalProperties"] = dict(_QUANTITY)
    elif isinstance(extra, dict):
        part["additionalProperties"] = _simplified("", extra)
    elif extra is True or ("properties" not in published and part.get("type") in {"object", None}):
        part["x-kubernetes-preserve-unknown-fields"] = True


def _resolved(part: JsonValue, shapes: dict[str, JsonObject]) -> JsonObject:
    """The schema with each reference replaced by the one object that stands for it."""
    if not isinstance(part, dict):
        return {}
    reference = part.get("$ref")
    if reference is not None:
        return shapes[str(reference).removeprefix(_DEFINITIONS)]
    resolved = {key: value for key, value in part.items() if key != "description"}
    if "properties" in part:
        properties = part["properties"].items()
        resolved["properties"] = {name: _resolved(child, shapes) for name, child in properties}
    for key in ("items", "additionalProperties"):
        if key in part:
            resolved[key] = _resolved(part[key], shapes)
    return resolved
