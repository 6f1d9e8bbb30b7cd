"""What every wire type has in common: immutable, finite numbers only, tolerant of newer writers.

A reader accepts fields that it does not know, so that services can be upgraded one at a time, but never in
silence: `unknown_fields` names them, and the optimizer reports them (a misspelt what-if must not pass as a
default).
"""

import difflib
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Annotated, Any, Final, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from inferno_shared.redaction import redacted

SCHEMA_VERSION: Final = "1"

MAX_VARIANTS = 20_000
MAX_NODES = 20_000
MAX_PROFILES_PER_VARIANT = 64
MAX_BATCH_SIZE = 8_192
MOST_UNKNOWN: Final = 100

Name = Annotated[str, Field(min_length=1, max_length=253)]
Ratio = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0, le=1e12)]
Positive = Annotated[float, Field(gt=0, le=1e12)]
Count = Annotated[int, Field(ge=0, le=10_000_000)]
Sentence = Annotated[
    str, AfterValidator(redacted)
]  # what it quotes, such as an address, may hold a credential


class WireModel(BaseModel):
    """Base of every wire type: frozen, no NaN or infinity, unknown fields kept aside for `unknown_fields`."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False, ser_json_inf_nan="null")


class Problem(WireModel):
    """Something that one object suffers from and an operator can mend. It never stops the others."""

    subject: str = Field(
        description="What it is about: 'VariantAutoscaling ns/name', 'Node n1', 'ConfigMap key'"
    )
    reason: str = Field(description="CamelCase word for machines, such as MetricsMissing")
    message: Sentence = Field(description="What is wrong, the number or field that decided, and what to do")


def unknown_fields(model: BaseModel) -> Iterator[tuple[str, str | None]]:
    """Yield (path, closest known name or None) for each field of `model` that its type does not define.

    Example: a snapshot whose first variant says `min_replica` yields
    `("variants[0].min_replica", "min_replicas")`.
    """
    return named_with_closest(_unknown(model, ""))


def named_with_closest(
    unknown: Iterable[tuple[str, str, Collection[str]]],
) -> Iterator[tuple[str, str | None]]:
    """Give each (path before the name, name, known names) its closest known name, if there is one.

    A body can hold a million of them: after `MOST_UNKNOWN` the rest is counted and not looked at.
    """
    rest = iter(unknown)
    for path, name, known in islice(rest, MOST_UNKNOWN):
        closest = difflib.get_close_matches(name, known, n=1)
        yield f"{path}{name}", closest[0] if closest else None
    more = sum(1 for _ in rest)
    if more:
        yield f"all else unknown ({more} fields)", None


def _unknown(model: BaseModel, path: str) -> Iterator[tuple[str, str, Collection[str]]]:
    kind = type(model)
    for name in model.model_extra or {}:
        yield path, name, kind.model_fields
    for name in _fields_with_models(kind):
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _unknown(value, f"{path}{name}.")
        elif value:
            for index, item in enumerate(value):
                yield from _unknown(item, f"{path}{name}[{index}].")


@cache
def _fields_with_models(kind: type[BaseModel]) -> tuple[str, ...]:
    """Fields that can hold models; a snapshot has a thousand numbers and names for each that can."""
    return tuple(name for name, field in kind.model_fields.items() if _may_hold_models(field.annotation))


def _may_hold_models(annotation: Any) -> bool:  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return issubclass(annotation, BaseModel)
    return any(_may_hold_models(part) for part in get_args(annotation))
