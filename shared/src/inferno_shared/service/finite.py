"""JSON has no NaN and no Infinity, but Python's parser reads them: such a body is refused, by field."""

import json
import math
from collections.abc import Iterator

NOT_JSON = (b"NaN", b"Infinity")


def not_finite(body: bytes) -> Iterator[str]:
    """Yield the dotted path of each number of a JSON `body` that is not finite.

    Almost every body is cleared by looking for the words; only one that holds them is parsed here.
    """
    if not any(word in body for word in NOT_JSON):
        return
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return  # whoever reads the body says what is wrong with it
    yield from _within(document, "")


def _within(value: object, path: str) -> Iterator[str]:
    if isinstance(value, float):
        if not math.isfinite(value):
            yield path or "body"
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _within(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _within(item, f"{path}[{index}]")
