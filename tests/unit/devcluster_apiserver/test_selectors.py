"""Label and field selectors."""

import pytest

from devcluster.apiserver.objects.json_types import JsonObject
from devcluster.apiserver.objects.selectors import matcher, requirements_of, selector_text
from devcluster.apiserver.objects.status import ApiError

POD: JsonObject = {
    "metadata": {"name": "p", "namespace": "n", "labels": {"app": "vllm", "tier": "gold"}},
    "spec": {"nodeName": "node-1", "hostNetwork": True},
    "status": {"phase": "Running"},
}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("app=vllm", True),
        ("app==vllm", True),
        ("app=other", False),
        ("app!=other", True),
        ("absent!=x", True),
        ("app", True),
        ("!app", False),
        ("!absent", True),
        ("app in (vllm, other)", True),
        ("app notin (vllm,other)", False),
        ("absent notin (x)", True),
        ("app=vllm,tier in (gold,silver)", True),
        ("app=vllm,tier=silver", False),
        ("empty=", False),
    ],
)
def test_label_selectors(selector: str, expected: bool) -> None:  # noqa: FBT001 - a parameter of a table
    test = matcher(selector, None)
    assert test is not None
    assert test(POD) is expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("spec.nodeName=node-1", True),
        ("spec.nodeName!=node-1", False),
        ("metadata.name=p,metadata.namespace=n", True),
        ("status.phase!=Failed,status.phase!=Succeeded", True),
        ("spec.hostNetwork=true", True),
        ("spec.absent=", True),
        ("spec.absent=x", False),
    ],
)
def test_field_selectors(selector: str, expected: bool) -> None:  # noqa: FBT001 - a parameter of a table
    test = matcher(None, selector)
    assert test is not None
    assert test(POD) is expected


def test_no_selector_means_no_test() -> None:
    assert matcher(None, "") is None


def test_both_selectors_must_match() -> None:
    test = matcher("app=vllm", "status.phase=Pending")
    assert test is not None
    assert not test(POD)


@pytest.mark.parametrize("selector", ["a in (b", "a b c", "=x", "a=b=c"])
def test_nonsense_is_a_bad_request(selector: str) -> None:
    with pytest.raises(ApiError, match="unable to parse requirement"):
        matcher(selector, None)


def test_a_field_selector_without_operator_is_a_bad_request() -> None:
    with pytest.raises(ApiError, match="invalid selector"):
        matcher(None, "spec.nodeName")


def test_a_selector_object_is_read_and_printed() -> None:
    selector = {
        "matchLabels": {"app": "vllm"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["silver", "gold"]},
            {"key": "old", "operator": "DoesNotExist"},
        ],
    }
    assert all(requirement.accepts(POD["metadata"]["labels"]) for requirement in requirements_of(selector))
    assert selector_text(selector) == "app=vllm,tier in (gold,silver),!old"
    assert selector_text({}) == "<none>"
