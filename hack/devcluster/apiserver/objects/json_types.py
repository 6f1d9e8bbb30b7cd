"""The JSON documents that travel through the API server, and a copy that is cheaper than `copy.deepcopy`.

Everything kept in the store is treated as immutable; whoever wants to change a document copies it first.
"""

from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
JsonValue: TypeAlias = "dict[str, Any] | list[Any] | str | int | float | bool | None"


def copy_object(document: JsonObject) -> JsonObject:
    """A deep copy of a JSON object."""
    return {key: copy_value(value) for key, value in document.items()}


def copy_value(value: JsonValue) -> Any:  # noqa: ANN401 - JSON in, the same JSON out
    """A deep copy of any JSON value; scalars are shared because they cannot change."""
    if isinstance(value, dict):
        return {key: copy_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copy_value(item) for item in value]
    return value


def dig(document: JsonValue, *path: str | int) -> Any:  # noqa: ANN401 - whatever JSON is found there
    """The value at a path of keys and indices, or None when any step of it is missing."""
    value: Any = document
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value
