"""External metrics through the aggregator, and the HPA that follows them, on both clusters."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from controlplane import ControlPlane
from e2e.clusters import ROOT, SAMPLES, SYSTEM, Cluster, install, until
from e2e.metrics_backend import MetricsBackend, running_backend

SPACE = "hpa-tests"
WORKLOAD = "workload"
RAW = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{SPACE}/inferno_desired_replicas"
HOLD_SECONDS = 5.0


@pytest.fixture(scope="module")
def backend(real: ControlPlane) -> Iterator[MetricsBackend]:
    with running_backend(real.issue("metrics-backend")) as running:
        yield running


@pytest.fixture
def followed(cluster: Cluster, backend: MetricsBackend) -> Iterator[Cluster]:
    """A Deployment with the seed's HPA, whose metric comes from the backend: one replica at first."""
    backend.values = {WORKLOAD: ["1"]}
    install(cluster, SPACE, SYSTEM)
    serve_metrics(cluster, backend.port)
    for document in (a_deployment(), an_hpa()):
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(document))
    until(lambda: targets(cluster) == "1/1 (avg)")
    yield cluster
    cluster.kubectl("delete", f"hpa/{WORKLOAD}", f"deploy/{WORKLOAD}", "-n", SPACE)
    # While an aggregated API does not answer, no namespace of the cluster can be deleted.
    cluster.kubectl("delete", "apiservice", "v1beta1.external.metrics.k8s.io")


def serve_metrics(cluster: Cluster, port: int) -> None:
    """Register the program at `port` as the cluster's external metrics API."""
    for path in ("hack/demo/manifests/metrics-service.yaml", "config/external-metrics/apiservice.yaml"):
        text = (ROOT / path).read_text().replace("port: 8443", f"port: {port}")
        cluster.kubectl("apply", "-f", "-", stdin=text)
    cluster.kubectl(
        "wait", "--for=condition=Available", "apiservice/v1beta1.external.metrics.k8s.io", "--timeout=30s"
    )


def a_deployment() -> dict[str, Any]:
    labels = {"app": WORKLOAD}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": WORKLOAD, "namespace": SPACE},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": "registry.example/idle"}]},
            },
        },
    }


def an_hpa(maximum: int = 20) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((SAMPLES / "hpa-integration.yaml").read_text())
    document["metadata"] = {"name": WORKLOAD, "namespace": SPACE}
    spec = document["spec"]
    spec["scaleTargetRef"]["name"] = WORKLOAD
    spec["maxReplicas"] = maximum
    for direction in spec["behavior"].values():
        direction["policies"][0]["value"] = 20
    spec["metrics"][0]["external"]["metric"]["selector"]["matchLabels"]["variant_name"] = WORKLOAD
    return document


def row(cluster: Cluster) -> str:
    return cluster.kubectl("get", "hpa", WORKLOAD, "-n", SPACE, "--no-headers").strip()


def targets(cluster: Cluster) -> str:
    return row(cluster).split("   ")[2].strip()


def replicas(cluster: Cluster) -> int:
    found = json.loads(cluster.kubectl("get", "deploy", WORKLOAD, "-n", SPACE, "-o", "json"))
    return int(found["spec"]["replicas"])


def scaled_to(cluster: Cluster, wanted: int) -> None:
    until(lambda: replicas(cluster) == wanted, why=f"{wanted} replicas")


def holds(cluster: Cluster, wanted: int) -> None:
    """The replicas stay while the HPA looks at its metric a few times more (it does once a second)."""
    deadline = time.monotonic() + HOLD_SECONDS
    until(lambda: replicas(cluster) != wanted or time.monotonic() > deadline, seconds=4 * HOLD_SECONDS)
    assert replicas(cluster) == wanted


def test_the_aggregator_serves_the_metric(followed: Cluster) -> None:
    found = json.loads(followed.kubectl("get", "--raw", RAW))

    assert found["kind"] == "ExternalMetricValueList"
    assert [item["value"] for item in found["items"]] == ["1"]


def test_the_hpa_follows_the_metric_up_and_down(followed: Cluster, backend: MetricsBackend) -> None:
    backend.values = {WORKLOAD: ["4"]}
    scaled_to(followed, 4)
    until(lambda: targets(followed) == "1/1 (avg)")
    backend.values = {WORKLOAD: ["1"]}
    scaled_to(followed, 1)

    assert row(followed).split()[:2] == [WORKLOAD, f"Deployment/{WORKLOAD}"]


def test_the_targets_column_shows_sum_by_replicas_in_milli(
    followed: Cluster, backend: MetricsBackend
) -> None:
    followed.kubectl("apply", "-f", "-", stdin=json.dumps(an_hpa(maximum=3)))
    backend.values = {WORKLOAD: ["4"]}
    scaled_to(followed, 3)

    until(lambda: targets(followed) == "1334m/1 (avg)")


def test_series_of_one_variant_are_added_up(followed: Cluster, backend: MetricsBackend) -> None:
    backend.values = {WORKLOAD: ["2", "3"], "other": ["9"]}

    scaled_to(followed, 5)


def test_above_ten_replicas_a_difference_of_one_is_within_the_tolerance(
    followed: Cluster, backend: MetricsBackend
) -> None:
    backend.values = {WORKLOAD: ["10"]}
    scaled_to(followed, 10)
    until(lambda: targets(followed) == "1/1 (avg)")
    backend.values = {WORKLOAD: ["11"]}
    until(lambda: targets(followed) == "1100m/1 (avg)")
    holds(followed, 10)
    backend.values = {WORKLOAD: ["12"]}

    scaled_to(followed, 12)


def test_a_metric_that_disappears_holds_the_replicas(followed: Cluster, backend: MetricsBackend) -> None:
    backend.values = {WORKLOAD: ["3"]}
    scaled_to(followed, 3)
    backend.values = {}
    until(lambda: targets(followed) == "<unknown>/1 (avg)")
    holds(followed, 3)

    conditions = json.loads(followed.kubectl("get", "hpa", WORKLOAD, "-n", SPACE, "-o", "json"))["status"][
        "conditions"
    ]
    active = next(c for c in conditions if c["type"] == "ScalingActive")
    assert (active["status"], active["reason"]) == ("False", "FailedGetExternalMetric")


def test_a_metric_of_zero_means_one_replica(followed: Cluster, backend: MetricsBackend) -> None:
    backend.values = {WORKLOAD: ["3"]}
    scaled_to(followed, 3)
    backend.values = {WORKLOAD: ["0"]}

    scaled_to(followed, 1)
