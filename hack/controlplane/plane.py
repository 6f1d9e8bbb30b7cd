"""A running control plane, and the ways into it."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from controlplane.certificates import Pair
from controlplane.children import Children
from controlplane.core import Core, Identities
from controlplane.kubeconfig import write_kubeconfig
from controlplane.options import Options
from controlplane.probes import HOST

KUBECTL_SECONDS = 60.0


class KubectlError(Exception):
    """kubectl refused; the message is what it printed."""


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Where the parts answer: `thanos_url` is the door, to be used with a token; the others ask nothing."""

    thanos_url: str
    querier_url: str
    prometheus_url: str


@dataclass
class ControlPlane:
    """Everything that runs, and how to reach it."""

    folder: Path
    options: Options
    children: Children
    core: Core
    kubeconfig: Path
    service_ports: Mapping[str, int]
    monitoring: Monitoring | None = None
    start_seconds: float = 0.0
    programs: Mapping[str, Path] = field(default_factory=dict)

    @property
    def identities(self) -> Identities:
        """Certificates of the parts."""
        return self.core.identities

    @property
    def authority(self) -> Path:
        """The certificate authority that every endpoint's certificate is signed by."""
        return self.identities.authority.file

    def service_url(self, service: str) -> str:
        """Where a Service of the options (`namespace/name`) is reachable."""
        return f"http://{HOST}:{self.service_ports[service]}"

    def footprint(self) -> str:
        """How long the start took and how much memory is resident now, by program."""
        memory = {name: child.resident_mib() for name, child in self.children.all.items()}
        shown = ", ".join(f"{name} {mib:.0f}" for name, mib in memory.items())
        return f"up in {self.start_seconds:.1f} s, {sum(memory.values()):.0f} MiB resident ({shown})"

    def issue(self, name: str) -> Pair:
        """A certificate for one more server on loopback, signed by the authority of all."""
        return self.identities.authority.issue(name, name, hosts=("localhost", HOST))

    def kubectl(self, *arguments: str, stdin: str | None = None, kubeconfig: Path | None = None) -> str:
        """What kubectl prints. Raises KubectlError with its message when it fails."""
        done = subprocess.run(
            [str(self.programs["kubectl"]), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=KUBECTL_SECONDS,
            check=False,
            env={**os.environ, "KUBECONFIG": str(kubeconfig or self.kubeconfig)},
        )
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a fresh token of an existing ServiceAccount."""
        token = token_file(self.folder, namespace, name)
        token.parent.mkdir(mode=0o700, exist_ok=True)
        token.write_text(self.kubectl("create", "token", name, "-n", namespace, "--duration=24h"))
        return write_kubeconfig(
            token.with_suffix(".kubeconfig"),
            server=self.core.api_url,
            authority=self.authority,
            user=token,
        )


def token_file(folder: Path, namespace: str, account: str) -> Path:
    """Where the token of a ServiceAccount is kept."""
    return folder / "accounts" / f"{namespace}.{account}.token"
