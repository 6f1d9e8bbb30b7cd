"""Reads objects whose field names come in any letter case, as Go does, and names those it did not know."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel

from inferno_shared.contracts import WireModel, named_with_closest


class ForeignModel(WireModel):
    """Base of every object of a foreign document.

    Field names match in any letter case, null means left out, and errors name fields as upstream spells them.
    """

    model_config = ConfigDict(alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _spell_as_upstream(cls, value: Any) -> Any:  # noqa: ANN401 - whatever the client sent
        if not isinstance(value, Mapping):
            return value
        known = {alias.lower(): alias for alias in _aliases(cls)}
        given: dict[str, str] = {}
        for name in (name for name in value if value[name] is not None):
            spelled = known.get(str(name).lower(), str(name))
            if spelled in given:
                raise ValueError(f"{spelled} is given twice, as {given[spelled]} and as {name}")
            given[spelled] = name
        return {spelled: value[name] for spelled, name in given.items()}


def unknown_names(model: BaseModel) -> Iterator[tuple[str, str | None]]:
    """Yield (path, closest known name or None) for each field that the reader ignores.

    Example: `costs` in the first accelerator yields ("acceleratorData.accelerators[0].costs", "cost").
    """
    return named_with_closest(_unknown(model, ""))


def _unknown(model: BaseModel, path: str) -> Iterator[tuple[str, str, Collection[str]]]:
    aliases = _aliases(type(model))
    for name in model.model_extra or {}:
        yield path, name, aliases
    for name, alias in zip(type(model).model_fields, aliases, strict=True):
        yield from _within(getattr(model, name), f"{path}{alias}")


def _within(value: object, path: str) -> Iterator[tuple[str, str, Collection[str]]]:
    if isinstance(value, BaseModel):
        yield from _unknown(value, f"{path}.")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _within(item, f"{path}[{index}]")


def _aliases(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]
