import pytest

from inferno_shared.errors import MalformedObjectError
from inferno_shared.kubernetes import (
    LabelSelector,
    Requirement,
    parse_config_map,
    parse_deployment,
    parse_service,
)


def test_a_deployment_defaults_to_one_replica_and_no_status() -> None:
    deployment = parse_deployment(
        {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}}}
    )
    assert (deployment.replicas, deployment.ready_replicas, deployment.match_labels) == (1, 0, {"a": "b"})


def test_a_deployment_at_zero_stays_at_zero() -> None:
    assert parse_deployment({"metadata": {"name": "d"}, "spec": {"replicas": 0}}).replicas == 0


def test_a_deployments_status_is_read() -> None:
    status = {
        "replicas": 4,
        "readyReplicas": 3,
        "updatedReplicas": 2,
        "availableReplicas": 1,
        "observedGeneration": 9,
    }
    it = parse_deployment({"metadata": {"name": "d"}, "spec": {"replicas": 5}, "status": status})
    assert (
        it.replicas,
        it.status_replicas,
        it.ready_replicas,
        it.updated_replicas,
        it.available_replicas,
    ) == (
        5,
        4,
        3,
        2,
        1,
    )
    assert it.observed_generation == 9


@pytest.mark.parametrize(
    ("requirement", "labels", "selected"),
    [
        (Requirement("k", "In", ("a", "b")), {"k": "a"}, True),
        (Requirement("k", "In", ("a", "b")), {"k": "c"}, False),
        (Requirement("k", "In", ("a", "b")), {}, False),
        (Requirement("k", "NotIn", ("a",)), {"k": "a"}, False),
        (Requirement("k", "NotIn", ("a",)), {}, True),
        (Requirement("k", "Exists", ()), {"k": ""}, True),
        (Requirement("k", "Exists", ()), {}, False),
        (Requirement("k", "DoesNotExist", ()), {}, True),
        (Requirement("k", "DoesNotExist", ()), {"k": "a"}, False),
    ],
)
def test_expressions_select_as_in_kubernetes(
    requirement: Requirement, labels: dict[str, str], *, selected: bool
) -> None:
    assert LabelSelector({}, (requirement,)).matches(labels) is selected


def test_every_label_and_expression_must_match_and_an_empty_selector_selects_nothing() -> None:
    selector = LabelSelector({"app": "vllm"}, (Requirement("role", "Exists", ()),))
    assert selector.matches({"app": "vllm", "role": "decode", "x": "y"})
    assert not selector.matches({"app": "vllm"})
    assert not selector.matches({"role": "decode"})
    assert not LabelSelector({}).matches({"app": "vllm"})


def test_an_unknown_operator_is_named() -> None:
    selector = {"matchExpressions": [{"key": "k", "operator": "Near"}]}
    with pytest.raises(
        MalformedObjectError, match=r"^spec\.selector\.matchExpressions\[0\]\.operator: must be one of"
    ):
        parse_deployment({"metadata": {"name": "d"}, "spec": {"selector": selector}})


def test_a_services_target_port_is_its_port_unless_it_says_otherwise() -> None:
    ports = [
        {"port": 80},
        {"port": 81, "targetPort": 8200, "name": "vllm"},
        {"port": 82, "targetPort": "http"},
    ]
    service = parse_service(
        {"metadata": {"name": "s"}, "spec": {"selector": {"app": "vllm"}, "ports": ports}}
    )
    assert [it.target_port for it in service.ports] == [80, 8200, "http"]
    assert service.selects({"app": "vllm", "x": "y"})
    assert not service.selects({})


def test_a_service_without_a_selector_selects_no_pod() -> None:
    assert not parse_service({"metadata": {"name": "s"}, "spec": {}}).selects({"app": "vllm"})


def test_a_config_maps_data_may_be_missing() -> None:
    assert parse_config_map({"metadata": {"name": "m"}}).data == {}
