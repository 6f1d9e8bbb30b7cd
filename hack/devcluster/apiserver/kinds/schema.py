"""Structural schemas of custom kinds: pruning, defaulting and validation, with the API server's own wording.

Only the part of OpenAPI v3 that a CustomResourceDefinition may use. Rules in CEL are in `cel`.
"""

import math
import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from devcluster.apiserver.objects.json_types import JsonObject, JsonValue, copy_value
from devcluster.apiserver.objects.status import (
    CauseReason,
    FieldError,
    duplicate,
    invalid,
    required,
    shown,
    unsupported,
)

_ALWAYS_KNOWN = frozenset({"apiVersion", "kind", "metadata"})
_TYPES: dict[str, type] = {"object": dict, "array": list, "string": str, "integer": int, "number": float}


def prune(value: JsonValue, schema: JsonObject, path: str = "", *, root: bool = True) -> Iterator[str]:
    """Drop what the schema does not know, and nulls where null is not allowed; yields the dropped paths."""
    if isinstance(value, list):
        items = schema.get("items") or {}
        for index, item in enumerate(value):
            yield from prune(item, items, f"{path}[{index}]", root=False)
    if not isinstance(value, dict):
        return
    properties = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    keeps_unknown = bool(schema.get("x-kubernetes-preserve-unknown-fields")) or extra is True
    whole_object = root or schema.get("x-kubernetes-embedded-resource")
    for key in tuple(value):
        child_path = _join(path, key)
        if whole_object and key in _ALWAYS_KNOWN:
            continue
        child = properties.get(key, extra if isinstance(extra, dict) else None)
        if child is None:
            if not keeps_unknown:
                del value[key]
                yield child_path
        elif value[key] is None and not child.get("nullable"):
            del value[key]
        else:
            yield from prune(value[key], child, child_path, root=False)


def set_defaults(value: JsonValue, schema: JsonObject) -> None:
    """Fill in the schema's defaults, also inside of what was defaulted."""
    if isinstance(value, dict):
        for key, child in (schema.get("properties") or {}).items():
            if key not in value and "default" in child:
                value[key] = copy_value(child["default"])
            if key in value:
                set_defaults(value[key], child)
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            for key in value.keys() - (schema.get("properties") or {}).keys():
                set_defaults(value[key], extra)
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            set_defaults(item, schema["items"])


def validate(value: JsonValue, schema: JsonObject, path: str = "") -> Iterator[FieldError]:
    """The fields that break the schema."""
    if value is None and schema.get("nullable"):
        return
    wrong_type = _check_type(value, schema, path)
    if wrong_type is not None:
        yield wrong_type
        return
    if "enum" in schema and value not in schema["enum"]:
        yield unsupported(path, value, schema["enum"])
    if isinstance(value, str):
        yield from _validate_string(value, schema, path)
    elif isinstance(value, dict):
        yield from _validate_object(value, schema, path)
    elif isinstance(value, list):
        yield from _validate_list(value, schema, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _validate_number(value, schema, path)
    yield from _validate_combinations(value, schema, path)


def type_name(value: JsonValue) -> str:
    """The JSON type of a value, as Kubernetes names it in messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return next(name for name, kind in _TYPES.items() if isinstance(value, kind))


def _check_type(value: JsonValue, schema: JsonObject, path: str) -> FieldError | None:
    expected = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        expected, fits = "integer,string", type_name(value) in {"integer", "string"}
    else:
        fits = (
            not expected
            or type_name(value) == expected
            or (expected == "number" and type_name(value) == "integer")
            or (expected == "integer" and isinstance(value, float) and value.is_integer())
        )
    if fits:
        return None
    found = type_name(value)
    message = f'Invalid value: "{found}": {path} in body must be of type {expected}: "{found}"'
    return FieldError(path, CauseReason.TYPE_INVALID, message)


def _validate_string(value: str, schema: JsonObject, path: str) -> Iterator[FieldError]:
    if len(value) < schema.get("minLength", 0):
        yield invalid(path, value, f"{path} in body should be at least {schema['minLength']} chars long")
    if len(value) > schema.get("maxLength", math.inf):
        message = f"Too long: may not be more than {schema['maxLength']} bytes"
        yield FieldError(path, CauseReason.TOO_LONG, message)
    pattern = schema.get("pattern")
    if pattern and not re.search(pattern, value):
        yield invalid(path, value, f"{path} in body should match '{pattern}'")
    if schema.get("format") == "date-time" and not _is_time(value):
        yield invalid(path, value, f"{path} in body must be of type date-time: {shown(value)}")


def _validate_number(value: float, schema: JsonObject, path: str) -> Iterator[FieldError]:
    if "minimum" in schema:
        least = schema["minimum"]
        if schema.get("exclusiveMinimum") and value <= least:
            yield invalid(path, value, f"{path} in body should be greater than {least}")
        elif value < least:
            yield invalid(path, value, f"{path} in body should be greater than or equal to {least}")
    if "maximum" in schema:
        most = schema["maximum"]
        if schema.get("exclusiveMaximum") and value >= most:
            yield invalid(path, value, f"{path} in body should be less than {most}")
        elif value > most:
            yield invalid(path, value, f"{path} in body should be less than or equal to {most}")
    step = schema.get("multipleOf")
    if step and not math.isclose(value / step, round(value / step), abs_tol=1e-9):
        yield invalid(path, value, f"{path} in body should be a multiple of {step}")


def _validate_object(value: JsonObject, schema: JsonObject, path: str) -> Iterator[FieldError]:
    for key in schema.get("required") or ():
        if key not in value:
            yield required(_join(path, key))
    if len(value) < schema.get("minProperties", 0):
        detail = f"{path} in body should have at least {schema['minProperties']} properties"
        yield invalid(path, len(value), detail)
    if len(value) > schema.get("maxProperties", math.inf):
        yield _too_many(path, len(value), schema["maxProperties"])
    properties = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    for key, item in value.items():
        child = properties.get(key, extra if isinstance(extra, dict) else None)
        if child is not None:
            yield from validate(item, child, _join(path, key))


def _validate_list(value: Sequence[JsonValue], schema: JsonObject, path: str) -> Iterator[FieldError]:
    if len(value) < schema.get("minItems", 0):
        yield invalid(path, len(value), f"{path} in body should have at least {schema['minItems']} items")
    if len(value) > schema.get("maxItems", math.inf):
        yield _too_many(path, len(value), schema["maxItems"])
    seen: list[JsonValue] = []
    for index, item in enumerate(value):
        identity = list_identity(item, schema)
        if identity is not None:
            if identity in seen:
                yield duplicate(f"{path}[{index}]", identity)
            seen.append(identity)
        yield from validate(item, schema.get("items") or {}, f"{path}[{index}]")


def list_identity(item: JsonValue, schema: JsonObject) -> JsonValue:
    """What makes an item of a set or a map list unique; None in an atomic list."""
    kind = schema.get("x-kubernetes-list-type")
    if kind == "set":
        return item
    if kind == "map" and isinstance(item, dict):
        return {key: item.get(key) for key in schema.get("x-kubernetes-list-map-keys") or ()}
    return None


def _validate_combinations(value: JsonValue, schema: JsonObject, path: str) -> Iterator[FieldError]:
    for child in schema.get("allOf") or ():
        yield from validate(value, child, path)
    any_of, one_of = schema.get("anyOf"), schema.get("oneOf")
    if any_of and not any(_is_valid(value, child) for child in any_of):
        yield invalid(path, value, f'"{path}" must validate at least one schema (anyOf)')
    if one_of:
        valid_count = sum(1 for child in one_of if _is_valid(value, child))
        if valid_count != 1:
            found = "none valid" if valid_count == 0 else f"{valid_count} valid alternatives"
            detail = f'"{path}" must validate one and only one schema (oneOf). Found {found}'
            yield invalid(path, value, detail)
    if schema.get("not") and _is_valid(value, schema["not"]):
        yield invalid(path, value, f'"{path}" must not validate the schema (not)')


def _is_valid(value: JsonValue, schema: JsonObject) -> bool:
    return next(validate(value, schema), None) is None


def _too_many(path: str, count: int, most: int) -> FieldError:
    return FieldError(path, CauseReason.TOO_MANY, f"Too many: {count}: must have at most {most} items")


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return "T" in text


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
