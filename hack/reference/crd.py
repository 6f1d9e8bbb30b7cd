"""The fields of the custom resource, from config/crd."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from reference.markdown import code, table

Schema = Mapping[str, Any]
_BOUNDS = {
    "minimum": ("at least {}", ""),
    "maximum": ("at most {}", ""),
    "minLength": ("at least {} character", "s"),
    "maxLength": ("at most {} character", "s"),
    "minItems": ("at least {} item", "s"),
    "maxItems": ("at most {} item", "s"),
    "pattern": ("matches `{}`", ""),
}
"""In words, and what the plural ends with."""


def page(path: Path) -> str:
    """The whole page."""
    definition = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
    version = definition["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    names = definition["names"]
    return "\n".join(
        [
            f"# {names['kind']}",
            "",
            (
                f"`{definition['group']}/{version['name']}`, {definition['scope'].lower()}, short name "
                f"`{', '.join(names['shortNames'])}`. {schema['description']}"
            ),
            "",
            *(f"## {part}\n\n{_fields(schema['properties'][part], part)}\n" for part in ("spec", "status")),
            "## Rules that the API server checks",
            "",
            table(("Where", "Rule", "Message"), _rules(schema, "")),
            "",
            "## Columns of kubectl get",
            "",
            table(
                ("Column", "Field", "With -o wide only"),
                (
                    (c["name"], code(c["jsonPath"]), "yes" if c.get("priority") else "")
                    for c in version["additionalPrinterColumns"]
                ),
            ),
        ]
    )


def _fields(schema: Schema, path: str) -> str:
    rows = list(_walk(schema, path))
    return table(("Field", "Type", "Required", "Default", "Means"), rows)


def _walk(schema: Schema, path: str) -> Iterator[Sequence[str]]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        default = code(json.dumps(field["default"])) if "default" in field else ""
        yield code(here), _type(field), "yes" if name in required else "", default, _meaning(field)
        inner = field.get("items", field)
        yield from _walk(inner, f"{here}[]" if "items" in field else here)


def _type(field: Schema) -> str:
    if "items" in field:
        return f"list of {_type(field['items'])}"
    return "integer or string" if field.get("x-kubernetes-int-or-string") else field.get("type", "any")


def _meaning(field: Schema) -> str:
    bounds = [
        text.format(field[key]) + ("" if field[key] == 1 else ending)
        for key, (text, ending) in _BOUNDS.items()
        if key in field
    ]
    if "enum" in field:
        bounds.append("one of " + ", ".join(code(value) for value in field["enum"]))
    parts = [field.get("description", "").rstrip("."), "; ".join(bounds)]
    return " — ".join(part for part in parts if part)


def _rules(schema: Schema, path: str) -> Iterator[Sequence[str]]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield code(path), code(rule["rule"]), rule.get("message", "")
    for name, field in schema.get("properties", {}).items():
        yield from _rules(field.get("items", field), f"{path}.{name}".lstrip("."))
