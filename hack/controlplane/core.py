"""Starts etcd, kube-apiserver and kube-controller-manager with the flags that one machine needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controlplane.certificates import Authority, Pair, write_signing_keys
from controlplane.children import Child, Children
from controlplane.kubeconfig import write_kubeconfig
from controlplane.probes import HOST, answers

SERVICE_NETWORK = "10.96.0.0/16"
# First address of the network: where `kubernetes.default.svc` would be.
API_SERVICE_ADDRESS = "10.96.0.1"
ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIT_POLICY = Path(__file__).parent / "audit-policy.yaml"
LOCAL = ("localhost", HOST)
CONTROLLERS = (
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "clusterrole-aggregation-controller",
    "namespace-controller",
    "garbage-collector-controller",
    "pod-garbage-collector-controller",
)
WORKLOAD_CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "statefulset-controller",
    "horizontal-pod-autoscaler-controller",
)


@dataclass(frozen=True, slots=True)
class Identities:
    """Everybody's certificates."""

    authority: Authority
    front_proxy_authority: Authority
    etcd: Pair
    etcd_client: Pair
    api_server: Pair
    front_proxy: Pair
    admin: Pair
    controllers: Pair
    token_key: Path
    token_public_key: Path

    @classmethod
    def create(cls, authority: Authority, front_proxy_authority: Authority) -> "Identities":
        """Issue all of them into the authority's folder."""
        private, public = write_signing_keys(authority.folder, "service-accounts")
        in_cluster = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", API_SERVICE_ADDRESS)
        return cls(
            authority=authority,
            front_proxy_authority=front_proxy_authority,
            etcd=authority.issue("etcd", "etcd", hosts=LOCAL),
            etcd_client=authority.issue("etcd-client", "etcd-client"),
            api_server=authority.issue("kube-apiserver", "kube-apiserver", hosts=(*LOCAL, *in_cluster)),
            front_proxy=front_proxy_authority.issue("front-proxy", "front-proxy"),
            admin=authority.issue("admin", "admin", groups=("system:masters",)),
            controllers=authority.issue("kube-controller-manager", "system:kube-controller-manager"),
            token_key=private,
            token_public_key=public,
        )


@dataclass(frozen=True, slots=True)
class Core:
    """How the three programs are started in one folder, on given ports."""

    folder: Path
    programs: Mapping[str, Path]
    identities: Identities
    etcd_port: int
    etcd_peer_port: int
    api_port: int
    controllers_port: int

    @property
    def etcd_url(self) -> str:
        """Where etcd answers, to whoever has the client certificate."""
        return f"https://{HOST}:{self.etcd_port}"

    @property
    def api_url(self) -> str:
        """Where the API server answers."""
        return f"https://{HOST}:{self.api_port}"

    @property
    def audit_log(self) -> Path:
        """What ServiceAccounts asked of the API server: one JSON object per line."""
        return self.folder / "audit.log"

    def start_etcd(self, children: Children) -> Child:
        """The store; its data lives in the folder and need not survive a power cut."""
        own, ca = self.identities, self.identities.authority.file
        peer_url = f"http://{HOST}:{self.etcd_peer_port}"
        return children.start(
            "etcd",
            [
                self.programs["etcd"],
                f"--data-dir={self.folder / 'etcd'}",
                "--unsafe-no-fsync",
                "--name=local",
                f"--listen-client-urls={self.etcd_url}",
                f"--advertise-client-urls={self.etcd_url}",
                f"--listen-peer-urls={peer_url}",
                f"--initial-advertise-peer-urls={peer_url}",
                f"--initial-cluster=local={peer_url}",
                "--client-cert-auth",
                f"--trusted-ca-file={ca}",
                f"--cert-file={own.etcd.certificate}",
                f"--key-file={own.etcd.key}",
            ],
            ready=answers(f"{self.etcd_url}/health", authority=ca, client=own.etcd_client),
            ends_by_kill=True,
        )

    def start_api_server(self, children: Children) -> Child:
        """With RBAC, and with an aggregator that reaches processes on loopback.

        `--enable-aggregator-routing=false` makes an APIService whose Service is of type ExternalName work:
        its name (localhost) is called with the port of the APIService.
        """
        own = self.identities
        ready = answers(f"{self.api_url}/readyz", authority=own.authority.file, client=own.admin)
        command = [self.programs["kube-apiserver"], *self._serving_flags(), *self._trust_flags()]
        return children.start("kube-apiserver", command, ready=ready, ends_by_kill=True)

    def _serving_flags(self) -> list[str]:
        own = self.identities
        return [
            f"--etcd-servers={self.etcd_url}",
            f"--etcd-cafile={own.authority.file}",
            f"--etcd-certfile={own.etcd_client.certificate}",
            f"--etcd-keyfile={own.etcd_client.key}",
            f"--bind-address={HOST}",
            f"--advertise-address={HOST}",
            f"--secure-port={self.api_port}",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            "--endpoint-reconciler-type=none",
            "--enable-aggregator-routing=false",
            f"--tls-cert-file={own.api_server.certificate}",
            f"--tls-private-key-file={own.api_server.key}",
            f"--audit-policy-file={AUDIT_POLICY}",
            f"--audit-log-path={self.audit_log}",
            "--shutdown-delay-duration=0s",
            "--profiling=false",
        ]

    def _trust_flags(self) -> list[str]:
        own = self.identities
        return [
            "--authorization-mode=RBAC",
            "--anonymous-auth=false",
            f"--client-ca-file={own.authority.file}",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-signing-key-file={own.token_key}",
            f"--service-account-key-file={own.token_public_key}",
            f"--requestheader-client-ca-file={own.front_proxy_authority.file}",
            "--requestheader-allowed-names=front-proxy",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={own.front_proxy.certificate}",
            f"--proxy-client-key-file={own.front_proxy.key}",
        ]

    def start_controllers(self, children: Children, *, hpa_sync_seconds: float, workloads: bool) -> Child:
        """Only the controllers that ServiceAccounts and (with `workloads`) the scaled kinds and HPAs need."""
        own = self.identities
        controllers = (*CONTROLLERS, *(WORKLOAD_CONTROLLERS if workloads else ()))
        kubeconfig = write_kubeconfig(
            self.folder / "controllers.kubeconfig",
            server=self.api_url,
            authority=own.authority.file,
            user=own.controllers,
        )
        return children.start(
            "kube-controller-manager",
            [
                self.programs["kube-controller-manager"],
                f"--kubeconfig={kubeconfig}",
                f"--authentication-kubeconfig={kubeconfig}",
                f"--authorization-kubeconfig={kubeconfig}",
                f"--bind-address={HOST}",
                f"--secure-port={self.controllers_port}",
                f"--tls-cert-file={own.api_server.certificate}",
                f"--tls-private-key-file={own.api_server.key}",
                f"--service-account-private-key-file={own.token_key}",
                f"--root-ca-file={own.authority.file}",
                "--use-service-account-credentials",
                "--leader-elect=false",
                f"--controllers={','.join(controllers)}",
                f"--horizontal-pod-autoscaler-sync-period={hpa_sync_seconds * 1000:.0f}ms",
            ],
            ready=answers(f"https://{HOST}:{self.controllers_port}/healthz", authority=own.authority.file),
            ends_by_kill=True,
        )
