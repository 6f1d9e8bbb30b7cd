"""Turns a parser's stumble over an unexpected shape into the error that a cache reports and survives."""

from collections.abc import Callable
from typing import TypeVar

from inferno_shared.errors import MalformedObjectError
from inferno_shared.kubernetes import JsonObject

T = TypeVar("T")


def careful(parse: Callable[[JsonObject], T]) -> Callable[[JsonObject], T]:
    """`parse`, except that a missing or mistyped field is a MalformedObjectError like any other."""

    def read(raw: JsonObject) -> T:
        try:
            return parse(raw)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            kind = raw.get("kind", "object")
            raise MalformedObjectError(
                str(kind), f"cannot be read: {type(error).__name__}: {error}"
            ) from error

    return read
