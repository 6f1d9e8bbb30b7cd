"""Schemas for kubeconform: strict, complete, and found under the names that it looks for."""

from chart.schemas import custom_schemas, kubernetes_schemas

GVK = "x-kubernetes-group-version-kind"
OPENAPI = {
    "definitions": {
        "v1.Thing": {
            GVK: [{"group": "apps", "kind": "Thing", "version": "v1"}],
            "type": "object",
            "properties": {"spec": {"$ref": "#/definitions/v1.Spec"}},
        },
        "v1.Spec": {
            "type": "object",
            "properties": {
                "size": {"type": "string", "format": "int-or-string"},
                "default": {"type": "string"},
            },
        },
        "v1.Other": {"type": "object"},
        "v1.Pod": {GVK: [{"group": "", "kind": "Pod", "version": "v1"}], "type": "object"},
    }
}


def test_a_kind_brings_what_it_refers_to_and_nothing_else() -> None:
    made = dict(kubernetes_schemas(OPENAPI))
    assert made.keys() == {"apps_thing_v1.json", "v1_pod_v1.json"}
    thing = made["apps_thing_v1.json"]
    assert thing["$ref"] == "#/definitions/v1.Thing"
    assert thing["definitions"].keys() == {"v1.Thing", "v1.Spec"}


def test_unknown_fields_are_refused_and_a_field_called_default_is_kept() -> None:
    spec = dict(kubernetes_schemas(OPENAPI))["apps_thing_v1.json"]["definitions"]["v1.Spec"]
    assert spec["additionalProperties"] is False
    assert spec["properties"] == {"size": {"type": ["integer", "string"]}, "default": {"type": "string"}}


def test_a_custom_resource_may_keep_unknown_fields_where_it_says_so() -> None:
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"a": {}}}
    schema = {"type": "object", "properties": {"spec": free}}
    definition = {
        "spec": {
            "group": "llmd.ai",
            "names": {"kind": "VariantAutoscaling"},
            "versions": [{"name": "v1alpha1", "schema": {"openAPIV3Schema": schema}}],
        }
    }
    ((name, made),) = custom_schemas(definition)
    assert name == "llmd.ai_variantautoscaling_v1alpha1.json"
    assert made["additionalProperties"] is False
    assert "additionalProperties" not in made["properties"]["spec"]
    assert made["properties"].keys() == {"spec", "apiVersion", "kind", "metadata"}
