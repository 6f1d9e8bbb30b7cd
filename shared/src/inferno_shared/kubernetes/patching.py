"""The smallest JSON merge patch (RFC 7396) between two objects, so that a write says only what changed."""

from collections.abc import Mapping
from typing import Any


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patch that turns `old` into `new`; empty when they are equal.

    Example: {"a": 1, "b": {"c": 2, "d": 3}} to {"b": {"c": 2, "d": 4}} is {"a": None, "b": {"d": 4}}.
    """
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            if inner := merge_patch(before, value):
                patch[key] = inner
        elif key not in old or before != value:
            patch[key] = value
    return patch
