"""JSON schemas for kubeconform, strict ones: from Kubernetes' OpenAPI document, and from custom resources.

kubeconform's own location of schemas is a web site. These are made from what the Kubernetes source and the
operators' sources contain, so that a version is a number and nothing else.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

Schema = dict[str, Any]

_KINDS: Final = "x-kubernetes-group-version-kind"
_REF: Final = "#/definitions/"
_INT_OR_STRING: Final[Schema] = {"type": ["integer", "string"]}
_SPECIAL: Final[Mapping[str, Schema]] = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _INT_OR_STRING,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["number", "string"]},
}


def file_name(group: str, kind: str, version: str) -> str:
    """Where kubeconform looks for a kind. Examples: apps_deployment_v1.json, v1_pod_v1.json."""
    return f"{group or version}_{kind.lower()}_{version}.json"


def kubernetes_schemas(openapi: Mapping[str, Any]) -> Iterator[tuple[str, Schema]]:
    """File name and schema of every kind of an OpenAPI v2 document."""
    definitions = {name: _strict(schema) for name, schema in openapi["definitions"].items()} | dict(_SPECIAL)
    for name, schema in definitions.items():
        for gvk in schema.get(_KINDS) or ():
            needed = _reachable(name, definitions)
            yield (
                file_name(gvk["group"], gvk["kind"], gvk["version"]),
                {"$ref": f"{_REF}{name}", "definitions": {each: definitions[each] for each in needed}},
            )


def custom_schemas(definition: Mapping[str, Any]) -> Iterator[tuple[str, Schema]]:
    """File name and schema of every version of a CustomResourceDefinition."""
    spec = definition["spec"]
    for version in spec["versions"]:
        schema = _strict(version["schema"]["openAPIV3Schema"])
        for always in ("apiVersion", "kind", "metadata"):
            schema.setdefault("properties", {})[always] = {}
        yield file_name(spec["group"], spec["names"]["kind"], version["name"]), schema


def _strict(schema: Any) -> Any:  # noqa: ANN401 - a schema or a part of one
    """The schema refusing fields that it does not name."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return dict(_INT_OR_STRING)
    strict = {key: _strict(value) for key, value in schema.items() if key not in {"format", "default"}}
    if isinstance(schema.get("properties"), dict):
        strict["properties"] = {name: _strict(value) for name, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            strict.setdefault("additionalProperties", False)
    return strict


def _reachable(name: str, definitions: Mapping[str, Schema]) -> list[str]:
    found, waiting = {name}, [name]
    while waiting:
        for other in _references(definitions[waiting.pop()]):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return sorted(found)


def _references(schema: Any) -> Iterator[str]:  # noqa: ANN401 - a schema or a part of one
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(_REF)
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)
