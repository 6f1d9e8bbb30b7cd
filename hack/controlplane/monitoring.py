"""Prometheus, Thanos (sidecar and querier) and the TLS door in front of it, as OpenShift has them."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from controlplane.discovery import PLAIN, SECURED
from controlplane.plane import ControlPlane, Monitoring
from controlplane.probes import HOST, answers, free_ports, says

PLATFORM = Path(__file__).parent / "platform"
NAMESPACE = "openshift-monitoring"
EXTERNAL_LABELS: Mapping[str, str] = {
    "prometheus": "openshift-monitoring/k8s",
    "prometheus_replica": "prometheus-k8s-0",
    "managed_cluster": "local",
}


def start_monitoring(plane: ControlPlane) -> Monitoring:
    """Start all of it without waiting; the accounts are there afterwards."""
    plane.kubectl("apply", "-f", str(PLATFORM))
    plane.kubectl("wait", "--for=condition=Established", "crd/servicemonitors.monitoring.coreos.com")
    prometheus, sidecar, sidecar_http, querier, querier_grpc, door = free_ports(6)
    _start_prometheus(plane, prometheus)
    _start_thanos(plane, prometheus, (sidecar, sidecar_http), (querier, querier_grpc))
    _start_door(plane, querier, door)
    return Monitoring(
        thanos_url=f"https://{HOST}:{door}",
        querier_url=f"http://{HOST}:{querier}",
        prometheus_url=f"http://{HOST}:{prometheus}",
    )


def prometheus_configuration(targets: Path, token: Path) -> dict[str, Any]:
    """Prometheus' configuration: targets from files, the token only over TLS."""
    return {
        "global": {"external_labels": dict(EXTERNAL_LABELS)},
        "scrape_configs": [
            {"job_name": "plain", "file_sd_configs": [{"files": [str(targets / PLAIN)]}]},
            {
                "job_name": "secured",
                "scheme": "https",
                "authorization": {"credentials_file": str(token)},
                "tls_config": {"insecure_skip_verify": True},
                "file_sd_configs": [{"files": [str(targets / SECURED)]}],
            },
        ],
    }


def _start_prometheus(plane: ControlPlane, port: int) -> None:
    kubeconfig = plane.account_kubeconfig(NAMESPACE, "prometheus-k8s")
    data, targets = plane.folder / "prometheus", plane.folder / "targets"
    targets.mkdir(exist_ok=True)
    log = plane.children.logs / "discovery.log"
    plane.children.start(
        "discovery",
        [
            *(sys.executable, "-m", "controlplane.discovery"),
            *("--kubeconfig", kubeconfig, "--folder", targets),
        ],
        ready=says(log, "ready"),
    )
    configuration = plane.folder / "prometheus.yaml"
    token = kubeconfig.with_suffix(".token")
    configuration.write_text(yaml.safe_dump(prometheus_configuration(targets, token), sort_keys=False))
    plane.children.start(
        "prometheus",
        [
            plane.programs["prometheus"],
            f"--config.file={configuration}",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.min-block-duration=2h",
            "--storage.tsdb.max-block-duration=2h",
            "--storage.tsdb.retention.time=1d",
            f"--web.listen-address={HOST}:{port}",
        ],
        ready=answers(f"http://{HOST}:{port}/-/ready"),
        ends_by_kill=True,
    )


def _start_thanos(
    plane: ControlPlane, prometheus: int, sidecar: tuple[int, int], querier: tuple[int, int]
) -> None:
    thanos = plane.programs["thanos"]
    sidecar_grpc, sidecar_http = sidecar
    querier_http, querier_grpc = querier
    plane.children.start(
        "thanos-sidecar",
        [
            *(thanos, "sidecar"),
            f"--prometheus.url=http://{HOST}:{prometheus}",
            f"--tsdb.path={plane.folder / 'prometheus'}",
            f"--grpc-address={HOST}:{sidecar_grpc}",
            f"--http-address={HOST}:{sidecar_http}",
        ],
        ready=answers(f"http://{HOST}:{sidecar_http}/-/ready"),
        ends_by_kill=True,
    )
    plane.children.start(
        "thanos-querier",
        [
            *(thanos, "query"),
            f"--endpoint={HOST}:{sidecar_grpc}",
            "--query.replica-label=prometheus_replica",
            f"--grpc-address={HOST}:{querier_grpc}",
            f"--http-address={HOST}:{querier_http}",
        ],
        ready=answers(f"http://{HOST}:{querier_http}/-/ready"),
        ends_by_kill=True,
    )


def _start_door(plane: ControlPlane, querier: int, port: int) -> None:
    pair = plane.issue("thanos-querier")
    plane.children.start(
        "thanos-front",
        [
            *(sys.executable, "-m", "controlplane.front"),
            *("--kubeconfig", plane.account_kubeconfig(NAMESPACE, "thanos-querier")),
            *("--upstream", f"http://{HOST}:{querier}", "--port", port),
            *("--certificate", pair.certificate, "--key", pair.key),
        ],
        ready=answers(f"https://{HOST}:{port}/healthz", authority=plane.authority),
    )
