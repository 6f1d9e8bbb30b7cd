"""Server-side apply without field managers: what is applied is merged in, and `managedFields` is not kept.

A list is merged by its keys (from the CRD's schema, or the table of strategic merge for built-in kinds) and
otherwise replaced. The one thing that is lost without managers: a field that an earlier apply set and a later
one leaves out stays, and nobody ever conflicts.
"""

from collections.abc import Sequence
from typing import cast

from devcluster.apiserver.objects.json_types import JsonObject, JsonValue, copy_value
from devcluster.apiserver.patches.strategic_merge import merge_key


def apply_patch(target: JsonObject, applied: JsonObject, schema: JsonObject | None) -> JsonObject:
    """The target with the applied configuration merged in."""
    return _apply_object(target, applied, schema)


def _apply_object(target: JsonObject, applied: JsonObject, schema: JsonObject | None) -> JsonObject:
    if schema and schema.get("x-kubernetes-map-type") == "atomic":
        return {key: copy_value(value) for key, value in applied.items()}
    merged = dict(target)
    for key, value in applied.items():
        merged[key] = _apply_value(key, merged.get(key), value, _schema_of(schema, key))
    return merged


def _apply_value(field: str, present: JsonValue, value: JsonValue, schema: JsonObject | None) -> JsonValue:
    if isinstance(value, dict):
        return _apply_object(present if isinstance(present, dict) else {}, value, schema)
    if isinstance(value, list) and isinstance(present, list):
        return _apply_list(field, present, value, schema)
    return cast("JsonValue", copy_value(value))


def _apply_list(
    field: str, present: list[JsonValue], applied: list[JsonValue], schema: JsonObject | None
) -> list[JsonValue]:
    if schema and schema.get("x-kubernetes-list-type") == "set":
        return [*present, *(item for item in applied if item not in present)]
    keys = _keys_of(field, [*present, *applied], schema)
    if not keys:
        return list(copy_value(applied))
    merged = list(present)
    item_schema = schema.get("items") if schema else None
    for item in applied:
        position = next((index for index, other in enumerate(merged) if _same(other, item, keys)), None)
        if position is None:
            merged.append(copy_value(item))
        else:
            merged[position] = _apply_value("", merged[position], item, item_schema)
    return merged


def _keys_of(field: str, items: Sequence[JsonValue], schema: JsonObject | None) -> Sequence[str]:
    if schema is not None:
        keys: Sequence[str] = schema.get("x-kubernetes-list-map-keys") or ()
        return keys if schema.get("x-kubernetes-list-type") == "map" else ()
    key = merge_key(field, items)
    return (key,) if key else ()


def _same(one: JsonValue, other: JsonValue, keys: Sequence[str]) -> bool:
    return (
        isinstance(one, dict)
        and isinstance(other, dict)
        and all(one.get(key) == other.get(key) for key in keys)
    )


def _schema_of(schema: JsonObject | None, key: str) -> JsonObject | None:
    if schema is None:
        return None
    found = (schema.get("properties") or {}).get(key)
    if isinstance(found, dict):
        return found
    more = schema.get("additionalProperties")
    return more if isinstance(more, dict) else {}
