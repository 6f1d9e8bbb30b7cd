"""What `helm test` runs, against the running product: the command of its pod, with the rights of its hooks.

The fake kubelet runs no such pod, so that the command is a process here, as the services are.
"""

import os
import subprocess
from collections.abc import Iterator

import pytest

from chart.documents import TEST, Document, as_yaml, documents
from chart.helm import OPENSHIFT_APIS, Case, template
from controlplane import Options, running_control_plane
from controlplane.probes import HOST
from e2e.clusters import NAME, NAMESPACE, SYSTEM, manifest, until
from e2e.product import ACTUATOR, SERVICE, Product, deploy
from e2e.released import BIN

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running_control_plane(tmp_path_factory.mktemp("doctor"), Options(services=(SERVICE,))) as plane:
        deployed = deploy(plane, interval_seconds=10, scrape_seconds=5)
        rights = [hook for hook in hooks() if hook["kind"] != "Pod"]
        assert {hook["kind"] for hook in rights} == {"ClusterRole", "ClusterRoleBinding"}
        plane.kubectl("apply", "-f", "-", stdin=as_yaml(rights, "for the time of the test"))
        until(lambda: deployed.condition("Actuated") == ("True", "HpaFollows"), seconds=90)
        yield deployed


def hooks() -> list[Document]:
    rendered = template(Case("doctor", OPENSHIFT_APIS))
    return [it for it in documents(rendered) if TEST.partition(":")[0] in str(it["metadata"])]


def examined(product: Product) -> subprocess.CompletedProcess[str]:
    """The command of the pod with the account's kubeconfig and the addresses of this machine."""
    (pod,) = [hook for hook in hooks() if hook["kind"] == "Pod"]
    (container,) = pod["spec"]["containers"]
    return subprocess.run(
        [BIN / "inferno-actuator", *container["args"]],
        env={
            **os.environ,
            "KUBECONFIG": str(product.plane.account_kubeconfig(SYSTEM, ACTUATOR)),
            "INFERNO_COLLECTOR_URL": f"http://{HOST}:{product.collector_port}",
            "INFERNO_OPTIMIZER_URL": f"http://{HOST}:{product.optimizer_port}",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def findings(said: subprocess.CompletedProcess[str], level: str) -> list[str]:
    return [line for line in said.stdout.splitlines() if line.startswith(level)]


def test_it_passes_where_everything_is_there(product: Product) -> None:
    said = examined(product)
    assert said.returncode == 0, said.stdout + said.stderr
    assert findings(said, "failure") == findings(said, "warning") == []
    for subject in ("CRD", "RBAC", "ConfigMap", "ServiceMonitor", "optimizer", "collector", "Prometheus"):
        assert any(subject in line for line in findings(said, "ok")), said.stdout
    assert any(f"{NAMESPACE}/{NAME}" in line for line in findings(said, "ok"))


@pytest.mark.parametrize(
    ("sample", "level", "subject"),
    [
        ("acc-servclass-configmap.yaml", "failure", "ConfigMap"),
        ("inferno-servicemon-ocp.yaml", "failure", "ServiceMonitor"),
        ("hpa-integration.yaml", "warning", f"VA {NAMESPACE}/{NAME}: NoHpa"),  # the last step of the guide
    ],
)
def test_it_says_what_to_apply_where_something_is_missing(
    product: Product, sample: str, level: str, subject: str
) -> None:
    product.plane.kubectl("delete", "-f", manifest(sample))
    said = examined(product)
    product.plane.kubectl("apply", "-f", manifest(sample))
    assert said.returncode == int(level == "failure"), said.stdout + said.stderr
    lines = [line for line in findings(said, level) if subject in line]
    assert lines, said.stdout
    assert all("fix: kubectl apply" in line for line in lines)
