"""JSON patch, merge patch, strategic merge and apply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devcluster.apiserver.objects.json_types import JsonObject, copy_object
from devcluster.apiserver.objects.status import ApiError
from devcluster.apiserver.patches.apply import apply_patch
from devcluster.apiserver.patches.json_patches import json_patch, merge_patch
from devcluster.apiserver.patches.strategic_merge import strategic_merge

SCALARS = st.one_of(st.booleans(), st.integers(-9, 9), st.text("ab", max_size=2))
DOCUMENTS = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(SCALARS, lambda child: st.dictionaries(st.sampled_from("abc"), child, max_size=3)),
    max_size=3,
)


def test_merge_patch_example_of_the_standard() -> None:
    target = {"title": "Goodbye!", "author": {"given": "John", "family": "Doe"}, "tags": ["a", "b"]}
    patch = {"title": "Hello!", "author": {"family": None}, "tags": ["a"], "phone": "+01"}
    assert merge_patch(target, patch) == {
        "title": "Hello!",
        "author": {"given": "John"},
        "tags": ["a"],
        "phone": "+01",
    }


@given(DOCUMENTS, DOCUMENTS)
def test_a_merge_patch_changes_no_input_and_applies_twice_like_once(
    target: JsonObject, patch: JsonObject
) -> None:
    before = copy_object(target)
    once = merge_patch(target, patch)
    assert target == before
    assert merge_patch(once, patch) == once


def test_json_patch_operations() -> None:
    target: JsonObject = {"a": {"b/c": 1}, "list": [1, 2, 3]}
    result = json_patch(
        target,
        [
            {"op": "test", "path": "/a/b~1c", "value": 1},
            {"op": "replace", "path": "/a/b~1c", "value": 2},
            {"op": "add", "path": "/list/1", "value": 9},
            {"op": "add", "path": "/list/-", "value": 4},
            {"op": "remove", "path": "/list/0"},
            {"op": "copy", "from": "/a", "path": "/copied"},
            {"op": "move", "from": "/a", "path": "/moved"},
        ],
    )
    assert result == {"list": [9, 2, 3, 4], "copied": {"b/c": 2}, "moved": {"b/c": 2}}
    assert target == {"a": {"b/c": 1}, "list": [1, 2, 3]}


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ({"op": "test", "path": "/a", "value": 2}, 422),
        ({"op": "remove", "path": "/absent"}, 422),
        ({"op": "replace", "path": "/absent", "value": 1}, 422),
        ({"op": "add", "path": "/list/9", "value": 1}, 422),
        ({"op": "jump", "path": "/a"}, 400),
        ({"path": "/a"}, 400),
        ({"op": "add", "path": "a", "value": 1}, 400),
    ],
)
def test_a_json_patch_that_cannot_be_applied(operation: JsonObject, code: int) -> None:
    with pytest.raises(ApiError) as refused:
        json_patch({"a": 1, "list": []}, [operation])
    assert refused.value.code == code


def pod(*containers: JsonObject) -> JsonObject:
    return {"spec": {"containers": list(containers)}}


def test_strategic_merge_merges_containers_by_name_and_their_environment_by_name() -> None:
    target = pod(
        {"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "1"}
    )
    patch = pod({"name": "a", "env": [{"name": "Y", "value": "2"}]})
    assert strategic_merge(target, patch) == pod(
        {"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]},
        {"name": "b", "image": "1"},
    )


def test_strategic_merge_deletes_and_replaces_on_demand() -> None:
    target = pod({"name": "a"}, {"name": "b"})
    assert strategic_merge(target, pod({"name": "a", "$patch": "delete"})) == pod({"name": "b"})
    replaced = strategic_merge(target, pod({"$patch": "replace"}, {"name": "c"}))
    assert replaced == pod({"name": "c"})
    emptied = strategic_merge({"spec": {"a": 1, "b": 2}}, {"spec": {"$patch": "replace", "b": 3}})
    assert emptied == {"spec": {"b": 3}}
    retained = strategic_merge(
        {"strategy": {"type": "RollingUpdate", "rollingUpdate": {}}},
        {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}},
    )
    assert retained == {"strategy": {"type": "Recreate"}}


def test_strategic_merge_keeps_the_authors_order() -> None:
    target = pod({"name": "a"}, {"name": "b"})
    patch = {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}
    assert strategic_merge(target, patch) == pod({"name": "b"}, {"name": "a"})


def test_strategic_merge_tells_ports_of_containers_from_ports_of_services() -> None:
    service = {"ports": [{"name": "http", "port": 80}]}
    assert strategic_merge(service, {"ports": [{"port": 80, "name": "web"}]}) == {
        "ports": [{"name": "web", "port": 80}]
    }
    container = {"ports": [{"containerPort": 80}]}
    assert strategic_merge(container, {"ports": [{"containerPort": 81}]}) == {
        "ports": [{"containerPort": 80}, {"containerPort": 81}]
    }


def test_strategic_merge_handles_sets_and_atomic_lists() -> None:
    target = {"finalizers": ["a"], "args": ["1", "2"]}
    patch = {"finalizers": ["b"], "args": ["3"]}
    assert strategic_merge(target, patch) == {"finalizers": ["a", "b"], "args": ["3"]}
    removed = strategic_merge({"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"]})
    assert removed == {"finalizers": ["b"]}


def test_strategic_merge_needs_the_key() -> None:
    with pytest.raises(ApiError, match="does not contain declared merge key: name"):
        strategic_merge(pod({"name": "a"}), pod({"image": "x"}))


def test_conditions_are_merged_by_type() -> None:
    ready = {"type": "Ready", "status": "False"}
    target = {"status": {"conditions": [ready, {"type": "Initialized", "status": "True"}]}}
    patch = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    merged = strategic_merge(target, patch)
    assert [item["status"] for item in merged["status"]["conditions"]] == ["True", "True"]


def test_apply_merges_lists_by_the_keys_of_the_schema_and_replaces_others() -> None:
    schema = {
        "properties": {
            "items": {
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["id"],
                "items": {"properties": {}},
            },
            "atomic": {},
            "unique": {"x-kubernetes-list-type": "set"},
        }
    }
    target = {"items": [{"id": 1, "a": 1}], "atomic": [1], "unique": ["x"]}
    applied = {"items": [{"id": 1, "b": 2}, {"id": 2}], "atomic": [2], "unique": ["x", "y"]}
    assert apply_patch(target, applied, schema) == {
        "items": [{"id": 1, "a": 1, "b": 2}, {"id": 2}],
        "atomic": [2],
        "unique": ["x", "y"],
    }


def test_apply_knows_the_lists_of_built_in_kinds() -> None:
    target = pod({"name": "a", "image": "1"})
    assert apply_patch(target, pod({"name": "a", "args": ["x"]}), None) == pod(
        {"name": "a", "image": "1", "args": ["x"]}
    )
