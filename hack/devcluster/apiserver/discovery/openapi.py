"""OpenAPI v3, as much as kubectl reads: which paths exist, what they take, and the schemas of the kinds.

kubectl looks here before `apply` (does the server check fields itself?) and for `explain`.
"""

import re
from hashlib import sha256

from pydantic_core import to_json

from devcluster.apiserver.kinds.shapes import described
from devcluster.apiserver.objects.json_types import JsonObject, JsonValue
from devcluster.apiserver.objects.resource_types import Registry, ResourceType

_VERSIONED = re.compile(r"(?P<version>V\d+((alpha|beta)\d+)?)(?P<kind>[A-Z]\w*)")
VERSION_TWO_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_KIND = "x-kubernetes-group-version-kind"
_COMMON_PROPERTIES = {
    "apiVersion": {"type": "string", "description": "The group and version of this object."},
    "kind": {"type": "string", "description": "The kind of this object."},
    "metadata": {"type": "object", "description": "Standard object's metadata."},
}
_WRITE_PARAMETERS = tuple(
    {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation")
)
_PATCH_TYPES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
)


def index(registry: Registry) -> JsonObject:
    """The answer at /openapi/v3: one document per group and version."""
    paths: JsonObject = {}
    for resource in registry:
        path = _prefix(resource)
        if path not in paths:
            version = sha256(f"{registry.revision}{path}".encode()).hexdigest()[:16].upper()
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={version}"}
    return {"paths": paths}


def document(registry: Registry, path: str) -> JsonObject | None:
    """The document of one group and version, by its path without the leading slash."""
    kinds = [resource for resource in registry if _prefix(resource) == path]
    if not kinds:
        return None
    paths: JsonObject = {}
    for resource in kinds:
        paths |= _paths(resource)
    schemas: JsonObject = {}
    for resource in kinds:
        schemas |= _schemas(resource)
    return {
        "openapi": "3.0.0",
        "info": {"title": "devcluster", "version": "v1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def encoded_document(registry: Registry, path: str) -> bytes | None:
    """The document as bytes."""
    found = document(registry, path)
    return None if found is None else to_json(found)


def version_two() -> bytes:
    """An OpenAPI v2 document without content, in protobuf.

    kubectl asks for it when a kind is unknown, and says so properly only if there is one.
    """
    information = b"\x0a\x0adevcluster" + b"\x12\x02v1"
    return b"\x0a\x032.0" + b"\x12" + bytes([len(information)]) + information


def _prefix(resource: ResourceType) -> str:
    return f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"


def _schema_name(resource: ResourceType) -> str:
    group = ".".join(reversed(resource.group.split("."))) if resource.group else "io.k8s.api.core"
    return f"{group}.{resource.version}.{resource.kind}"


def _paths(resource: ResourceType) -> JsonObject:
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    collection = f"/{_prefix(resource)}{scope}/{resource.plural}"
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    body = {"$ref": f"#/components/schemas/{_schema_name(resource)}"}

    def operation(action: str, content_types: tuple[str, ...] = ()) -> JsonObject:
        content = {name: {"schema": body} for name in content_types}
        described: JsonObject = {
            "x-kubernetes-action": action,
            _KIND: kind,
            "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": body}}}},
        }
        if content_types:
            described["parameters"] = list(_WRITE_PARAMETERS)
            described["requestBody"] = {"content": content}
        return described

    return {
        collection: {"get": operation("list"), "post": operation("post", ("*/*",))},
        f"{collection}/{{name}}": {
            "get": operation("get"),
            "put": operation("put", ("*/*",)),
            "patch": operation("patch", _PATCH_TYPES),
            "delete": operation("delete"),
        },
    }


def _schemas(resource: ResourceType) -> JsonObject:
    """The schema of a kind by its name, with those that it refers to."""
    root: JsonObject = {}
    definitions: dict[str, JsonObject] = {}
    if resource.custom:
        root = dict(resource.schema or {})
    elif published := described(resource.group, resource.version, resource.kind):
        root, definitions = dict(published[0]), published[1]
    root["type"] = "object"
    root[_KIND] = [{"group": resource.group, "version": resource.version, "kind": resource.kind}]
    root["properties"] = _COMMON_PROPERTIES | dict(root.get("properties") or {})
    schemas = {_schema_name(resource): _with_references(root)}
    return schemas | {_readable(name): _with_references(part) for name, part in definitions.items()}


def _with_references(part: JsonValue) -> JsonValue:
    """A schema whose references lead to this document's components."""
    if isinstance(part, list):
        return [_with_references(item) for item in part]
    if not isinstance(part, dict):
        return part
    copied = {key: _with_references(value) for key, value in part.items()}
    reference = part.get("$ref")
    if isinstance(reference, str):
        copied["$ref"] = f"#/components/schemas/{_readable(reference.rpartition('/')[2])}"
    return copied


def _readable(name: str) -> str:
    """`V1PodSpec` as `v1.PodSpec`: kubectl prints what follows the last point."""
    found = _VERSIONED.fullmatch(name)
    return f"{found['version'].lower()}.{found['kind']}" if found else name
