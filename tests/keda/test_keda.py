"""A third way for the metric: KEDA reads it from Thanos and keeps an HPA of its own (`make e2e-keda`)."""

import json
from collections.abc import Iterator

import pytest

from controlplane import Options, running_control_plane
from demo.scenario import FULL
from e2e.clusters import NAME, NAMESPACE, until
from e2e.loads import load
from e2e.product import SERVICE, Product, deploy
from keda.running import HERE, give_access, running_keda

INTERVAL_SECONDS = 10
SCRAPE_SECONDS = 5
LOAD = "[[180, 50]]"
PLACE = "https://thanos-querier.openshift-monitoring.svc.cluster.local:9091"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The guide's deployment with a ScaledObject in place of its HPA."""
    with running_control_plane(tmp_path_factory.mktemp("keda"), Options(services=(SERVICE,))) as plane:
        deployed = deploy(
            plane, interval_seconds=INTERVAL_SECONDS, scrape_seconds=SCRAPE_SECONDS, through_adapter=True
        )
        plane.kubectl("delete", "hpa", "vllm-deployment-hpa", "-n", NAMESPACE)
        with running_keda(plane):
            give_access(plane)
            text = (HERE / "scaledobject.yaml").read_text().replace(PLACE, deployed.monitoring.thanos_url)
            plane.kubectl("apply", "-f", "-", stdin=text)
            until(lambda: deployed.condition("MetricsAvailable") == ("True", "MetricsFound"), seconds=90)
            yield deployed


def targets(product: Product) -> str:
    """What `kubectl get hpa` shows of KEDA's HPA."""
    path = ("get", "hpa", "keda-hpa-vllm-deployment", "-n", NAMESPACE, "--no-headers")
    return product.plane.kubectl(*path).split("   ")[2].strip()


def replicas(product: Product) -> tuple[int, int]:
    """Replicas that are asked for, and those that are ready."""
    deployment = product.deployment()
    return deployment["spec"]["replicas"], deployment["status"].get("readyReplicas", 0)


def test_keda_reads_the_metric(product: Product) -> None:
    until(lambda: targets(product) == "1/1 (avg)", seconds=60, why="KEDA's HPA has its metric")
    scaled = json.loads(
        product.plane.kubectl("get", "scaledobject", "vllm-deployment", "-n", NAMESPACE, "-o", "json")
    )

    conditions = {one["type"]: one["status"] for one in scaled["status"]["conditions"]}
    assert conditions["Ready"] == "True"
    assert scaled["spec"]["scaleTargetRef"]["name"] == NAME


def test_replicas_go_from_one_to_four_and_back(product: Product) -> None:
    until(lambda: replicas(product) == (1, 1), seconds=60, why="one replica at first")
    with load(product, SERVICE, LOAD) as name:
        peak = FULL.peak_replicas
        until(lambda: min(replicas(product)) >= peak, seconds=120, why="four ready replicas under load")
        highest = replicas(product)[0]
        until(product.plane.children.all[name].ended, seconds=240, why="the load's end")
    until(lambda: replicas(product) == (1, 1), seconds=180, why="back at one replica")

    assert highest <= FULL.peak_with_noise
