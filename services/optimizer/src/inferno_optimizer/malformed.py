"""JSON from bytes, for requests and files alike; what is no JSON is refused in words for whoever wrote it.

The parser of pydantic is faster and says less: this one is asked when that one refuses.
"""

import json
from typing import Final

MOST_NESTED: Final = 200
"""Levels of lists and objects: pydantic's parser reads as many, and a document of ours has ten."""

TOO_DEEP: Final = f"is nested too deeply, more than {MOST_NESTED} levels"
GZIP: Final = b"\x1f\x8b"


class MalformedJsonError(ValueError):
    """Bytes that are no JSON, or none that anybody means; the message follows whatever held them."""


def parsed(content: bytes) -> object:
    """The value that the bytes say.

    Raises:
        MalformedJsonError: they say none, or one that is nested too deeply or has a number of thousands of
            digits.
    """
    if not content.strip():
        raise MalformedJsonError("is empty")
    if content.startswith(GZIP):
        raise MalformedJsonError("is compressed: send it as plain text")
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise MalformedJsonError(
            f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno} (character {error.pos})"
        ) from error
    except UnicodeDecodeError as error:
        raise MalformedJsonError(f"is not UTF-8 text ({error.reason} at byte {error.start})") from error
    except RecursionError as error:
        raise MalformedJsonError(TOO_DEEP) from error
    except ValueError as error:  # An integer beyond Python's limit.
        raise MalformedJsonError("has a number of thousands of digits") from error
    if _deeper_than(value, MOST_NESTED):
        raise MalformedJsonError(TOO_DEEP)
    return value


def _deeper_than(value: object, most: int) -> bool:
    level = [value]
    for _ in range(most + 1):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value.values()]
    return value if isinstance(value, list) else []
