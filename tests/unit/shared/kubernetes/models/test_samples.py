"""The guide's own manifests, as they stand in config/samples."""

from pathlib import Path
from typing import Any

import yaml

from inferno_shared.contracts import LinearParameters
from inferno_shared.kubernetes import (
    parse_config_map,
    parse_deployment,
    parse_service,
    parse_variant_autoscaling,
)

SAMPLES = Path(__file__).parents[5] / "config" / "samples"


def manifest(file: str, kind: str, name: str | None = None) -> dict[str, Any]:
    documents = [it for it in yaml.safe_load_all((SAMPLES / file).read_text()) if it]
    found: dict[str, Any] = next(
        it for it in documents if it["kind"] == kind and name in {None, it["metadata"]["name"]}
    )
    return found


def test_the_variant_of_the_guide() -> None:
    variant = parse_variant_autoscaling(manifest("vllm-va.yaml", "VariantAutoscaling"))
    assert variant.metadata.key == ("llm-d-sim", "ms-inference-scheduling-llm-d-modelservice-decode")
    assert variant.accelerator_name == "H100"
    assert variant.spec.model_id == "Qwen/Qwen3-0.6B"
    assert variant.spec.scale_target_ref.name == variant.metadata.name
    assert [it.acc for it in variant.spec.accelerators] == ["A100", "H100", "MI300X", "G2"]
    assert variant.spec.accelerators[1].parameters == LinearParameters(alpha=20.58, beta=0.41)
    assert variant.spec.malformed_profiles == ()


def test_the_deployment_of_the_guide() -> None:
    deployment = parse_deployment(manifest("vllm-deployment-service-servicemon.yaml", "Deployment"))
    assert deployment.replicas == 1
    assert deployment.selector.matches(deployment.template.labels)
    assert deployment.template.requests == {"nvidia.com/gpu": 1}
    (container,) = deployment.template.containers
    assert container.args[:3] == ("Qwen/Qwen3-0.6B", "--port", "8200")
    assert [it.name for it in deployment.template.sidecars] == ["routing-proxy"]


def test_the_service_of_the_guide_selects_the_deployments_pods() -> None:
    service = parse_service(manifest("vllm-deployment-service-servicemon.yaml", "Service"))
    deployment = parse_deployment(manifest("vllm-deployment-service-servicemon.yaml", "Deployment"))
    assert service.selects(deployment.template.labels)
    assert [(it.name, it.port, it.target_port, it.node_port) for it in service.ports] == [
        ("vllm", 8200, 8200, 30000)
    ]


def test_the_config_maps_of_the_guide() -> None:
    costs = parse_config_map(manifest("acc-servclass-configmap.yaml", "ConfigMap", "accelerator-unit-costs"))
    assert set(costs.data) == {"A100", "H100", "MI300X", "G2"}
    classes = parse_config_map(
        manifest("acc-servclass-configmap.yaml", "ConfigMap", "service-classes-config")
    )
    assert set(classes.data) == {"premium.yaml", "freemium.yaml"}
