"""Label and field selectors: parsed once per request, then a cheap test per object.

A field selector may name any path of the object (`status.phase`, `involvedObject.name`, ...), which is more
than Kubernetes indexes, so no client is refused here that a real cluster would serve.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from devcluster.apiserver.objects.json_types import JsonObject, JsonValue, dig
from devcluster.apiserver.objects.status import bad_request

Matcher: TypeAlias = Callable[[JsonObject], bool]

_SET_BASED = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)\s*$")
_EQUALITY = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[^\s=!,()]*)\s*$")
_EXISTENCE = re.compile(r"^\s*(?P<negated>!?)\s*(?P<key>[^\s!=,()]+)\s*$")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term of a selector: the value must be in (or not in) the values; empty values mean existence."""

    key: str
    values: frozenset[str]
    negated: bool = False

    def accepts(self, labels: JsonObject) -> bool:
        """Whether a label set fulfils the term; as in Kubernetes, an absent key fulfils a negated term."""
        value = labels.get(self.key)
        holds = value is not None if not self.values else value in self.values
        return holds != self.negated


def parse_label_selector(text: str) -> tuple[Requirement, ...]:
    """The terms of a label selector string such as `app=vllm,tier in (a, b),!old`.

    Raises:
        ApiError: 400 when the text is no selector.
    """
    return tuple(_parse_label_term(term) for term in _split_terms(text) if term.strip())


def requirements_of(selector: JsonObject | None) -> tuple[Requirement, ...]:
    """The terms of a `LabelSelector` object (matchLabels and matchExpressions)."""
    if not selector:
        return ()
    terms = [
        Requirement(key, frozenset([str(value)]))
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    for expression in selector.get("matchExpressions") or []:
        negated = expression["operator"] in {"NotIn", "DoesNotExist"}
        terms.append(
            Requirement(expression["key"], frozenset(expression.get("values") or ()), negated=negated)
        )
    return tuple(terms)


def label_matcher(requirements: Sequence[Requirement]) -> Matcher:
    """A test of an object's own labels."""

    def matches(document: JsonObject) -> bool:
        labels = document["metadata"].get("labels") or {}
        return all(requirement.accepts(labels) for requirement in requirements)

    return matches


def field_matcher(text: str) -> Matcher:
    """A test of an object's fields against a selector string such as `spec.nodeName=a,status.phase!=Failed`.

    Raises:
        ApiError: 400 when a term is not of the form path=value, path==value or path!=value.
    """
    terms = [_parse_field_term(term) for term in text.split(",") if term.strip()]

    def matches(document: JsonObject) -> bool:
        return all((_as_text(dig(document, *path)) == value) != negated for path, value, negated in terms)

    return matches


def matcher(label_selector: str | None, field_selector: str | None) -> Matcher | None:
    """Both selectors of a request as one test; None when everything matches."""
    tests: list[Matcher] = []
    if label_selector:
        tests.append(label_matcher(parse_label_selector(label_selector)))
    if field_selector:
        tests.append(field_matcher(field_selector))
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    return lambda document: all(test(document) for test in tests)


def selector_text(selector: JsonObject | None) -> str:
    """A `LabelSelector` as kubectl prints it; `<none>` when it is empty."""
    if not selector:
        return "<none>"
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or []:
        values = ",".join(sorted(expression.get("values") or ()))
        parts.append(
            {
                "In": f"{expression['key']} in ({values})",
                "NotIn": f"{expression['key']} notin ({values})",
                "Exists": f"{expression['key']}",
                "DoesNotExist": f"!{expression['key']}",
            }[expression["operator"]]
        )
    return ",".join(parts) or "<none>"


def _split_terms(text: str) -> list[str]:
    """Split at the commas that are outside of parentheses."""
    terms, depth, start = [], 0, 0
    for position, character in enumerate(text):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == "," and depth == 0:
            terms.append(text[start:position])
            start = position + 1
    terms.append(text[start:])
    return terms


def _parse_label_term(term: str) -> Requirement:
    if found := _SET_BASED.match(term):
        values = frozenset(value.strip() for value in found["values"].split(","))
        return Requirement(found["key"], values, negated=found["operator"] == "notin")
    if found := _EQUALITY.match(term):
        return Requirement(found["key"], frozenset([found["value"]]), negated=found["operator"] == "!=")
    if found := _EXISTENCE.match(term):
        return Requirement(found["key"], frozenset(), negated=bool(found["negated"]))
    raise bad_request(f'unable to parse requirement: couldn\'t parse the selector string "{term.strip()}"')


def _parse_field_term(term: str) -> tuple[tuple[str, ...], str, bool]:
    for operator, negated in (("!=", True), ("==", False), ("=", False)):
        path, found, value = term.partition(operator)
        if found:
            return tuple(path.strip().split(".")), value.strip(), negated
    raise bad_request(f'invalid selector: "{term.strip()}"; can\'t understand it')


def _as_text(value: JsonValue) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
