r"""The JSONPath subset that printer columns use: fields, indices, wildcards and equality filters.

Examples: `.spec.modelID`, `.metadata.labels.app\.kubernetes\.io/name`, `.metadata.labels['a.b']`,
`.status.conditions[?(@.type=="Ready")].status`, `.spec.items[*].name`.
"""

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from devcluster.apiserver.objects.json_types import JsonValue

Step: TypeAlias = Callable[[Sequence[JsonValue]], list[JsonValue]]

_TOKEN = re.compile(
    r"""\.(?P<field>(?:\\.|[^.\[\\])+)
      | \[(?P<index>-?\d+)\]
      | \[(?P<all>\*)\]
      | \['(?P<quoted>[^']*)'\]
      | \[\?\(@(?P<path>(?:\.[\w/-]+)+)\s*==\s*(?P<quote>["'])(?P<value>[^"']*)(?P=quote)\)\]""",
    re.VERBOSE,
)


def compile_path(text: str) -> Callable[[JsonValue], list[JsonValue]]:
    """A function from a document to the values at the path.

    Raises:
        ValueError: the path is not understood.
    """
    path = text.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    steps, position = [], 0
    while position < len(path):
        found = _TOKEN.match(path, position)
        if found is None:
            raise ValueError(f"JSON path {text!r} is not understood at {path[position:]!r}")
        steps.append(_step(found))
        position = found.end()

    def values(document: JsonValue) -> list[JsonValue]:
        found_values: list[JsonValue] = [document]
        for step in steps:
            found_values = step(found_values)
        return found_values

    return values


def _step(found: re.Match[str]) -> Step:
    if found["field"] is not None:
        name = re.sub(r"\\(.)", r"\1", found["field"])
        return _all if name == "*" else _field(name)
    if found["quoted"] is not None:
        return _field(found["quoted"])
    if found["index"] is not None:
        return _item(int(found["index"]))
    if found["all"] is not None:
        return _all
    return _where(compile_path(found["path"]), found["value"])


def _field(name: str) -> Step:
    return lambda values: [value[name] for value in values if isinstance(value, dict) and name in value]


def _item(index: int) -> Step:
    return lambda values: [
        value[index] for value in values if isinstance(value, list) and -len(value) <= index < len(value)
    ]


def _all(values: Sequence[JsonValue]) -> list[JsonValue]:
    found: list[JsonValue] = []
    for value in values:
        if isinstance(value, dict):
            found.extend(value.values())
        elif isinstance(value, list):
            found.extend(value)
    return found


def _where(path: Callable[[JsonValue], list[JsonValue]], expected: str) -> Step:
    return lambda values: [item for item in _all(values) if expected in [str(found) for found in path(item)]]
