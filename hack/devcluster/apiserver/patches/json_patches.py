"""JSON patch (RFC 6902) and JSON merge patch (RFC 7386). Strategic merge has its own module.

Both answer with a new document; the given one is never changed.
"""

from collections.abc import Sequence
from typing import cast

from devcluster.apiserver.objects.json_types import JsonObject, JsonValue, copy_value
from devcluster.apiserver.objects.status import ApiError, bad_request


def merge_patch(target: JsonValue, patch: JsonValue) -> JsonValue:
    """The target with the patch merged in: null removes a key, lists are replaced."""
    if not isinstance(patch, dict):
        return cast("JsonValue", copy_value(patch))
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(target: JsonObject, operations: JsonValue) -> JsonValue:
    """The target after a list of add, remove, replace, move, copy and test operations.

    Raises:
        ApiError: 400 for a malformed patch, 422 when an operation cannot be applied or a test fails.
    """
    if not isinstance(operations, list):
        raise bad_request("a JSON patch must be a list of operations")
    document: JsonValue = copy_value(target)
    for operation in operations:
        document = _apply(document, operation)
    return document


def _apply(document: JsonValue, operation: JsonValue) -> JsonValue:
    if not isinstance(operation, dict) or "op" not in operation or "path" not in operation:
        raise bad_request("each operation of a JSON patch must have op and path")
    kind, path = operation["op"], _pointer(operation["path"])
    if kind in {"move", "copy"}:
        source = _pointer(operation.get("from", ""))
        value = copy_value(_get(document, source))
        if kind == "move":
            document = _remove(document, source)
        return _add(document, path, value)
    if kind == "remove":
        return _remove(document, path)
    if kind not in {"add", "replace", "test"}:
        raise bad_request(f"unknown operation {kind!r} in a JSON patch")
    value = copy_value(operation.get("value"))
    if kind == "add":
        return _add(document, path, value)
    present = _get(document, path)
    if kind == "replace":
        return _add(_remove(document, path), path, value)
    if present != value:
        raise _refused(f"testing value {operation['path']} failed")
    return document


def _pointer(text: JsonValue) -> list[str]:
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise bad_request(f"{text!r} is no JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _get(document: JsonValue, path: Sequence[str]) -> JsonValue:
    for part in path:
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list):
            document = document[_index(document, part, inserting=False)]
        else:
            raise _refused(f"doc is missing path: /{'/'.join(path)}")
    return document


def _add(document: JsonValue, path: Sequence[str], value: JsonValue) -> JsonValue:
    if not path:
        return value
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent.insert(_index(parent, last, inserting=True), value)
    else:
        raise _refused(f"doc is missing path: /{'/'.join(path)}")
    return document


def _remove(document: JsonValue, path: Sequence[str]) -> JsonValue:
    if not path:
        return None
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, dict) and last in parent:
        del parent[last]
    elif isinstance(parent, list):
        del parent[_index(parent, last, inserting=False)]
    else:
        raise _refused(f"unable to remove nonexistent key: {last}: missing value")
    return document


def _index(items: Sequence[JsonValue], text: str, *, inserting: bool) -> int:
    if text == "-" and inserting:
        return len(items)
    if not text.isdigit() or int(text) >= len(items) + inserting:
        raise _refused(f"invalid index referenced: {text}")
    return int(text)


def _refused(message: str) -> ApiError:
    return ApiError(
        422, "Invalid", f"the server rejected our request due to an error in our request: {message}"
    )
