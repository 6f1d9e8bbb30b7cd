"""What a CustomResourceDefinition must fulfil: names, one storage version, a sound schema and sound rules."""

import re
from collections.abc import Iterator, Sequence

from devcluster.apiserver.kinds import cel, schema
from devcluster.apiserver.kinds.shapes import shape_of
from devcluster.apiserver.objects.json_types import JsonObject, JsonValue, dig
from devcluster.apiserver.objects.status import FieldError, invalid, required, unsupported
from devcluster.apiserver.printing.json_path import compile_path


def check_crd(definition: JsonObject, old: JsonObject | None) -> Sequence[FieldError]:
    """The mistakes of a definition, among them rules and columns that cannot be compiled."""
    errors = list(_check_names(definition, old))
    versions = definition["spec"].get("versions") or []
    if not versions:
        errors.append(required("spec.versions"))
    elif sum(1 for version in versions if version.get("storage")) != 1:
        detail = "must have exactly one version marked as storage version"
        errors.append(invalid("spec.versions", [version.get("name") for version in versions], detail))
    for index, version in enumerate(versions):
        errors.extend(_check_version(version, f"spec.versions[{index}]"))
    return errors


def _check_names(definition: JsonObject, old: JsonObject | None) -> Iterator[FieldError]:
    spec, name = definition["spec"], definition["metadata"]["name"]
    for path in (("group",), ("scope",), ("names", "plural"), ("names", "kind")):
        if not dig(spec, *path):
            yield required(".".join(("spec", *path)))
    if spec.get("scope") and spec["scope"] not in {"Cluster", "Namespaced"}:
        yield unsupported("spec.scope", spec["scope"], ["Cluster", "Namespaced"])
    expected = f"{spec['names'].get('plural')}.{spec.get('group')}"
    if name != expected:
        yield invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    if old is not None:
        for path in (("group",), ("scope",), ("names", "plural"), ("names", "kind")):
            if dig(spec, *path) != dig(old["spec"], *path):
                yield invalid(".".join(("spec", *path)), dig(spec, *path), "field is immutable")


def _check_version(version: JsonObject, path: str) -> Iterator[FieldError]:
    if not version.get("name"):
        yield required(f"{path}.name")
    root = dig(version, "schema", "openAPIV3Schema")
    if root is None:
        yield required(f"{path}.schema.openAPIV3Schema", "schemas are required")
        return
    if root.get("type") != "object":
        yield invalid(
            f"{path}.schema.openAPIV3Schema.type", root.get("type") or "", "must be object at the root"
        )
    broken = list(_check_schema(root, f"{path}.schema.openAPIV3Schema"))
    yield from broken
    if not broken:
        try:
            cel.compile_rules(root)
        except cel.RuleSyntaxError as error:
            yield invalid(f"{path}.schema.{error.path}", error.rule, str(error))
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        yield from _check_column(column, f"{path}.additionalPrinterColumns[{index}]")
    scale = dig(version, "subresources", "scale")
    for field in ("specReplicasPath", "statusReplicasPath"):
        if scale is not None and not scale.get(field):
            yield required(f"{path}.subresources.scale.{field}")


def _check_column(column: JsonObject, path: str) -> Iterator[FieldError]:
    for field in ("name", "jsonPath"):
        if not column.get(field):
            yield required(f"{path}.{field}")
    try:
        compile_path(column.get("jsonPath") or "")
    except ValueError as error:
        yield invalid(f"{path}.jsonPath", column.get("jsonPath"), str(error))


def _check_schema(node: JsonValue, path: str) -> Iterator[FieldError]:
    """The mistakes of a schema itself, at every depth."""
    if not isinstance(node, dict):
        yield invalid(path, node, "must be a schema")
        return
    misshapen = list(schema.validate(node, _shape_of_schemas(), path))
    yield from misshapen
    if misshapen:
        return
    if node.get("type") not in {None, "object", "array", "string", "integer", "number", "boolean"}:
        kinds = ["array", "boolean", "integer", "number", "object", "string"]
        yield unsupported(f"{path}.type", node["type"], kinds)
    try:
        re.compile(node.get("pattern") or "")
    except re.error as error:
        yield invalid(
            f"{path}.pattern", node["pattern"], f"must be a valid regular expression, but isn't: {error}"
        )
    for keyword in ("items", "not", "additionalProperties"):
        if keyword in node and not isinstance(node[keyword], bool):
            yield from _check_schema(node[keyword], f"{path}.{keyword}")
    for keyword in ("allOf", "anyOf", "oneOf"):
        for index, child in enumerate(node.get(keyword) or ()):
            yield from _check_schema(child, f"{path}.{keyword}[{index}]")
    for name, child in (node.get("properties") or {}).items():
        yield from _check_schema(child, f"{path}.properties[{name}]")


def _shape_of_schemas() -> JsonObject:
    """The shape of one schema node, without what is below it."""
    definition = shape_of("apiextensions.k8s.io", "v1", "CustomResourceDefinition") or {}
    versions = dig(definition, "properties", "spec", "properties", "versions", "items", "properties")
    return dict(dig(versions, "schema", "properties", "openAPIV3Schema") or {})
