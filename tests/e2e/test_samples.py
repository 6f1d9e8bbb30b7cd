"""The seed's manifests through the real kubectl: applied, scheduled, running, ready, readable."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from controlplane.monitoring import PLATFORM
from e2e.clusters import NAME, NAMESPACE, ROOT, SYSTEM, Cluster, install, manifest, until

EXTERNAL_METRICS = ROOT / "config/external-metrics"


@pytest.fixture(scope="module", params=["real", "devcluster"])
def seed(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Each of the two clusters with everything of config/ applied, in the guide's order."""
    cluster: Cluster = request.getfixturevalue("real" if request.param == "real" else "development")
    install(cluster, SYSTEM, NAMESPACE)
    cluster.kubectl("apply", "-f", str(PLATFORM))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
    for path in ("config/manager/namespace.yaml", "config/manager/configmap.yaml"):
        cluster.kubectl("apply", "-f", str(ROOT / path))
    for name in ("acc-servclass-configmap.yaml", "inferno-servicemon-ocp.yaml"):
        cluster.kubectl("apply", "-f", manifest(name))
    cluster.kubectl(
        *("create", "secret", "-n", NAMESPACE, "generic", "llm-d-hf-token"),
        "--from-literal=token=not-a-token",
    )
    for name in ("vllm-deployment-service-servicemon.yaml", "vllm-va.yaml", "hpa-integration.yaml"):
        cluster.kubectl("apply", "-f", manifest(name))
    yield cluster
    cluster.kubectl("delete", "namespace", NAMESPACE, SYSTEM, "--wait=true")


def deployment(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cluster.kubectl("get", "deploy", NAME, "-n", NAMESPACE, "-o", "json"))
    return found


# Not manifests: a chart's values, and what kustomize reads.
OTHERS = {"prometheus-adapter-values.yaml", "kustomization.yaml"}
# Kinds of these groups come with operators that are not here.
ABSENT = {"cert-manager.io"}


def test_every_manifest_of_the_repository_passes_a_server_side_dry_run(seed: Cluster) -> None:
    for path in sorted((ROOT / "config").rglob("*.yaml")):
        if path.name in OTHERS:
            continue
        documents = [document for document in yaml.safe_load_all(path.read_text()) if document]
        known = [one for one in documents if one["apiVersion"].partition("/")[0] not in ABSENT]
        seed.kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(known))


def test_the_deployments_pod_becomes_ready_as_an_emulator_that_answers(seed: Cluster) -> None:
    seed.kubectl("rollout", "status", f"deploy/{NAME}", "-n", NAMESPACE, "--timeout=30s")
    url = seed.service_url(f"{NAMESPACE}/vllm-service")

    answer = httpx.post(
        f"{url}/v1/completions",
        json={"model": "Qwen/Qwen3-0.6B", "prompt": "Hello", "max_tokens": 3},
        timeout=20,
        trust_env=False,
    )

    assert answer.status_code == 200
    assert answer.json()["usage"]["completion_tokens"] == 3
    header, row = seed.kubectl("get", "deployment", "-n", NAMESPACE).splitlines()
    assert header.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert row.split()[:4] == [NAME, "1/1", "1", "1"]


def test_kubectl_logs_shows_the_emulators_log(seed: Cluster) -> None:
    seed.kubectl("rollout", "status", f"deploy/{NAME}", "-n", NAMESPACE, "--timeout=30s")

    log = until(lambda: seed.kubectl("logs", "-n", NAMESPACE, f"deploy/{NAME}", "-c", "vllm"))
    last = seed.kubectl("logs", "-n", NAMESPACE, f"deploy/{NAME}", "-c", "vllm", "--tail=1")

    assert len(log.splitlines()) > 1
    assert last == log.splitlines(keepends=True)[-1]


def test_scaling_by_kubectl_starts_and_stops_emulators(seed: Cluster) -> None:
    seed.kubectl("scale", f"deploy/{NAME}", "-n", NAMESPACE, "--replicas=3")
    until(lambda: deployment(seed)["status"].get("readyReplicas") == 3)
    pods = json.loads(seed.kubectl("get", "pods", "-n", NAMESPACE, "-l", "app=vllm", "-o", "json"))["items"]

    seed.kubectl("scale", f"deploy/{NAME}", "-n", NAMESPACE, "--replicas=1")
    until(lambda: seed.kubectl("get", "pods", "-n", NAMESPACE, "--no-headers").count("\n") == 1)

    assert len({pod["status"]["podIP"] for pod in pods}) == 3
    assert deployment(seed)["status"]["readyReplicas"] == 1


def test_an_hpa_without_its_metric_holds_and_shows_unknown(seed: Cluster) -> None:
    def row() -> str:
        return seed.kubectl("get", "hpa", "vllm-deployment-hpa", "-n", NAMESPACE, "--no-headers")

    until(lambda: "<unknown>/1 (avg)" in row())

    conditions = json.loads(seed.kubectl("get", "hpa", "-n", NAMESPACE, "-o", "json"))["items"][0]["status"][
        "conditions"
    ]
    assert {c["type"]: c["status"] for c in conditions}["ScalingActive"] == "False"
    assert deployment(seed)["spec"]["replicas"] == 1
