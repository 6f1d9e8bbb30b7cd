"""Structural schemas and CEL rules: what is dropped, filled in, refused, and in which words."""

import pytest

from devcluster.apiserver.kinds import cel, schema
from devcluster.apiserver.objects.json_types import JsonObject, JsonValue
from devcluster.apiserver.objects.status import CauseReason


def errors_of(value: JsonValue, definition: JsonObject) -> list[str]:
    return [str(error) for error in schema.validate(value, definition)]


def spec_schema(**properties: JsonObject) -> JsonObject:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


@pytest.mark.parametrize(
    ("definition", "value", "expected"),
    [
        (
            {"type": "integer"},
            "x",
            'spec.a: Invalid value: "string": spec.a in body must be of type integer: "string"',
        ),
        (
            {"type": "integer", "minimum": 1},
            0,
            "spec.a: Invalid value: 0: spec.a in body should be greater than or equal to 1",
        ),
        (
            {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            0,
            "spec.a: Invalid value: 0: spec.a in body should be greater than 0",
        ),
        (
            {"type": "integer", "maximum": 5},
            6,
            "spec.a: Invalid value: 6: spec.a in body should be less than or equal to 5",
        ),
        (
            {"type": "string", "pattern": r"^\d+$"},
            "1x",
            r"""spec.a: Invalid value: "1x": spec.a in body should match '^\d+$'""",
        ),
        (
            {"type": "string", "minLength": 1},
            "",
            'spec.a: Invalid value: "": spec.a in body should be at least 1 chars long',
        ),
        ({"type": "string", "maxLength": 2}, "abc", "spec.a: Too long: may not be more than 2 bytes"),
        (
            {"type": "string", "enum": ["x", "y"]},
            "z",
            'spec.a: Unsupported value: "z": supported values: "x", "y"',
        ),
        (
            {"type": "array", "minItems": 1},
            [],
            "spec.a: Invalid value: 0: spec.a in body should have at least 1 items",
        ),
        ({"type": "array", "maxItems": 1}, [1, 2], "spec.a: Too many: 2: must have at most 1 items"),
        (
            {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            ["x", "x"],
            'spec.a[1]: Duplicate value: "x"',
        ),
        (
            {"oneOf": [{"required": ["x"]}, {"required": ["y"]}]},
            {},
            'spec.a: Invalid value: {}: "spec.a" must validate one and only one schema (oneOf). '  # noqa: ISC004 - one message
            "Found none valid",
        ),
        (
            {"type": "string", "format": "date-time"},
            "yesterday",
            'spec.a: Invalid value: "yesterday": spec.a in body must be of type date-time: "yesterday"',
        ),
    ],
)
def test_each_mistake_has_its_own_words(definition: JsonObject, value: JsonValue, expected: str) -> None:
    assert errors_of({"spec": {"a": value}}, spec_schema(a=definition)) == [expected]


def test_a_missing_field_is_named_with_its_whole_path() -> None:
    item = {"type": "object", "required": ["acc"]}
    definition = spec_schema(items={"type": "array", "items": item})
    assert errors_of({"spec": {"items": [{}]}}, definition) == ["spec.items[0].acc: Required value"]


@pytest.mark.parametrize(
    ("definition", "value"),
    [
        ({"type": "number"}, 1),
        ({"type": "integer"}, 2.0),
        ({"x-kubernetes-int-or-string": True}, "25%"),
        ({"x-kubernetes-int-or-string": True}, 3),
        ({"type": "string", "nullable": True}, None),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "x"),
    ],
)
def test_what_fits_is_accepted(definition: JsonObject, value: JsonValue) -> None:
    assert errors_of({"spec": {"a": value}}, spec_schema(a=definition)) == []


def test_a_boolean_is_no_integer() -> None:
    assert errors_of({"spec": {"a": True}}, spec_schema(a={"type": "integer"}))


def test_unknown_fields_are_dropped_and_named_except_where_they_are_kept() -> None:
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    definition = spec_schema(
        a={"type": "string"}, free=free, map={"additionalProperties": {"type": "string"}}
    )
    value = {
        "apiVersion": "v1",
        "metadata": {"name": "x"},
        "spec": {"a": "1", "b": 2, "free": {"c": 3}, "map": {"k": "v"}},
        "extra": 1,
    }
    assert sorted(schema.prune(value, definition)) == ["extra", "spec.b"]
    assert value == {
        "apiVersion": "v1",
        "metadata": {"name": "x"},
        "spec": {"a": "1", "free": {"c": 3}, "map": {"k": "v"}},
    }


def test_a_null_gives_way_to_the_default() -> None:
    definition = spec_schema(a={"type": "integer", "default": 3}, b={"type": "string", "nullable": True})
    value: JsonObject = {"spec": {"a": None, "b": None}}
    assert list(schema.prune(value, definition)) == []
    schema.set_defaults(value, definition)
    assert value == {"spec": {"a": 3, "b": None}}


def test_defaults_are_set_inside_of_defaults_lists_and_maps() -> None:
    inner = {"type": "object", "properties": {"x": {"type": "integer", "default": 1}}}
    definition = spec_schema(
        made={**inner, "default": {}},
        items={"type": "array", "items": inner},
        map={"additionalProperties": inner},
    )
    value: JsonObject = {"spec": {"items": [{}], "map": {"k": {}}}}
    schema.set_defaults(value, definition)
    assert value == {"spec": {"made": {"x": 1}, "items": [{"x": 1}], "map": {"k": {"x": 1}}}}
    value["spec"]["made"]["x"] = 5
    assert definition["properties"]["spec"]["properties"]["made"]["default"] == {}


def ruled(*rules: JsonObject, **extra: object) -> JsonObject:
    return {"type": "object", "properties": {"spec": {**extra, "x-kubernetes-validations": list(rules)}}}


def broken(definition: JsonObject, value: JsonValue, old: JsonValue = None) -> list[str]:
    tree = cel.compile_rules(definition)
    assert tree is not None
    return [str(error) for error in cel.check_rules(tree, value, old)]


def test_a_rule_is_checked_and_its_message_shown() -> None:
    definition = ruled({"rule": "has(self.alpha) != has(self.perfParms)", "message": "exactly one of them"})
    assert broken(definition, {"spec": {"alpha": "1"}}) == []
    assert broken(definition, {"spec": {}}) == ['spec: Invalid value: "object": exactly one of them']
    assert broken(definition, {"spec": {"alpha": "1", "perfParms": {}}}) != []


def test_a_rule_without_message_shows_itself() -> None:
    definition = ruled({"rule": "self.a > 1"})
    assert broken(definition, {"spec": {"a": 1}}) == [
        'spec: Invalid value: "object": failed rule: self.a > 1'
    ]


def test_a_transition_rule_needs_an_old_value() -> None:
    definition = ruled({"rule": "self.a == oldSelf.a", "message": "a is immutable"})
    assert broken(definition, {"spec": {"a": 2}}) == []
    assert broken(definition, {"spec": {"a": 2}}, {"spec": {"a": 2}}) == []
    assert broken(definition, {"spec": {"a": 2}}, {"spec": {"a": 1}}) == [
        'spec: Invalid value: "object": a is immutable'
    ]


def test_items_of_a_map_list_are_compared_with_their_old_selves() -> None:
    items = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "x-kubernetes-validations": [{"rule": "self.size >= oldSelf.size", "message": "grow only"}]
        },
    }
    definition = {"properties": {"spec": {"properties": {"disks": items}}}}
    old: JsonObject = {"spec": {"disks": [{"name": "a", "size": 5}, {"name": "b", "size": 1}]}}
    new: JsonObject = {"spec": {"disks": [{"name": "b", "size": 2}, {"name": "a", "size": 4}]}}
    assert broken(definition, new, old) == ['spec.disks[1]: Invalid value: "object": grow only']


def test_reason_and_message_expression_are_honoured() -> None:
    rule = {
        "rule": "self.min <= self.max",
        "messageExpression": '"min " + string(self.min) + " is above max"',
        "reason": "FieldValueForbidden",
        "fieldPath": ".min",
    }
    tree = cel.compile_rules(ruled(rule))
    assert tree is not None
    (error,) = cel.check_rules(tree, {"spec": {"min": 3, "max": 2}}, None)
    assert (error.path, error.reason) == ("spec.min", CauseReason.FORBIDDEN)
    assert error.message == "Forbidden: min 3 is above max"


def test_numbers_are_typed_by_the_schema() -> None:
    properties = {"a": {"type": "number"}}
    definition = ruled({"rule": "self.a > 0.5"}, type="object", properties=properties)
    assert broken(definition, {"spec": {"a": 1}}) == []
    assert broken(definition, {"spec": {"a": 0}}) != []


def test_an_error_inside_of_a_rule_is_a_refusal_with_the_rules_message() -> None:
    definition = ruled({"rule": "double(self.a) > 0.0", "message": "a must be a number"})
    (message,) = broken(definition, {"spec": {"a": "x"}})
    assert message.endswith("evaluating rule: a must be a number")


def test_a_rule_that_does_not_compile_is_named() -> None:
    with pytest.raises(cel.RuleSyntaxError) as refused:
        cel.compile_rules(ruled({"rule": "self. >"}))
    assert refused.value.path == "openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule"


def test_names_that_cel_cannot_write_are_escaped() -> None:
    assert [cel.escaped(name) for name in ("namespace", "a-b", "a.b/c", "plain")] == [
        "__namespace__",
        "a__dash__b",
        "a__dot__b__slash__c",
        "plain",
    ]


def test_a_schema_without_rules_has_no_tree() -> None:
    assert cel.compile_rules(spec_schema(a={"type": "string"})) is None
