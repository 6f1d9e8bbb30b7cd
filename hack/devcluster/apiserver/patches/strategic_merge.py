"""Strategic merge patch: lists of built-in kinds are merged by the key that identifies their items.

Kubernetes writes these keys as struct tags; here one table holds them by field name, with the parent's field
name where two lists of the same name differ. Lists that are not in the table are replaced.
"""

from collections.abc import Mapping, Sequence

from devcluster.apiserver.objects.json_types import JsonObject, JsonValue, copy_value
from devcluster.apiserver.objects.status import bad_request

_DIRECTIVE = "$patch"
_RETAIN_KEYS = "$retainKeys"
_DELETE_ITEMS = "$deleteFromPrimitiveList/"
_SET_ORDER = "$setElementOrder/"

_MERGE_KEYS: Mapping[str, str] = {
    "addresses": "type",
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "podIPs": "ip",
    "secrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
_PORT_KEYS = ("containerPort", "port")  # of containers and of services
_MERGED_SETS = frozenset({"finalizers", "podCIDRs"})


def strategic_merge(target: JsonObject, patch: JsonObject) -> JsonObject:
    """The target with a strategic merge patch applied.

    Raises:
        ApiError: 400 when a list item of the patch lacks its merge key.
    """
    merged = _merge_object(target, patch)
    return merged if merged is not None else {}


def merge_key(field: str, items: Sequence[JsonValue]) -> str | None:
    """The key that identifies the items of a list field; None when the list is atomic."""
    if field == "ports":
        objects = [item for item in items if isinstance(item, dict)]
        return next((key for key in _PORT_KEYS if any(key in item for item in objects)), None)
    return _MERGE_KEYS.get(field)


def _merge_object(target: JsonObject, patch: JsonObject) -> JsonObject | None:
    """Merge one object; None when the patch says that it goes."""
    directive = patch.get(_DIRECTIVE)
    if directive == "delete":
        return None
    if directive == "replace":
        return {key: copy_value(value) for key, value in patch.items() if key != _DIRECTIVE}
    merged = dict(target)
    if retained := patch.get(_RETAIN_KEYS):
        merged = {key: value for key, value in merged.items() if key in retained}
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        _merge_field(merged, key, value)
    for key, value in patch.items():
        if key.startswith(_DELETE_ITEMS):
            field = key.removeprefix(_DELETE_ITEMS)
            merged[field] = [item for item in merged.get(field) or () if item not in value]
        elif key.startswith(_SET_ORDER):
            field = key.removeprefix(_SET_ORDER)
            if field in merged:
                merged[field] = _in_order(field, merged[field], value)
    return merged


def _merge_field(merged: JsonObject, key: str, value: JsonValue) -> None:
    present = merged.get(key)
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, dict):
        result = _merge_object(present if isinstance(present, dict) else {}, value)
        if result is None:
            merged.pop(key, None)
        else:
            merged[key] = result
    elif isinstance(value, list):
        merged[key] = _merge_list(key, present if isinstance(present, list) else [], value)
    else:
        merged[key] = value


def _merge_list(field: str, present: list[JsonValue], patch: list[JsonValue]) -> list[JsonValue]:
    if field in _MERGED_SETS:
        return [*present, *(item for item in patch if item not in present)]
    key = merge_key(field, [*present, *patch])
    if key is None:
        return [item for item in copy_value(patch) if item != {_DIRECTIVE: "replace"}]
    if {_DIRECTIVE: "replace"} in patch:
        return [copy_value(item) for item in patch if item != {_DIRECTIVE: "replace"}]
    merged = list(present)
    for item in patch:
        _merge_item(merged, field, key, item)
    return merged


def _merge_item(merged: list[JsonValue], field: str, key: str, item: JsonValue) -> None:
    if not isinstance(item, dict) or key not in item:
        raise bad_request(f"map: {item} does not contain declared merge key: {key} (in {field})")
    position = next(
        (
            index
            for index, other in enumerate(merged)
            if isinstance(other, dict) and other.get(key) == item[key]
        ),
        None,
    )
    known = {} if position is None else merged[position]
    result = _merge_object(known if isinstance(known, dict) else {}, item)
    if position is None:
        if result is not None:
            merged.append(result)
    elif result is None:
        del merged[position]
    else:
        merged[position] = result


def _in_order(field: str, items: list[JsonValue], order: Sequence[JsonValue]) -> list[JsonValue]:
    """The items in the order that the patch's author sees; items unknown to the author keep their place."""
    key = merge_key(field, [*items, *order])

    def identity(item: JsonValue) -> JsonValue:
        return item.get(key) if key and isinstance(item, dict) else item

    rank = {str(identity(item)): position for position, item in enumerate(order)}
    known = sorted(
        (item for item in items if str(identity(item)) in rank), key=lambda item: rank[str(identity(item))]
    )
    following = iter(known)
    return [next(following) if str(identity(item)) in rank else item for item in items]
