"""`python -m compose.install STATE CONFIG MANIFESTS`: the guide, once the API server answers; then tokens.

Ends when everything is applied and each service's account has a kubeconfig.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from compose.certificates import API_SERVER, share
from controlplane.kubeconfig import write_kubeconfig
from controlplane.monitoring import PLATFORM

SYSTEM = "inferno-autoscaler-system"
WORKLOAD = "llm-d-sim"
# Services of ours that ask the API server: file of the kubeconfig -> account.
ACCOUNTS = {
    "actuator": (SYSTEM, "inferno-autoscaler-controller-manager"),
    "collector": (SYSTEM, "inferno-autoscaler-collector"),
    "prometheus": ("openshift-monitoring", "prometheus-k8s"),
}
START_SECONDS = 120.0
# What this cluster has in place of the guide's: Prometheus on loopback, read every few seconds.
SETTINGS = {"PROMETHEUS_BASE_URL": "http://127.0.0.1:9090", "GLOBAL_OPT_INTERVAL": "10s"}
SCRAPE = "5s"


class Cluster:
    """kubectl with the administrator's kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": "/tmp"}  # noqa: S108 - of a container

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl."""
        return subprocess.run(
            ["kubectl", *arguments], env=self._environment, check=check, capture_output=True, text=True
        )

    def wait(self) -> None:
        """Wait for the API server. Raises TimeoutError with what kubectl said last."""
        deadline = time.monotonic() + START_SECONDS
        while (said := self.run("get", "--raw", "/readyz", check=False)).returncode:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the API server does not answer: {said.stderr.strip()}")
            time.sleep(0.5)

    def apply(self, *paths: Path) -> None:
        """Apply files and folders in this order."""
        for path in paths:
            print(self.run("apply", "--server-side", "--force-conflicts", "-f", str(path)).stdout, end="")

    def patch(self, kind: str, name: str, namespace: str, patch: object) -> None:
        """Merge a patch into one object."""
        self.run("patch", kind, name, "-n", namespace, "--type=merge", "-p", json.dumps(patch))

    def namespace(self, name: str) -> None:
        """Create a namespace that is not there."""
        if self.run("get", "namespace", name, check=False).returncode:
            self.run("create", "namespace", name)

    def kubeconfig_of(self, state: Path, file: str, namespace: str, account: str) -> None:
        """A kubeconfig with a token of the account, for a month."""
        folder = state / "accounts"
        folder.mkdir(exist_ok=True)
        token = folder / f"{file}.token"
        token.write_text(self.run("create", "token", account, "-n", namespace, "--duration=720h").stdout)
        authority = state / "certificates/ca.crt"
        write_kubeconfig(folder / f"{file}.kubeconfig", server=API_SERVER, authority=authority, user=token)


def install(cluster: Cluster, config: Path, manifests: Path) -> None:
    """Steps 0 to 5 of the guide, with the actuator's external metrics in the adapter's place."""
    samples = config / "samples"
    cluster.apply(config / "crd", PLATFORM)
    cluster.run("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    cluster.apply(config / "manager/namespace.yaml")
    cluster.namespace(WORKLOAD)
    cluster.apply(config / "manager/configmap.yaml", config / "rbac", config / "rbac/direct")
    cluster.patch("configmap", "inferno-autoscaler-variantautoscaling-config", SYSTEM, {"data": SETTINGS})
    cluster.apply(
        samples / "acc-servclass-configmap.yaml",
        samples / "inferno-servicemon-ocp.yaml",
        manifests / "metrics-service.yaml",
        config / "external-metrics",
        samples / "vllm-deployment-service-servicemon.yaml",
        samples / "vllm-va.yaml",
        samples / "hpa-integration.yaml",
    )
    endpoints = [{"port": "vllm", "path": "/metrics", "interval": SCRAPE}]
    monitoring = "openshift-user-workload-monitoring"
    cluster.patch("servicemonitor", "vllm-servicemonitor", monitoring, {"spec": {"endpoints": endpoints}})


def main() -> None:
    """Wait, apply, and make the accounts' kubeconfigs."""
    state, config, manifests = map(Path, sys.argv[1:4])
    cluster = Cluster(state / "admin.kubeconfig")
    cluster.wait()
    try:
        install(cluster, config, manifests)
        for file, (namespace, account) in ACCOUNTS.items():
            cluster.kubeconfig_of(state, file, namespace, account)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(error.cmd)}: {error.stderr.strip()}")
    share(state)


if __name__ == "__main__":
    main()
