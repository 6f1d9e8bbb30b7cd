"""Reads a wire type from a file or standard input; whatever is wrong with it is said in a line of its own."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from inferno_optimizer.malformed import MalformedJsonError, parsed
from inferno_shared.contracts import WireModel, unknown_fields
from inferno_shared.service.problems import validation_problem

STANDARD_INPUT: Final = "-"
MOST_SHOWN: Final = 10
GIVE: Final = "give a JSON file, or - for standard input"

Input = TypeVar("Input", bound=WireModel)


class UnreadableInputError(ValueError):
    """What is wrong, a line each, with what to do about it."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def read(file: str, model: type[Input]) -> Input:
    """The file's content as a wire type; `-` is standard input.

    A field that the type does not know is refused too: in a file edited by hand it is a slip.

    Raises:
        UnreadableInputError: there is no such file, or its content is not the type's.
    """
    where = "standard input" if file == STANDARD_INPUT else file
    try:
        body = parsed(_content(file, where))
    except MalformedJsonError as error:
        raise UnreadableInputError(f"{where}: {error}; {GIVE}") from error
    if not isinstance(body, dict):
        raise UnreadableInputError(f"{where}: is JSON, but not an object with named fields")
    try:
        value = model.model_validate(body)
    except ValidationError as error:
        problem = validation_problem(error.errors(include_url=False), body)
        lines = [f"{where}: {field.field}: {field.message}" for field in problem.errors]
        raise UnreadableInputError(*_few(lines, error.error_count())) from error
    unknown = [f"{where}: {_unknown(path, closest)}" for path, closest in unknown_fields(value)]
    if unknown:
        raise UnreadableInputError(*_few(unknown, len(unknown)))
    return value


def _content(file: str, where: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == STANDARD_INPUT else Path(file).read_bytes()
    except OSError as error:
        raise UnreadableInputError(f"{where}: {error.strerror or error}; {GIVE}") from error


def _unknown(path: str, closest: str | None) -> str:
    hint = f"did you mean {closest}?" if closest else "remove it, or correct its name"
    return f"{path} is not a known field: {hint}"


def _few(lines: Sequence[str], count: int) -> Iterator[str]:
    """The first lines, and how many more of `count` there are."""
    yield from lines[:MOST_SHOWN]
    if count > MOST_SHOWN:
        yield f"... and {count - MOST_SHOWN} more"
