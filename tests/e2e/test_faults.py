"""The product under load while parts of it and of the cluster fail: nothing scales down on doubt.

Tests run in order on one deployment with a steady load; each mends what it broke.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from controlplane import Options, running_control_plane
from controlplane.probes import free_ports
from e2e.clusters import NAME, NAMESPACE, ROOT, SYSTEM, manifest, until
from e2e.loads import load
from e2e.product import ACTUATOR, SERVICE, Product, deploy
from e2e.stalls import Stopwatch
from e2e.timeline import METRIC

INTERVAL_SECONDS = 3
SCRAPE_SECONDS = 2
STEADY_LOAD = "[[1800, 50]]"
LEAST = 3
OUTAGE_SECONDS = 120
MANY = 9  # more than noise would ever ask for
DIRECT_RIGHTS = str(ROOT / "config/rbac/direct")

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product, which desires at least three replicas under the load of the seed."""
    with running_control_plane(tmp_path_factory.mktemp("faults"), Options(services=(SERVICE,))) as plane:
        deployed = deploy(
            plane,
            interval_seconds=INTERVAL_SECONDS,
            scrape_seconds=SCRAPE_SECONDS,
        )
        with load(deployed, SERVICE, STEADY_LOAD):
            until(lambda: settled(deployed), seconds=120, why="at least three replicas under load")
            yield deployed


def settled(product: Product) -> bool:
    return ready(product) >= LEAST and product.condition("OptimizationReady") == (
        "True",
        "OptimizationSucceeded",
    )


def ready(product: Product) -> int:
    return int(product.deployment()["status"].get("readyReplicas", 0))


def wanted(product: Product) -> int:
    return int(product.deployment()["spec"]["replicas"])


def lease_holder(product: Product) -> str:
    lease = product.get_json("lease", ACTUATOR, "-n", SYSTEM)
    return str(lease["spec"]["holderIdentity"])


def exported(product: Product, port: int) -> list[str]:
    """What an HPA gets from the actuator at this port."""
    items = replace(product, actuator_port=port).get("actuator", METRIC)["items"]
    return [item["value"] for item in items]


@contextmanager
def at_least(product: Product, replicas: int, *, seconds: float) -> Iterator[None]:
    """After the block, watch for `seconds`: never fewer than `replicas` are asked for."""
    yield
    deadline = time.monotonic() + seconds
    until(
        lambda: wanted(product) < replicas or time.monotonic() > deadline,
        seconds=seconds + 30,
        why="the end of the outage",
    )
    assert wanted(product) >= replicas


def changed(product: Product, **spec: object) -> None:
    """Change the variant's spec."""
    product.plane.kubectl(
        *("patch", "va", NAME, "-n", NAMESPACE, "--type=merge", "-p", json.dumps({"spec": spec}))
    )


def test_a_changed_service_class_takes_effect_at_once(product: Product) -> None:
    product.configure({"GLOBAL_OPT_INTERVAL": "60s"})
    before = wanted(product)
    classes = product.get_json("configmap", "service-classes-config", "-n", SYSTEM)["data"]["premium.yaml"]

    def premium(text: str) -> None:
        patch = json.dumps({"data": {"premium.yaml": text}})
        product.plane.kubectl(
            *("patch", "configmap", "service-classes-config", "-n", SYSTEM, "--type=merge", "-p", patch)
        )

    watch = Stopwatch()
    premium(classes.replace("slo-ttft: 500", "slo-ttft: 60"))
    until(lambda: (product.desired() or 0) > before, seconds=30, why="more replicas for a stricter target")
    seconds = watch.seconds()
    premium(classes)
    product.configure({"GLOBAL_OPT_INTERVAL": f"{INTERVAL_SECONDS}s"})

    assert seconds < 10


def test_a_malformed_service_class_keeps_the_last_good_one(product: Product) -> None:
    until(lambda: settled(product))
    classes = product.get_json("configmap", "service-classes-config", "-n", SYSTEM)["data"]["premium.yaml"]

    def premium(text: str) -> None:
        patch = json.dumps({"data": {"premium.yaml": text}})
        product.plane.kubectl(
            *("patch", "configmap", "service-classes-config", "-n", SYSTEM, "--type=merge", "-p", patch)
        )

    with at_least(product, LEAST, seconds=3 * INTERVAL_SECONDS):
        premium("name: [Premium")
    problems = json.dumps(product.get("collector", "/snapshot")["problems"])
    premium(classes)

    assert "premium.yaml" in problems


def test_another_accelerator_replaces_the_old_series_at_once(product: Product) -> None:
    def label(accelerator: str) -> None:
        product.plane.kubectl(
            *("label", "va", NAME, "-n", NAMESPACE, "--overwrite"),
            f"inference.optimization/acceleratorName={accelerator}",
        )

    def series() -> list[str]:
        found = json.loads(product.plane.kubectl("get", "--raw", METRIC))["items"]
        return [item["metricLabels"]["accelerator_type"] for item in found]

    label("A100")
    until(lambda: series() != ["H100"], why="a series of the new accelerator")
    after = series()
    label("H100")
    until(lambda: series() == ["H100"], why="back")

    assert after == ["A100"]


def test_a_standby_takes_over_from_a_killed_leader(product: Product) -> None:
    until(lambda: settled(product))
    leader = product.plane.children.all["actuator"]
    (port,) = free_ports(1)
    standby = product.start_actuator("standby", port)
    standby.wait_until_ready()
    until(lambda: exported(product, port) != [], why="the standby answers HPAs, too")
    before = lease_holder(product)
    answers = []

    def taken_over() -> bool:
        answers.append(exported(product, port))
        return lease_holder(product) == "standby"

    with at_least(product, LEAST, seconds=5):
        leader.stop(kill=True)
        watch = Stopwatch()
        until(taken_over, seconds=40, why="the standby has the Lease")
        seconds = watch.seconds()
    changed(product, maxReplicas=2)
    until(lambda: product.desired() == 2, why="the new leader's plan is in the status")
    changed(product, maxReplicas=None)
    until(lambda: (product.desired() or 0) >= LEAST)
    product.plane.children.stop("standby")
    leader.start()
    leader.wait_until_ready()
    until(lambda: lease_holder(product) == "actuator", why="the first one leads again")

    assert before == "actuator"
    assert seconds < 30
    assert all(len(answer) == 1 and int(answer[0]) >= LEAST for answer in answers)


def test_the_product_survives_a_restart_of_the_api_server(product: Product) -> None:
    until(lambda: settled(product))
    server = product.plane.children.all["kube-apiserver"]

    server.stop(kill=True)
    time.sleep(5)
    server.start()
    server.wait_until_ready()
    with at_least(product, LEAST, seconds=10):
        pass
    changed(product, minReplicas=6)
    until(lambda: product.desired() == 6, seconds=60, why="watches have resumed")
    until(lambda: ready(product) == 6, seconds=60, why="the HPA follows again")
    changed(product, minReplicas=1)


@contextmanager
def scaled_directly(product: Product) -> Iterator[None]:
    """The variant in mode direct, without HPA; as it was before afterwards."""
    plane = product.plane
    annotation = ("annotate", "va", NAME, "-n", NAMESPACE, "--overwrite")
    plane.kubectl("delete", "hpa", "vllm-deployment-hpa", "-n", NAMESPACE)
    plane.kubectl(*annotation, "inferno.llmd.ai/actuation=direct")
    try:
        yield
    finally:
        changed(product, minReplicas=1)
        plane.kubectl(*annotation, "inferno.llmd.ai/actuation-")
        plane.kubectl("delete", "-f", DIRECT_RIGHTS, "--ignore-not-found")
        plane.kubectl("apply", "-f", manifest("hpa-integration.yaml"))


def test_a_variant_in_direct_mode_is_scaled_by_the_actuator_once_it_may(product: Product) -> None:
    until(lambda: settled(product))
    with scaled_directly(product):
        changed(product, minReplicas=MANY)
        until(lambda: product.reason("ScaleFailed"), why="a condition that says what is not allowed")
        refused = wanted(product)
        product.plane.kubectl("apply", "-f", DIRECT_RIGHTS)
        until(lambda: wanted(product) == MANY, why="scaled without an HPA")

    assert refused < MANY


def test_nothing_scales_down_while_prometheus_is_away(product: Product) -> None:
    until(lambda: settled(product))
    prometheus = product.plane.children.all["prometheus"]

    with at_least(product, LEAST, seconds=OUTAGE_SECONDS):
        prometheus.stop()
    during = product.condition("MetricsAvailable")
    held = product.condition("OptimizationReady")
    prometheus.start()
    prometheus.wait_until_ready()
    until(lambda: product.condition("MetricsAvailable") == ("True", "MetricsFound"), seconds=90)

    assert during is not None
    assert during[0] == "False"
    assert during[1] in {"MetricsMissing", "MetricsStale", "PrometheusError"}
    assert held is not None
    assert held[0] == "False"


def test_a_deployment_that_is_deleted_and_recreated_is_found_again(product: Product) -> None:
    until(lambda: settled(product))
    product.plane.kubectl("delete", "deploy", NAME, "-n", NAMESPACE)
    until(lambda: product.condition("TargetResolved") == ("False", "TargetNotFound"), seconds=30)

    product.plane.kubectl("apply", "-f", manifest("vllm-deployment-service-servicemon.yaml"))
    until(lambda: product.condition("TargetResolved") == ("True", "TargetFound"), seconds=30)
    until(lambda: settled(product), seconds=120, why="three replicas again")
