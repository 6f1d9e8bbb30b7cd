"""The three services as processes under their own ServiceAccounts, deployed in the guide's order."""

import json
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from controlplane import ControlPlane
from controlplane.children import Child
from controlplane.plane import Monitoring
from controlplane.probes import HOST, answers, free_ports
from devcluster.kubelet.outside import LOG_FILE_ANNOTATION
from e2e.clusters import CRD, NAME, NAMESPACE, ROOT, SYSTEM, install, manifest

BIN = Path(sys.executable).parent
COLLECTOR = "inferno-autoscaler-collector"
ACTUATOR = "inferno-autoscaler-controller-manager"
INSTALLATION = ROOT / "config/openshift/inferno-autoscaler.yaml"
METRICS_SERVICE = ROOT / "hack/demo/manifests/metrics-service.yaml"
EXTERNAL_METRICS = ROOT / "config/external-metrics/apiservice.yaml"
CONFIGURATION = "inferno-autoscaler-variantautoscaling-config"
SERVICE = f"{NAMESPACE}/vllm-service"
API_SERVICE = "apiservice/v1beta1.external.metrics.k8s.io"
HTTP_SECONDS = 20.0


@dataclass
class Product:
    """The running services and the ways into them."""

    plane: ControlPlane
    monitoring: Monitoring
    collector_port: int
    optimizer_port: int
    actuator_port: int

    def get(self, service: str, path: str) -> Any:  # noqa: ANN401 - any JSON
        """JSON of one of the services."""
        port = {"collector": self.collector_port, "optimizer": self.optimizer_port}.get(
            service, self.actuator_port
        )
        scheme = "https" if service == "actuator" else "http"
        context = ssl.create_default_context(cafile=self.plane.authority)
        answer = httpx.get(
            f"{scheme}://{HOST}:{port}{path}", verify=context, trust_env=False, timeout=HTTP_SECONDS
        )
        answer.raise_for_status()
        return answer.json() if "json" in answer.headers["content-type"] else answer.text

    def get_json(self, *arguments: str) -> dict[str, Any]:
        """What `kubectl get … -o json` says."""
        found: dict[str, Any] = json.loads(self.plane.kubectl("get", *arguments, "-o", "json"))
        return found

    def variant(self, name: str = NAME) -> dict[str, Any]:
        """The VariantAutoscaling as it is now."""
        return self.get_json("va", name, "-n", NAMESPACE)

    def desired(self, name: str = NAME) -> int | None:
        """Desired replicas in the variant's status."""
        alloc = self.variant(name).get("status", {}).get("desiredOptimizedAlloc", {})
        wanted: int | None = alloc.get("numReplicas")
        return wanted

    def condition(self, kind: str, name: str = NAME) -> tuple[str, str] | None:
        """Status and reason of one of the variant's conditions."""
        conditions = self.variant(name).get("status", {}).get("conditions", [])
        return next(((c["status"], c["reason"]) for c in conditions if c["type"] == kind), None)

    def reason(self, reason: str, name: str = NAME) -> str | None:
        """The message of the variant's condition with this reason; None if no condition has it."""
        conditions = self.variant(name).get("status", {}).get("conditions", [])
        return next((c["message"] for c in conditions if c["reason"] == reason), None)

    def deployment(self, name: str = NAME) -> dict[str, Any]:
        """The Deployment as it is now."""
        return self.get_json("deployment", name, "-n", NAMESPACE)

    def configure(self, data: Mapping[str, str]) -> None:
        """Change keys of the autoscaler's ConfigMap."""
        patch = json.dumps({"data": dict(data)})
        self.plane.kubectl("patch", "configmap", CONFIGURATION, "-n", SYSTEM, "--type=merge", "-p", patch)

    def apply_with_port(self, source: Path) -> None:
        """Apply a manifest that names the actuator's port."""
        text = source.read_text().replace("port: 8443", f"port: {self.actuator_port}")
        self.plane.kubectl("apply", "-f", "-", stdin=text)

    def serve_metrics_itself(self) -> None:
        """Make the actuator the cluster's external metrics API."""
        self.apply_with_port(EXTERNAL_METRICS)
        self.plane.kubectl("wait", "--for=condition=Available", API_SERVICE, "--timeout=30s")

    def start_actuator(self, name: str, port: int, **variables: str) -> Child:
        """One more actuator process under the actuators' account."""
        pair = self.plane.issue(name)
        return self._start(
            name,
            "inferno-actuator",
            port,
            ready=f"https://{HOST}:{port}/readyz",
            variables={
                "KUBECONFIG": str(self.plane.account_kubeconfig(SYSTEM, ACTUATOR)),
                "INFERNO_COLLECTOR_URL": f"http://{HOST}:{self.collector_port}",
                "INFERNO_OPTIMIZER_URL": f"http://{HOST}:{self.optimizer_port}",
                "INFERNO_EXTERNAL_METRICS": "true",
                "INFERNO_LEADER_ELECTION": "true",
                "INFERNO_IDENTITY": name,
                "INFERNO_TLS_CERT_FILE": str(pair.certificate),
                "INFERNO_TLS_KEY_FILE": str(pair.key),
                **variables,
            },
        )

    def start_collector(self) -> Child:
        """The collector under its account, with Thanos as load source."""
        return self._start(
            "collector",
            "inferno-collector",
            self.collector_port,
            ready=f"http://{HOST}:{self.collector_port}/readyz",
            variables={"KUBECONFIG": str(self.plane.account_kubeconfig(SYSTEM, COLLECTOR))},
        )

    def start_optimizer(self) -> Child:
        """The optimizer, which has no account to talk with."""
        ready = f"http://{HOST}:{self.optimizer_port}/readyz"
        return self._start("optimizer", "inferno-optimizer", self.optimizer_port, ready=ready, variables={})

    def _start(
        self, name: str, program: str, port: int, *, ready: str, variables: Mapping[str, str]
    ) -> Child:
        authority = self.plane.authority if ready.startswith("https") else None
        return self.plane.children.start(
            name,
            [BIN / program, "--host", HOST, "--port", port],
            ready=answers(ready, authority=authority),
            variables=variables,
        )


def deploy(
    plane: ControlPlane, *, interval_seconds: int, scrape_seconds: int, through_adapter: bool = False
) -> Product:
    """Steps 0 to 5 of the guide.

    The HPA's metric comes from the actuator's own external metrics API, unless it comes `through_adapter`,
    which the caller starts.
    """
    monitoring = plane.monitoring
    if monitoring is None:
        raise ValueError("the guide needs Prometheus and Thanos")
    product = Product(plane, monitoring, *free_ports(3))
    _install_autoscaler(product, interval_seconds)
    _install_workload(plane, scrape_seconds)
    services = [product.start_collector(), product.start_optimizer()]
    for service in services:
        service.wait_until_ready()
    plane.kubectl("apply", "-f", manifest("vllm-va.yaml"))
    product.start_actuator("actuator", product.actuator_port).wait_until_ready()
    if not through_adapter:
        product.serve_metrics_itself()
    plane.kubectl("apply", "-f", manifest("hpa-integration.yaml"))
    return product


def _install_deployment(plane: ControlPlane) -> None:
    """The actuator's Deployment as it is rendered for OpenShift, with one pod.

    Its pod only seems to run; the log that kubectl shows of it is that of the process on this machine.
    """
    documents = yaml.safe_load_all(INSTALLATION.read_text())
    deployment = next(
        one for one in documents if one["kind"] == "Deployment" and one["metadata"]["name"] == ACTUATOR
    )
    template = deployment["spec"]["template"]
    log = plane.children.logs / "actuator.log"
    template["metadata"].setdefault("annotations", {})[LOG_FILE_ANNOTATION] = str(log)
    deployment["spec"]["replicas"] = 1
    plane.kubectl("apply", "-f", "-", stdin=json.dumps(deployment))


def _install_autoscaler(product: Product, interval_seconds: int) -> None:
    plane = product.plane
    install(plane, SYSTEM, NAMESPACE)
    plane.kubectl("apply", "-f", str(CRD))
    for folder in ("config/manager", "config/rbac", "config/rbac/openshift"):
        plane.kubectl("apply", "-f", str(ROOT / folder))
    _install_deployment(plane)
    plane.kubectl("apply", "-f", manifest("acc-servclass-configmap.yaml"))
    plane.kubectl("apply", "-f", manifest("inferno-servicemon-ocp.yaml"))
    token = plane.account_kubeconfig(SYSTEM, COLLECTOR).with_suffix(".token")
    product.configure(
        {
            "GLOBAL_OPT_INTERVAL": f"{interval_seconds}s",
            "PROMETHEUS_BASE_URL": product.monitoring.thanos_url,
            "PROMETHEUS_CA_CERT_PATH": str(plane.authority),
            "PROMETHEUS_TOKEN_PATH": str(token),
        }
    )
    product.apply_with_port(METRICS_SERVICE)


def _install_workload(plane: ControlPlane, scrape_seconds: int) -> None:
    plane.kubectl(
        *("create", "secret", "-n", NAMESPACE, "generic", "llm-d-hf-token"),
        "--from-literal=token=not-a-token",
    )
    plane.kubectl("apply", "-f", manifest("vllm-deployment-service-servicemon.yaml"))
    endpoints = [{"port": "vllm", "path": "/metrics", "interval": f"{scrape_seconds}s"}]
    plane.kubectl(
        *("patch", "servicemonitor", "vllm-servicemonitor", "-n", "openshift-user-workload-monitoring"),
        *("--type=merge", "-p", json.dumps({"spec": {"endpoints": endpoints}})),
    )
    plane.kubectl("rollout", "status", f"deploy/{NAME}", "-n", NAMESPACE, "--timeout=60s")
