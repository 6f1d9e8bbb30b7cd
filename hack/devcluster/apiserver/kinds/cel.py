"""Validation rules of custom kinds (`x-kubernetes-validations`), evaluated with cel-python.

The rules of a schema are compiled once into a tree that holds only the branches with rules, so an object
costs no more than its rules. A rule that mentions `oldSelf` is a transition rule: it runs only where the old
value is known (list items are matched by their map keys, and not at all in an atomic list).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import celpy
from celpy import celtypes
from celpy.adapter import json_to_cel
from celpy.celparser import CELParseError
from celpy.evaluation import CELEvalError
from pydantic_core import to_json

from devcluster.apiserver.kinds.schema import list_identity, type_name
from devcluster.apiserver.objects.json_types import JsonObject, JsonValue
from devcluster.apiserver.objects.status import CauseReason, FieldError

_ENVIRONMENT = celpy.Environment()
_REMEMBERED_VALUES = 4096
_TRANSITION = re.compile(r"\boldSelf\b")
_ESCAPES = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))
_RESERVED_NAMES = """true false null in as break const continue else for function if import let loop package
namespace return var void while"""
_RESERVED = frozenset(_RESERVED_NAMES.split())
_REASONS = {reason.value: reason for reason in CauseReason}


class RuleSyntaxError(ValueError):
    """A rule that cannot be compiled; `path` says where in the schema it is."""

    def __init__(self, path: str, rule: str, problem: str) -> None:
        super().__init__(f"compilation failed: {problem}")
        self.path = path
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule with what is said when it does not hold."""

    text: str
    program: celpy.Runner
    message: str
    message_program: celpy.Runner | None
    reason: CauseReason
    field_path: str
    transition: bool

    def check(self, value: Any, old: Any, path: str, kind: str) -> FieldError | None:  # noqa: ANN401 - CEL values
        """The error, if the rule does not hold for a value."""
        context = {"self": value, "oldSelf": old} if self.transition else {"self": value}
        try:
            holds = bool(self.program.evaluate(context))
            message = self.message
            if not holds and self.message_program is not None:
                message = str(self.message_program.evaluate(context))
        except CELEvalError as error:
            holds, message = False, f"{error.args[0]} evaluating rule: {self.message}"
        if holds:
            return None
        label = {
            CauseReason.REQUIRED: "Required value",
            CauseReason.FORBIDDEN: "Forbidden",
            CauseReason.DUPLICATE: f'Duplicate value: "{kind}"',
        }.get(self.reason, f'Invalid value: "{kind}"')
        return FieldError(f"{path}{self.field_path}", self.reason, f"{label}: {message}")


@dataclass(frozen=True, slots=True)
class RuleTree:
    """The rules at one place of a schema and below it; fleets of objects alike are evaluated once."""

    schema: JsonObject
    rules: tuple[Rule, ...] = ()
    properties: dict[str, "RuleTree"] = field(default_factory=dict)
    items: "RuleTree | None" = None
    additional: "RuleTree | None" = None
    accepted: dict[bytes, None] = field(default_factory=dict)  # values that passed, oldest first

    def broken(self, value: JsonValue, old: JsonValue, path: str) -> Iterator[FieldError]:
        """The rules at this place that a value breaks; what is known to pass is not evaluated again."""
        encoded = to_json(value)
        known = encoded in self.accepted or (old is not None and old == value)
        rules = [rule for rule in self.rules if rule.transition or not known]
        if not rules:
            return
        current = to_cel(value, self.schema)
        previous = None if old is None else to_cel(old, self.schema)
        passed = not known
        for rule in rules:
            if rule.transition and previous is None:
                continue
            error = rule.check(current, previous, path or "<nil>", type_name(value))
            if error is not None:
                passed = passed and rule.transition
                yield error
        if passed:
            self.accepted[encoded] = None
            if len(self.accepted) > _REMEMBERED_VALUES:
                del self.accepted[next(iter(self.accepted))]


def compile_rules(schema: JsonObject, path: str = "openAPIV3Schema") -> RuleTree | None:
    """The tree of all rules of a schema; None when there are none.

    Raises:
        RuleSyntaxError: a rule cannot be compiled.
    """
    rules = tuple(
        _compile(rule, f"{path}.x-kubernetes-validations[{index}].rule")
        for index, rule in enumerate(schema.get("x-kubernetes-validations") or ())
    )
    properties = {
        key: tree
        for key, child in (schema.get("properties") or {}).items()
        if (tree := compile_rules(child, f"{path}.properties[{key}]"))
    }
    items = compile_rules(schema["items"], f"{path}.items") if schema.get("items") else None
    extra = schema.get("additionalProperties")
    additional = compile_rules(extra, f"{path}.additionalProperties") if isinstance(extra, dict) else None
    if rules or properties or items or additional:
        return RuleTree(schema, rules, properties, items, additional)
    return None


def check_rules(tree: RuleTree, value: JsonValue, old: JsonValue, path: str = "") -> Iterator[FieldError]:
    """The rules that a value (with its old version, None when unknown) breaks."""
    if tree.rules:
        yield from tree.broken(value, old, path)
    if isinstance(value, dict):
        olds = old if isinstance(old, dict) else {}
        for key, item in value.items():
            child = tree.properties.get(key) or tree.additional
            if child is not None:
                yield from check_rules(child, item, olds.get(key), f"{path}.{key}" if path else key)
    elif isinstance(value, list) and tree.items is not None:
        for index, item in enumerate(value):
            before = _old_item(item, old, tree.schema)
            yield from check_rules(tree.items, item, before, f"{path}[{index}]")


def to_cel(value: JsonValue, schema: JsonObject) -> Any:  # noqa: ANN401 - CEL's own value types
    """A JSON value as CEL sees it: numbers typed by the schema, property names escaped."""
    if isinstance(value, dict):
        properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        other = extra if isinstance(extra, dict) else {}
        return celtypes.MapType(
            {
                celtypes.StringType(escaped(key) if key in properties else key): to_cel(
                    item, properties.get(key, other)
                )
                for key, item in value.items()
            }
        )
    if isinstance(value, list):
        return celtypes.ListType([to_cel(item, schema.get("items") or {}) for item in value])
    if isinstance(value, str) and schema.get("format") == "date-time":
        return celtypes.TimestampType(value)
    if schema.get("type") == "number" and isinstance(value, int | float):
        return celtypes.DoubleType(value)
    return json_to_cel(value)


def escaped(name: str) -> str:
    """A property name as it is written in a rule."""
    if name in _RESERVED:
        return f"__{name}__"
    for plain, replacement in _ESCAPES:
        name = name.replace(plain, replacement)
    return name


def _compile(declared: JsonObject, path: str) -> Rule:
    text = str(declared.get("rule", ""))
    expression = declared.get("messageExpression")
    message = declared.get("message") or f"failed rule: {' '.join(text.split())}"
    return Rule(
        text=text,
        program=_program(text, path),
        message=str(message),
        message_program=_program(expression, path) if expression else None,
        reason=_REASONS.get(str(declared.get("reason")), CauseReason.INVALID),
        field_path=str(declared.get("fieldPath", "")),
        transition=bool(_TRANSITION.search(text)),
    )


def _program(text: str, path: str) -> celpy.Runner:
    try:
        return _ENVIRONMENT.program(_ENVIRONMENT.compile(text))
    except CELParseError as error:
        raise RuleSyntaxError(path, text, str(error.args[0])) from error


def _old_item(item: JsonValue, old: JsonValue, schema: JsonObject) -> JsonValue:
    identity = list_identity(item, schema)
    if identity is None or not isinstance(old, list):
        return None
    return next((other for other in old if list_identity(other, schema) == identity), None)
