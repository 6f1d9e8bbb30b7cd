"""The endpoints of a service and the documents that they take and give, from its OpenAPI description."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reference.markdown import code, table

Schema = Mapping[str, Any]
_HIDDEN = {"HTTPValidationError", "ValidationError"}


def page(document: Schema) -> str:
    """The whole page: a table of endpoints, then one table per document."""
    schemas = document.get("components", {}).get("schemas", {})
    parts = [
        f"# {document['info']['title']} over HTTP",
        (
            "The service serves this description as `/openapi.json`, and as a page to try it at `/docs`. "
            "Errors are problem documents (RFC 9457) that name the field."
        ),
        table(("Method", "Path", "What", "Body", "Answer"), _endpoints(document)),
        *(_document(name, schema) for name, schema in sorted(schemas.items()) if name not in _HIDDEN),
    ]
    return "\n\n".join(parts)


def _endpoints(document: Schema) -> Iterator[Sequence[str]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = _content(operation.get("requestBody", {}))
            answer = _content(operation["responses"].get("200", {}))
            yield method.upper(), code(path), operation.get("summary", ""), body, answer


def _content(holder: Schema) -> str:
    return next((_type(media.get("schema", {})) for media in holder.get("content", {}).values()), "")


def _document(name: str, schema: Schema) -> str:
    lines = [f"## {name}"]
    if text := schema.get("description"):
        lines.append(" ".join(text.split()))
    if "enum" in schema:
        lines.append("One of " + ", ".join(code(value) for value in schema["enum"]) + ".")
    if schema.get("properties"):
        lines.append(table(("Field", "Type", "Default", "Means"), _fields(schema)))
    return "\n\n".join(lines)


def _fields(schema: Schema) -> Iterator[Sequence[str]]:
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        default = "required" if name in required else code(json.dumps(field.get("default")))
        yield code(name), _type(field), default, field.get("description", "")


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_type(option) for option in schema[key]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "const" in schema:
        return code(schema["const"])
    return f"{schema.get('type', 'any')}{' (date-time)' if schema.get('format') == 'date-time' else ''}"
