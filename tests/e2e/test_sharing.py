"""Several variants on one cluster: one demand of two variants, and two classes with too few GPUs.

Tests run in order on one deployment with a steady load on the seed's model.
"""

import json
import time
from collections.abc import Iterator

import pytest

from controlplane import Options, running_control_plane
from e2e.clusters import NAME, NAMESPACE, until
from e2e.loads import load
from e2e.product import SERVICE, Product, deploy
from e2e.timeline import METRIC
from e2e.workloads import add_variant

INTERVAL_SECONDS = 3
SCRAPE_SECONDS = 2
STEADY_LOAD = "[[1200, 50]]"
GPUS = 6
LOOKS, LOOK_SECONDS = 20, 0.5
FREEMIUM = "freemium"
FREEMIUM_SERVICE = f"{NAMESPACE}/{FREEMIUM}"
SECOND = "second"

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    options = Options(nodes=1, gpus=GPUS, services=(SERVICE, FREEMIUM_SERVICE))
    with running_control_plane(tmp_path_factory.mktemp("sharing"), options) as plane:
        deployed = deploy(
            plane,
            interval_seconds=INTERVAL_SECONDS,
            scrape_seconds=SCRAPE_SECONDS,
        )
        with load(deployed, SERVICE, STEADY_LOAD):
            until(lambda: (deployed.desired() or 0) >= 3, seconds=120, why="three replicas under load")
            yield deployed


def demands(product: Product) -> list[dict[str, float]]:
    found: list[dict[str, float]] = product.get("actuator", "/plan")["plan"]["demands"]
    return found


def test_two_variants_of_one_model_share_its_demand(product: Product) -> None:
    add_variant(
        product.plane,
        SECOND,
        model="Qwen/Qwen3-0.6B",
        accelerator="A100",
        app="vllm",
        own_service=False,
    )
    # The A100 at 40 cents is cheaper than the H100 at 50 and as fast: it takes what is beyond the minimum.
    until(
        lambda: product.desired() == 1 and (product.desired(SECOND) or 0) >= 2,
        seconds=90,
        why="the cheaper variant takes over",
    )
    total = (product.desired() or 0) + (product.desired(SECOND) or 0)
    (demand,) = demands(product)
    until(lambda: product.deployment(SECOND)["status"].get("readyReplicas", 0) >= 2, why="they are ready")
    product.plane.kubectl("delete", f"va/{SECOND}", f"hpa/{SECOND}", f"deploy/{SECOND}", "-n", NAMESPACE)
    until(lambda: (product.desired() or 0) >= 3, seconds=60, why="the first variant serves all again")

    assert 3 <= total <= 6
    assert demand["served_rpm"] == pytest.approx(demand["rate_rpm"])


def test_of_two_classes_with_too_few_gpus_the_more_important_wins(product: Product) -> None:
    product.configure({"UNLIMITED": "false", "SATURATION_POLICY": "PriorityExhaustive"})
    add_variant(product.plane, FREEMIUM, model="llama0-7b", accelerator="H100", app=FREEMIUM)
    product.plane.kubectl("rollout", "status", f"deploy/{FREEMIUM}", "-n", NAMESPACE, "--timeout=60s")
    with load(product, FREEMIUM_SERVICE, "[[600, 120]]", model="llama0-7b"):
        until(
            lambda: product.condition("OptimizationReady", FREEMIUM) == ("False", "InsufficientCapacity"),
            seconds=120,
            why="the less important class is told that GPUs are missing",
        )
        exported = [looked_at(product) for _ in range(LOOKS)]
        plan = product.get("actuator", "/plan")["plan"]
        premium = product.condition("OptimizationReady", NAME)
        until(lambda: all_ready(product), seconds=60, why="every replica has its GPU")

    served = {demand["service_class"]: demand for demand in plan["demands"]}
    (capacity,) = plan["capacity"]
    assert premium == ("True", "OptimizationSucceeded")
    assert served["Premium"]["served_rpm"] == pytest.approx(served["Premium"]["rate_rpm"])
    assert served["Freemium"]["served_rpm"] < served["Freemium"]["rate_rpm"]
    assert capacity["limit"] == GPUS
    assert capacity["used"] <= GPUS
    assert all(values[NAME] >= 3 for values in exported)
    assert max(sum(values.values()) for values in exported) <= GPUS, exported


def looked_at(product: Product) -> dict[str, int]:
    """Desired replicas by variant as the external metrics API exports them, after a pause."""
    time.sleep(LOOK_SECONDS)
    items = json.loads(product.plane.kubectl("get", "--raw", METRIC))["items"]
    return {item["metricLabels"]["variant_name"]: int(item["value"]) for item in items}


def all_ready(product: Product) -> bool:
    pods = product.get_json("pods", "-n", NAMESPACE)["items"]
    return all(
        condition["status"] == "True"
        for pod in pods
        for condition in pod["status"]["conditions"]
        if condition["type"] == "Ready"
    )
