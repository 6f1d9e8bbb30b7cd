"""Prometheus, Thanos (sidecar and querier) and the TLS door in front of it, as OpenShift has them."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from controlplane.children import Child, Children
from controlplane.discovery import PLAIN, SECURED
from controlplane.plane import ControlPlane, Monitoring, token_file
from controlplane.probes import HOST, answers, free_ports, says

PLATFORM = Path(__file__).parent / "manifests"
NAMESPACE = "openshift-monitoring"
ACCOUNT = "prometheus-k8s"
EXTERNAL_LABELS: Mapping[str, str] = {
    "prometheus": "openshift-monitoring/k8s",
    "prometheus_replica": "prometheus-k8s-0",
    "managed_cluster": "local",
}


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the parts listen on loopback."""

    prometheus: int
    sidecar: int
    sidecar_grpc: int
    querier: int
    querier_grpc: int
    door: int


def start_prometheus(folder: Path, programs: Mapping[str, Path], children: Children) -> Ports:
    """Start Prometheus, which needs no cluster yet: its targets and its token come later, as files."""
    ports, targets = Ports(*free_ports(6)), _targets_folder(folder)
    targets.mkdir(exist_ok=True)
    configuration = folder / "prometheus.yaml"
    token = token_file(folder, NAMESPACE, ACCOUNT)
    configuration.write_text(yaml.safe_dump(prometheus_configuration(targets, token), sort_keys=False))
    children.start(
        "prometheus",
        [
            programs["prometheus"],
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            "--storage.tsdb.min-block-duration=2h",
            "--storage.tsdb.max-block-duration=2h",
            "--storage.tsdb.retention.time=1d",
            f"--web.listen-address={HOST}:{ports.prometheus}",
        ],
        ready=answers(f"http://{HOST}:{ports.prometheus}/-/ready"),
        ends_by_kill=True,
    )
    return ports


def start_thanos(plane: ControlPlane, ports: Ports) -> Monitoring:
    """Start the rest; Prometheus must be ready, or the sidecar looks again only after 30 s.

    The last of them may still be on their way to be ready.
    """
    plane.kubectl("apply", "-f", str(PLATFORM))
    plane.kubectl("wait", "--for=condition=Established", "crd/servicemonitors.monitoring.coreos.com")
    _start_discovery(plane)
    _start_door(plane, ports)
    plane.children.all["prometheus"].wait_until_ready()
    _start_sidecar(plane, ports).wait_until_ready()
    _start_querier(plane, ports)
    return Monitoring(
        thanos_url=f"https://{HOST}:{ports.door}",
        querier_url=f"http://{HOST}:{ports.querier}",
        prometheus_url=f"http://{HOST}:{ports.prometheus}",
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


def _targets_folder(folder: Path) -> Path:
    return folder / "targets"


def _start_discovery(plane: ControlPlane) -> None:
    plane.children.start(
        "discovery",
        [
            *(sys.executable, "-m", "controlplane.discovery"),
            *("--kubeconfig", plane.account_kubeconfig(NAMESPACE, ACCOUNT)),
            *("--folder", _targets_folder(plane.folder)),
        ],
        ready=says(plane.children.logs / "discovery.log", "ready"),
    )


def _start_sidecar(plane: ControlPlane, ports: Ports) -> Child:
    return plane.children.start(
        "thanos-sidecar",
        [
            *(plane.programs["thanos"], "sidecar"),
            f"--prometheus.url=http://{HOST}:{ports.prometheus}",
            f"--tsdb.path={plane.folder / 'prometheus'}",
            f"--grpc-address={HOST}:{ports.sidecar_grpc}",
            f"--http-address={HOST}:{ports.sidecar}",
        ],
        ready=answers(f"http://{HOST}:{ports.sidecar}/-/ready"),
        ends_by_kill=True,
    )


def _start_querier(plane: ControlPlane, ports: Ports) -> None:
    plane.children.start(
        "thanos-querier",
        [
            *(plane.programs["thanos"], "query"),
            f"--endpoint={HOST}:{ports.sidecar_grpc}",
            "--query.replica-label=prometheus_replica",
            f"--grpc-address={HOST}:{ports.querier_grpc}",
            f"--http-address={HOST}:{ports.querier}",
        ],
        ready=answers(f"http://{HOST}:{ports.querier}/-/ready"),
        ends_by_kill=True,
    )


def _start_door(plane: ControlPlane, ports: Ports) -> None:
    pair = plane.issue("thanos-querier")
    plane.children.start(
        "thanos-front",
        [
            *(sys.executable, "-m", "controlplane.front"),
            *("--kubeconfig", plane.account_kubeconfig(NAMESPACE, "thanos-querier")),
            *("--upstream", f"http://{HOST}:{ports.querier}", "--port", ports.door),
            *("--certificate", pair.certificate, "--key", pair.key),
        ],
        ready=answers(f"https://{HOST}:{ports.door}/healthz", authority=plane.authority),
    )
