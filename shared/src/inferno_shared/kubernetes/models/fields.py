"""Reading single fields of raw JSON: the type that we expect, or an error naming the field's path.

Absent and null are the same, as in Kubernetes. `at` is the path of the object being read, "" at the root.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from inferno_shared.errors import MalformedObjectError

JsonObject = Mapping[str, Any]
NOTHING: Final[JsonObject] = {}


def path(at: str, key: str) -> str:
    """Dotted path of `key` within `at`."""
    return f"{at}.{key}" if at else key


def refusal(at: str, key: str, expected: str, found: object) -> MalformedObjectError:
    """Return the error that says what `key` must be and what it is."""
    shown = repr(found)
    return MalformedObjectError(path(at, key), f"must be {expected}, is {shown[:80]}")


def section(raw: JsonObject, key: str, at: str) -> JsonObject:
    """Return the object under `key`; empty when absent."""
    value = raw.get(key)
    if value is None:
        return NOTHING
    if type(value) is not dict:
        raise refusal(at, key, "an object", value)
    return value


def entries(raw: JsonObject, key: str, at: str) -> list[JsonObject]:
    """Return the list of objects under `key`; empty when absent."""
    value = raw.get(key)
    if value is None:
        return []
    if type(value) is not list:
        raise refusal(at, key, "a list", value)
    for index, entry in enumerate(value):
        if type(entry) is not dict:
            raise refusal(at, f"{key}[{index}]", "an object", entry)
    return value


def texts(raw: JsonObject, key: str, at: str) -> tuple[str, ...]:
    """Return the list of strings under `key`; empty when absent."""
    value = raw.get(key)
    if value is None:
        return ()
    if type(value) is not list:
        raise refusal(at, key, "a list of strings", value)
    for index, entry in enumerate(value):
        if type(entry) is not str:
            raise refusal(at, f"{key}[{index}]", "a string", entry)
    return tuple(value)


def text(raw: JsonObject, key: str, at: str) -> str:
    """Return the non-empty string under `key`."""
    value = raw.get(key)
    if type(value) is not str or not value:
        raise refusal(at, key, "a non-empty string", value)
    return value


def optional_text(raw: JsonObject, key: str, at: str) -> str | None:
    """Return the string under `key`; None when absent or empty."""
    value = raw.get(key)
    if value is None:
        return None
    if type(value) is not str:
        raise refusal(at, key, "a string", value)
    return value or None


def text_map(raw: JsonObject, key: str, at: str) -> Mapping[str, str]:
    """Return the map of strings under `key` (labels, annotations, selectors); empty when absent."""
    value = section(raw, key, at)
    for name, entry in value.items():
        if type(entry) is not str:
            raise refusal(path(at, key), name, "a string", entry)
    return value


def whole(raw: JsonObject, key: str, at: str, *, default: int = 0, minimum: int = 0) -> int:
    """Return the whole number under `key`."""
    value = raw.get(key)
    if value is None:
        return default
    if type(value) is not int or value < minimum:
        raise refusal(at, key, f"a whole number of at least {minimum}", value)
    return value


def flag(raw: JsonObject, key: str, at: str, *, default: bool = False) -> bool:
    """Return the boolean under `key`."""
    value = raw.get(key)
    if value is None:
        return default
    if type(value) is not bool:
        raise refusal(at, key, "true or false", value)
    return value


def optional_time(raw: JsonObject, key: str, at: str) -> datetime | None:
    """Return the RFC 3339 time under `key`, with its zone; None when absent."""
    value = raw.get(key)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise refusal(at, key, "an RFC 3339 time such as 2025-09-04T18:37:23Z", value)
    return moment
