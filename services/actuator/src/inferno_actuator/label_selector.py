"""Parses and matches Kubernetes label selectors, the language in which an HPA says which series it wants.

Grammar: requirements joined by commas, each one of `k`, `!k`, `k=v`, `k==v`, `k!=v`, `k in (a,b)`,
`k notin (a,b)`, `k>1`, `k<1`. As in Kubernetes, `!=` and `notin` also match when the label is absent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Operator = Literal["in", "notin", "exists", "absent", "above", "below"]

_KEY: Final = r"(?P<key>[A-Za-z0-9](?:[\w./-]*[A-Za-z0-9])?)"
_VALUE: Final = r"(?P<value>(?:[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)?)"
_SPACE: Final = r"\s*"
_REQUIREMENT: Final = re.compile(
    rf"""{_SPACE}(?:
        !{_SPACE}(?P<absent>[A-Za-z0-9](?:[\w./-]*[A-Za-z0-9])?)
      | {_KEY}(?:
            \s+(?P<set>in|notin){_SPACE}\((?P<values>[^()]*)\)
          | {_SPACE}(?P<sign>==|=|!=|>|<){_SPACE}{_VALUE}
        )?
    ){_SPACE}(?P<end>,|$)""",
    re.VERBOSE,
)
_VALUE_ALONE: Final = re.compile(r"(?:[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)?")


class LabelSelectorError(ValueError):
    """The text is not a label selector; the message shows where it stops making sense."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` meet it."""
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
            case "exists":
                return value is not None
            case "absent":
                return value is None
        return _compares(value, self.operator, int(next(iter(self.values))))


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements must hold; none at all selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` meet every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)


def parse_label_selector(text: str) -> LabelSelector:
    """Read a selector as it stands in `?labelSelector=`.

    Raises:
        LabelSelectorError: it is not one.
    """
    if not text.strip():
        return LabelSelector()
    requirements: list[Requirement] = []
    position, more = 0, True
    while more:
        found = _REQUIREMENT.match(text, position)
        if found is None:
            raise LabelSelectorError(f"label selector {text!r}: cannot read from {text[position:]!r}")
        requirements.append(_requirement(found, text))
        position, more = found.end(), found["end"] == ","
    return LabelSelector(tuple(requirements))


def _requirement(found: re.Match[str], text: str) -> Requirement:
    if found["absent"]:
        return Requirement(found["absent"], "absent")
    key = found["key"]
    if found["set"]:
        values = frozenset(value.strip() for value in found["values"].split(","))
        if not all(_VALUE_ALONE.fullmatch(value) for value in values):
            raise LabelSelectorError(f"label selector {text!r}: ({found['values']}) is not a list of values")
        return Requirement(key, "in" if found["set"] == "in" else "notin", values)
    match found["sign"]:
        case None:
            return Requirement(key, "exists")
        case "=" | "==":
            return Requirement(key, "in", frozenset({found["value"]}))
        case "!=":
            return Requirement(key, "notin", frozenset({found["value"]}))
    if not found["value"].isdecimal():
        raise LabelSelectorError(f"label selector {text!r}: {found['sign']} needs a whole number")
    return Requirement(key, "above" if found["sign"] == ">" else "below", frozenset({found["value"]}))


def _compares(value: str | None, operator: Operator, bound: int) -> bool:
    if value is None or not value.isdecimal():
        return False
    return int(value) > bound if operator == "above" else int(value) < bound
