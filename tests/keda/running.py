"""KEDA's operator and metrics server as processes on this machine, under KEDA's own account and roles."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from controlplane import ControlPlane
from controlplane.probes import HOST, answers, free_ports
from e2e.clusters import NAMESPACE, ROOT
from e2e.product import API_SERVICE
from tools.programs import find_programs

HERE = Path(__file__).parent
MODULE = "github.com/kedacore/keda/v2"
SPACE, ACCOUNT, READER = "keda", "keda-operator", "keda-reader"
# Beside the CustomResourceDefinitions, of the module's folder config/.
ROLES = (
    "rbac/role.yaml",
    "rbac/role_binding.yaml",
    "metrics-server/role.yaml",
    "metrics-server/role_binding.yaml",
)
GO_SECONDS = 300


def module_folder() -> Path:
    """Where Go keeps KEDA's source, with its manifests. Raises CalledProcessError."""
    command = ["go", "mod", "download", "-json", MODULE]
    subprocess.run(command, cwd=ROOT / "hack/tools/keda", check=True, capture_output=True, timeout=GO_SECONDS)
    shown = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Dir}}", MODULE],
        cwd=ROOT / "hack/tools/keda",
        check=True,
        capture_output=True,
        text=True,
        timeout=GO_SECONDS,
    )
    return Path(shown.stdout.strip())


@contextmanager
def running_keda(plane: ControlPlane) -> Iterator[None]:
    """KEDA until the context ends; it owns the cluster's external metrics API."""
    programs = find_programs(("keda-operator", "keda-metrics-apiserver"))
    api, metrics, probes, grpc = free_ports(4)
    _install(plane, api)
    certificates = _certificates(plane)
    kubeconfig = plane.account_kubeconfig(SPACE, ACCOUNT)
    variables = {
        "KUBECONFIG": str(kubeconfig),
        "WATCH_NAMESPACE": NAMESPACE,
        "POD_NAMESPACE": SPACE,
        "KEDA_CLUSTER_OBJECT_NAMESPACE": SPACE,
    }
    operator = plane.children.start(
        "keda-operator",
        [
            programs["keda-operator"],
            "--enable-prometheus-metrics=false",
            f"--health-probe-bind-address={HOST}:{probes}",
            f"--metrics-service-bind-address={HOST}:{grpc}",
            f"--cert-dir={certificates}",
        ],
        ready=answers(f"http://{HOST}:{probes}/readyz"),
        variables=variables,
    )
    operator.wait_until_ready()
    server = plane.children.start(
        "keda-metrics-apiserver",
        [
            programs["keda-metrics-apiserver"],
            f"--secure-port={api}",
            f"--bind-address={HOST}",
            f"--port={metrics}",
            f"--client-ca-file={certificates / 'ca.crt'}",
            f"--tls-cert-file={certificates / 'tls.crt'}",
            f"--tls-private-key-file={certificates / 'tls.key'}",
            f"--cert-dir={certificates}",
            f"--metrics-service-address=localhost:{grpc}",
            f"--lister-kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
        ],
        ready=answers(f"https://{HOST}:{api}/healthz"),
        variables=variables,
    )
    try:
        server.wait_until_ready()
        plane.kubectl("wait", "--for=condition=Available", API_SERVICE, "--timeout=30s")
        yield
    finally:
        for name in ("keda-metrics-apiserver", "keda-operator"):
            plane.children.stop(name)


def give_access(plane: ControlPlane) -> None:
    """The Secret with which KEDA asks Thanos."""
    token = plane.account_kubeconfig(SPACE, READER).with_suffix(".token")
    plane.kubectl(
        *("create", "secret", "generic", "thanos", "-n", NAMESPACE),
        *(f"--from-file=token={token}", f"--from-file=ca.crt={plane.authority}"),
    )


def _install(plane: ControlPlane, api_port: int) -> None:
    configuration = module_folder() / "config"
    plane.kubectl("create", "namespace", SPACE)
    plane.kubectl("apply", "--server-side", "-f", str(configuration / "crd/bases"))
    plane.kubectl("wait", "--for=condition=Established", "crd/scaledobjects.keda.sh")
    for path in ROLES:
        plane.kubectl("apply", "-f", str(configuration / path))
    text = (HERE / "keda.yaml").read_text().replace("port: 6443", f"port: {api_port}")
    plane.kubectl("apply", "-f", "-", stdin=text)


def _certificates(plane: ControlPlane) -> Path:
    """The folder that KEDA has mounted: both programs show the same certificate to each other."""
    folder = plane.folder / "keda-certificates"
    folder.mkdir(mode=0o700)
    pair = plane.issue("keda")
    shutil.copy(plane.authority, folder / "ca.crt")
    shutil.copy(pair.certificate, folder / "tls.crt")
    shutil.copy(pair.key, folder / "tls.key")
    return folder
