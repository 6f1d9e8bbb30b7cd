"""OpenAPI v3, as much as kubectl reads: which paths exist, what they take, and the schemas of custom kinds.

kubectl looks here before `apply` (does the server check fields itself?) and for `explain`. Built-in kinds are
described only as objects, because nothing here checks them against a schema.
"""

from hashlib import sha256

from pydantic_core import to_json

from devcluster.apiserver.objects.json_types import JsonObject
from devcluster.apiserver.objects.resource_types import Registry, ResourceType

_KIND = "x-kubernetes-group-version-kind"
_METADATA_TEXT = "Standard object's metadata."
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
    schemas = {_schema_name(resource): _schema(resource) for resource in kinds}
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


def _schema(resource: ResourceType) -> JsonObject:
    root = dict(resource.schema or {"description": f"{resource.kind} is a built-in kind."})
    root["type"] = "object"
    root[_KIND] = [{"group": resource.group, "version": resource.version, "kind": resource.kind}]
    common = {
        "apiVersion": {"type": "string", "description": "The group and version of this object."},
        "kind": {"type": "string", "description": "The kind of this object."},
        "metadata": {"type": "object", "description": _METADATA_TEXT},
    }
    if not resource.custom:
        common |= {name: {"type": "object"} for name in ("spec", "status")}
    root["properties"] = common | dict(root.get("properties") or {})
    return root
