"""The actuator's external metrics on a real control plane: for the API server, and for nobody else."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from controlplane import ControlPlane
from controlplane.probes import HOST, answers, free_ports
from e2e.clusters import NAMESPACE, ROOT, SYSTEM, install, until
from e2e.product import ACTUATOR, EXTERNAL_METRICS, METRICS_SERVICE
from inferno_shared.service.tls import client_context

API = "/apis/external.metrics.k8s.io/v1beta1"
RIGHTS = str(ROOT / "config/rbac")
READER = "inferno-autoscaler-front-proxy-reader"


@pytest.fixture
def actuator(real: ControlPlane) -> Iterator[str]:
    """An actuator in front of which stands the aggregator; its address."""
    (port,) = free_ports(1)
    install(real, SYSTEM, NAMESPACE)
    real.kubectl("apply", "-f", RIGHTS)
    real.kubectl(
        "create",
        "rolebinding",
        READER,
        "--namespace=kube-system",
        "--role=extension-apiserver-authentication-reader",
        f"--serviceaccount={SYSTEM}:{ACTUATOR}",
    )
    documents = [
        source.read_text().replace("port: 8443", f"port: {port}")
        for source in (METRICS_SERVICE, EXTERNAL_METRICS)
    ]
    pair = real.issue("secured-actuator")
    child = real.children.start(
        "secured-actuator",
        [Path(sys.executable).parent / "inferno-actuator", "--host", HOST, "--port", port],
        ready=answers(f"https://{HOST}:{port}/healthz", authority=real.authority),
        variables={
            "KUBECONFIG": str(real.account_kubeconfig(SYSTEM, ACTUATOR)),
            "INFERNO_EXTERNAL_METRICS": "true",
            "INFERNO_EXTERNAL_METRICS_AUTHORIZATION": "aggregator",
            "INFERNO_SERVICE_AUTHORIZATION": "kubernetes",
            "INFERNO_METRICS_AUTHORIZATION": "kubernetes",
            "INFERNO_TLS_CERT_FILE": str(pair.certificate),
            "INFERNO_TLS_KEY_FILE": str(pair.key),
        },
    )
    try:
        child.wait_until_ready()
        for document in documents:
            real.kubectl("apply", "-f", "-", stdin=document)
        yield f"https://{HOST}:{port}"
    finally:
        for document in documents:
            real.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=document)
        real.kubectl("delete", "rolebinding", READER, "--namespace=kube-system")
        real.children.stop("secured-actuator")
        real.kubectl("delete", "-f", RIGHTS)
        real.kubectl("delete", "namespace", SYSTEM, NAMESPACE, "--wait=true")


def test_external_metrics_answer_the_aggregator_and_nobody_else(real: ControlPlane, actuator: str) -> None:
    def served() -> list[str]:
        return [it["name"] for it in json.loads(real.kubectl("get", "--raw", API))["resources"]]

    assert "inferno_desired_replicas" in until(served)
    values = f"{API}/namespaces/{NAMESPACE}/inferno_desired_replicas"
    assert json.loads(real.kubectl("get", "--raw", values))["kind"] == "ExternalMetricValueList"
    spoofed = {"x-remote-user": "system:admin", "x-remote-group": "system:masters"}
    with httpx.Client(verify=client_context(ca_file=real.authority), trust_env=False) as client:
        statuses = [
            client.get(f"{actuator}{path}", headers=spoofed).status_code
            for path in (API, values, "/metrics", "/plan")
        ]
    assert statuses == [403, 403, 401, 401]
