"""Every query of every dashboard has data in a real Prometheus that watched the guide's scenario begin.

The services are scraped as the chart's ServiceMonitors have it: Services in front of processes beside the
cluster. A query may be empty only where its panel says so, and every rule and alert can be evaluated.
"""

import contextlib
import json
from collections.abc import Iterator

import httpx
import pytest

from controlplane import Options, running_control_plane
from dashboards.evaluate import Answer, evaluate
from dashboards.rules import ALERTS, RECORDING
from e2e.clusters import NAME, NAMESPACE, SYSTEM, until
from e2e.loads import load
from e2e.product import SERVICE, Product, deploy

LOAD_SECONDS = 60
SETTLED_SECONDS = 90

pytestmark = pytest.mark.timeout(420)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running_control_plane(tmp_path_factory.mktemp("dashboards"), Options(services=(SERVICE,))) as plane:
        deployed = deploy(plane, interval_seconds=10, scrape_seconds=5)
        scrape_services(deployed)
        until(lambda: deployed.condition("MetricsAvailable") == ("True", "MetricsFound"), seconds=90)
        with load(deployed, SERVICE, f"[[{LOAD_SECONDS}, 50]]") as name:
            until(plane.children.all[name].ended, seconds=LOAD_SECONDS + 60, why="the load's end")
        yield deployed


def scrape_services(product: Product) -> None:
    """What the chart adds to the guide: collector and optimizer have Services and are scraped, too."""
    for name, port in (("collector", product.collector_port), ("optimizer", product.optimizer_port)):
        metadata = {
            "name": f"inferno-autoscaler-{name}",
            "namespace": SYSTEM,
            "labels": {"app.kubernetes.io/component": name},
        }
        service = {
            "type": "ExternalName",
            "externalName": "localhost",
            "ports": [{"name": "http", "port": port}],
        }
        monitor = {
            "endpoints": [{"port": "http", "path": "/metrics", "interval": "10s"}],
            "selector": {"matchLabels": metadata["labels"]},
        }
        for kind, version, spec in (
            ("Service", "v1", service),
            ("ServiceMonitor", "monitoring.coreos.com/v1", monitor),
        ):
            document = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
            product.plane.kubectl("apply", "-f", "-", stdin=json.dumps(document))


@pytest.fixture(scope="module")
def answers(product: Product) -> list[Answer]:
    latest: list[Answer] = []

    def complete() -> bool:
        latest[:] = evaluate(product.monitoring.prometheus_url, namespace=NAMESPACE, variant=NAME)
        return not any(answer.missing for answer in latest)

    with contextlib.suppress(AssertionError):  # the test names the queries
        until(complete, seconds=SETTLED_SECONDS, why="data for every query")
    return latest


def test_every_query_of_every_panel_has_data(answers: list[Answer]) -> None:
    assert [f"{a.page.title} | {a.panel.title}: {a.expr}" for a in answers if a.missing] == []


def test_recording_rules_have_data_and_every_alert_can_be_evaluated(
    product: Product, answers: list[Answer]
) -> None:
    assert answers

    def found(expr: str) -> int:
        url = f"{product.monitoring.prometheus_url}/api/v1/query"
        answer = httpx.get(url, params={"query": expr}, trust_env=False).json()
        assert answer["status"] == "success", f"{expr}: {answer.get('error')}"
        return len(answer["data"]["result"])

    for alert in ALERTS:
        found(alert.expr)
    now = {
        "inferno:variant:ttft_target_ratio",
        "inferno:variant:itl_target_ratio",
    }  # only while requests finish
    assert [rule.record for rule in RECORDING if rule.record not in now and not found(rule.expr)] == []
