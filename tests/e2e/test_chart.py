"""The Helm chart on a real API server: rendered, installed, upgraded, removed."""

import base64
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from chart.__main__ import made_files
from chart.documents import TEST, without
from chart.helm import CASES, HELM_SECONDS, KUBERNETES, RELEASE, Case, helm, template
from chart.paths import CHART, ROOT
from controlplane import ControlPlane
from e2e.clusters import NAME, NAMESPACE, SYSTEM, install, manifest, until

MONITORING = ROOT / "hack/controlplane/manifests"
WATCHED = ("llm-a", "llm-b")
REMOVED_SECONDS = 30.0
DEFINITION = "variantautoscalings.llmd.ai"
MANAGER = "inferno-autoscaler-controller-manager"
SETTINGS = "inferno-autoscaler-variantautoscaling-config"
SECRET = f"{MANAGER}-tls"
EVERYWHERE = ("clusterrole", "clusterrolebinding", "apiservice")
INSIDE = (
    *("deployment", "replicaset", "pod", "service", "serviceaccount", "secret", "configmap", "role"),
    *("rolebinding", "lease", "networkpolicy", "poddisruptionbudget", "horizontalpodautoscaler"),
)


class Release:
    """One release in a namespace that the tests own."""

    def __init__(self, real: ControlPlane) -> None:
        self.real = real

    def helm(self, *arguments: str) -> str:
        return helm(*arguments, "--namespace", SYSTEM, "--kubeconfig", self.real.kubeconfig)

    def upgrade(self, *values: str) -> str:
        settings = [word for value in values for word in ("--set", value)]
        return self.helm("upgrade", "--install", RELEASE, str(CHART), "--create-namespace", *settings)

    def uninstall(self) -> str:
        return self.helm("uninstall", RELEASE)

    def leftovers(self) -> set[str]:
        """Everything of ours that is still there; Kubernetes' own of a namespace does not count."""
        found = self.real.kubectl("get", ",".join(EVERYWHERE), "-o", "name").split()
        found += self.real.kubectl("get", ",".join(INSIDE), "-n", SYSTEM, "-o", "name").split()
        found += self.real.kubectl("get", "rolebinding", "-n", "kube-system", "-o", "name").split()
        own = {"serviceaccount/default", "configmap/kube-root-ca.crt"}
        inside = {name for name in found if name not in own}
        return {name for name in inside if "inferno" in name or "external.metrics" in name}

    def certificate(self) -> str:
        return self.real.kubectl("get", "secret", SECRET, "-n", SYSTEM, "-o", "jsonpath={.data.tls\\.crt}")


@pytest.fixture(scope="module")
def platform(real: ControlPlane) -> Iterator[ControlPlane]:
    """A cluster with a Prometheus operator's kinds, and none of our namespaces left at the end."""
    real.kubectl("apply", "-f", str(MONITORING))
    real.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    install(real, SYSTEM, NAMESPACE, *WATCHED)
    yield real
    real.kubectl("delete", "namespace", SYSTEM, NAMESPACE, *WATCHED, "--wait=true")


@pytest.fixture
def release(platform: ControlPlane) -> Iterator[Release]:
    """None yet; the custom resource is there as an earlier release of ours has left it."""
    owner = (f"meta.helm.sh/release-name={RELEASE}", f"meta.helm.sh/release-namespace={SYSTEM}")
    platform.kubectl("annotate", "--overwrite", "crd", DEFINITION, *owner)
    platform.kubectl("label", "--overwrite", "crd", DEFINITION, "app.kubernetes.io/managed-by=Helm")
    release = Release(platform)
    yield release
    if RELEASE in release.helm("list", "--short"):
        release.uninstall()
    platform.kubectl(
        "delete", "configmap", "-n", SYSTEM, "-l", "!x", "--field-selector=metadata.name!=kube-root-ca.crt"
    )


def test_what_is_made_from_the_chart_is_what_helm_renders_now() -> None:
    stale = [path for path, text in made_files() if path.read_text() != text]
    assert stale == [], "run `make chart`"


def test_an_install_takes_seconds_and_says_what_is_missing(release: Release, measured: list[str]) -> None:
    started = time.monotonic()
    notes = release.upgrade()
    measured.append(f"helm install into the real API server: {time.monotonic() - started:.1f} s")
    assert "MISSING: prices and service classes" in notes
    assert "kubectl apply -f config/samples/acc-servclass-configmap.yaml" in notes
    assert "MISSING: an external metrics API" in notes
    release.real.kubectl("apply", "-f", manifest("acc-servclass-configmap.yaml"))
    assert "prices" not in release.upgrade("externalMetrics.enabled=true")


def test_an_upgrade_keeps_certificates_variants_and_what_others_wrote(release: Release) -> None:
    real = release.real
    release.upgrade()
    before = release.certificate()
    real.kubectl("apply", "-f", manifest("vllm-va.yaml"))
    holder = json.dumps({"spec": {"holderIdentity": "somebody"}})
    real.kubectl("patch", "lease", MANAGER, "-n", SYSTEM, "--type=merge", "-p", holder)
    release.upgrade("externalMetrics.enabled=true", "logLevel=debug")
    assert release.certificate() == before
    assert NAME in real.kubectl("get", "va", "-n", NAMESPACE)
    held = real.kubectl("get", "lease", MANAGER, "-n", SYSTEM, "-o", "jsonpath={.spec.holderIdentity}")
    assert held == "somebody"
    bundle = real.kubectl(
        "get", "apiservice", "v1beta1.external.metrics.k8s.io", "-o", "jsonpath={.spec.caBundle}"
    )
    assert base64.b64decode(bundle).startswith(b"-----BEGIN CERTIFICATE-----")
    release.upgrade("tls.selfSigned.days=1", "fullnameOverride=inferno-autoscaler")
    assert release.certificate() == before


def test_a_cert_manager_that_comes_later_changes_nothing(release: Release) -> None:
    words = (
        "template",
        RELEASE,
        str(CHART),
        "--dry-run=server",
        "--api-versions=cert-manager.io/v1",
        f"--kube-version={KUBERNETES}",
    )
    assert "kind: Certificate\n" in release.helm(*words)
    release.upgrade()
    again = release.helm(*words)
    assert "kind: Certificate\n" not in again
    assert release.certificate() in again


def test_certificates_near_their_end_are_replaced_and_the_old_authority_stays_trusted(
    release: Release,
) -> None:
    release.upgrade("tls.selfSigned.days=300")  # less than renewDays: at once due
    before = release.certificate()
    release.upgrade()
    assert release.certificate() != before
    bundle = release.real.kubectl("get", "secret", SECRET, "-n", SYSTEM, "-o", "jsonpath={.data.ca\\.crt}")
    assert base64.b64decode(bundle).count(b"BEGIN CERTIFICATE") == 2


def test_an_uninstall_leaves_the_variants_and_nothing_else(release: Release) -> None:
    real = release.real
    release.upgrade("externalMetrics.enabled=true", "actuator.directScaling.enabled=true")
    real.kubectl("apply", "-f", manifest("vllm-va.yaml"))
    assert release.leftovers()
    said = release.uninstall()
    assert "variantautoscalings.llmd.ai" in said
    until(lambda: not release.leftovers(), seconds=REMOVED_SECONDS, why="everything of ours removed")
    assert NAME in real.kubectl("get", "va", "-n", NAMESPACE)
    release.upgrade()
    assert NAME in real.kubectl("get", "va", "-n", NAMESPACE)


def test_a_definition_that_somebody_else_applied_is_left_alone(release: Release) -> None:
    release.real.kubectl("annotate", "crd", DEFINITION, "meta.helm.sh/release-name-")
    notes = release.upgrade()
    assert "the custom resource was there already (applied by hand)" in notes
    release.uninstall()
    assert "variantautoscalings" in release.real.kubectl("get", "crd", "-o", "name")


@pytest.mark.parametrize("case", [it for it in CASES if it.name != "cert-manager"], ids=lambda it: it.name)
def test_the_api_server_knows_every_field(release: Release, case: Case, tmp_path: Path) -> None:
    real = release.real
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text(without(TEST, template(case)))  # a pod is refused before its account is there
    real.kubectl(
        "apply",
        "--server-side",
        "--force-conflicts",
        "--validate=strict",
        "--dry-run=server",
        "-f",
        str(rendered),
    )


def test_what_kustomize_builds_of_config_is_accepted_too(release: Release) -> None:
    real = release.real
    folder = str(ROOT / "config/openshift")
    real.kubectl(
        "apply", "--server-side", "--force-conflicts", "--validate=strict", "--dry-run=server", "-k", folder
    )


def test_make_deploy_takes_the_guides_image_and_settings_and_leaves_servicemonitors_to_the_guide(
    release: Release,
) -> None:
    real = release.real
    said = subprocess.run(
        [
            ROOT / "hack/chart/deploy",
            "registry.test/inferno/inferno-controller:1.2.3",
            "",
            "",
            "--wait=false",
        ],
        capture_output=True,
        text=True,
        timeout=HELM_SECONDS,
        check=False,
        env={**os.environ, "KUBECONFIG": str(real.kubeconfig)},
    )
    assert said.returncode == 0, said.stderr
    path = "jsonpath={range .items[*]}{.spec.template.spec.containers[0].image}{' '}{end}"
    images = real.kubectl("get", "deployments", "-n", SYSTEM, "-o", path).split()
    names = ("collector", "controller", "optimizer")
    assert sorted(images) == [f"registry.test/inferno/inferno-{name}:1.2.3" for name in names]
    assert real.kubectl("get", "servicemonitor", "-n", SYSTEM, "-o", "name") == ""
    found = json.loads(real.kubectl("get", "configmap", SETTINGS, "-n", SYSTEM, "-o", "json"))["data"]
    file = yaml.safe_load((ROOT / "config/manager/configmap.yaml").read_text())["data"]
    assert file.items() <= found.items()
