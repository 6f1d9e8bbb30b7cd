"""ServiceMonitors become targets with the labels that the Prometheus operator gives."""

from pathlib import Path
from typing import Any

import yaml

from controlplane.targets import MonitoredService, Target, find_targets, parse_service_monitor
from inferno_shared.kubernetes import Pod, parse_metadata, parse_pod, parse_service

SAMPLES = Path(__file__).resolve().parents[3] / "config/samples"
VLLM, ACTUATOR = "vllm-deployment-service-servicemon.yaml", "inferno-servicemon-ocp.yaml"


def a_document(file: str, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        d for d in yaml.safe_load_all((SAMPLES / file).read_text()) if d and d["kind"] == kind
    )
    return found


def a_pod(
    name: str = "decode-1", ip: str = "127.1.0.1", *, namespace: str = "llm-d-sim", **labels: str
) -> Pod:
    spec = a_document(VLLM, "Deployment")["spec"]["template"]["spec"]
    return parse_pod(
        {
            "metadata": {"name": name, "namespace": namespace, "labels": labels or {"app": "vllm"}},
            "spec": spec,
            "status": {"podIP": ip},
        }
    )


def targets(
    *pods: Pod, file: str = VLLM, service: dict[str, Any] | None = None, local: bool = False
) -> list[Target]:
    monitor = a_document(file, "ServiceMonitor")
    return find_targets(
        [parse_service_monitor(monitor, parse_metadata(monitor))],
        [MonitoredService(parse_service(service or a_document(VLLM, "Service")), local=local)],
        pods,
    )


def test_the_seeds_pods_are_scraped_at_their_services_port() -> None:
    (target,) = targets(a_pod())

    assert target.as_file_sd() == {
        "targets": ["127.1.0.1:8200"],
        "labels": {
            "namespace": "llm-d-sim",
            "pod": "decode-1",
            "service": "vllm-service",
            "job": "vllm-service",
            "endpoint": "vllm",
            "__metrics_path__": "/metrics",
            "__scheme__": "http",
            "__scrape_interval__": "15s",
            "__scrape_timeout__": "15s",
        },
    }


def test_pods_without_address_or_of_other_services_are_none() -> None:
    assert targets(a_pod(ip=""), a_pod(app="other"), a_pod(namespace="elsewhere")) == []


def test_a_container_is_named_when_it_declares_the_port() -> None:
    service = a_document(VLLM, "Service")
    service["spec"]["ports"][0]["targetPort"] = 8000

    (target,) = targets(a_pod(), service=service)

    assert target.address == "127.1.0.1:8000"
    assert target.labels["container"] == "routing-proxy"


def test_a_service_that_names_this_machine_stands_for_a_process_without_pod() -> None:
    service = {
        "metadata": {
            "name": "metrics",
            "namespace": "inferno-autoscaler-system",
            "labels": {
                "app.kubernetes.io/name": "inferno-autoscaler",
                "control-plane": "controller-manager",
            },
        },
        "spec": {"type": "ExternalName", "ports": [{"name": "https", "port": 8443}]},
    }

    (target,) = targets(file=ACTUATOR, service=service, local=True)

    assert (target.address, target.scheme) == ("localhost:8443", "https")
    assert target.labels["__scrape_interval__"] == "10s"
    assert "pod" not in target.labels


def test_a_monitor_selects_only_in_its_namespaces() -> None:
    service = a_document(VLLM, "Service")
    service["metadata"]["labels"] = {
        "app.kubernetes.io/name": "inferno-autoscaler",
        "control-plane": "controller-manager",
    }
    service["spec"]["ports"][0]["name"] = "https"

    assert targets(a_pod(), file=ACTUATOR, service=service) == []
