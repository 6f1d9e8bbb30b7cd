"""The seed's guide, step by step, on the real control plane: 1 -> 4 -> 1 replicas, and what kubectl prints.

Thanos is the load source, the services run under their own accounts, and the HPA gets its metric through the
real aggregator. Differences from the guide: the loop runs every 10 s instead of every 60 s and vLLM is
scraped every 5 s instead of every 15 s (both configuration), so that the run takes five minutes.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from controlplane import Options, running_control_plane
from controlplane.audit import read_uses
from demo.scenario import FULL
from e2e.adapter import running_adapter
from e2e.clusters import NAME, NAMESPACE, SAMPLES, SYSTEM, until
from e2e.loads import first_request_at, load
from e2e.product import ACTUATOR, COLLECTOR, SERVICE, Product, deploy
from e2e.timeline import METRIC, RULE, Reaction, Timeline, reaction_lines, reaction_table, recording

INTERVAL_SECONDS = 10
SCRAPE_SECONDS = 5
REACTION_SECONDS = 20.0
LOAD_SECONDS = 180
LOAD = f"[[{LOAD_SECONDS}, 50]]"
BACK_SECONDS = 180
WATCHED = ("hpa", "va", "deployment")
GUIDES_LABELS = {"variant_name": NAME, "exported_namespace": NAMESPACE, "accelerator_type": "H100"}
# What Prometheus adds on its way; beside these the guide shows instance and pod.
SCRAPED_LABELS = {
    "__name__": "inferno_desired_replicas",
    "endpoint": "https",
    "job": "inferno-autoscaler-controller-manager-metrics-service",
    "namespace": SYSTEM,
    "prometheus": "openshift-monitoring/k8s",
    "service": "inferno-autoscaler-controller-manager-metrics-service",
}

pytestmark = pytest.mark.timeout(LOAD_SECONDS + BACK_SECONDS + 180)


@dataclass(frozen=True)
class Run:
    """What was seen of one run of the guide's scenario."""

    timeline: Timeline
    reactions: list[Reaction]
    tables: Mapping[str, list[list[str]]]


@pytest.fixture(scope="module")
def product(
    tmp_path_factory: pytest.TempPathFactory, measured: list[str], given_adapter: Path | None
) -> Iterator[Product]:
    options = Options(services=(SERVICE,))
    with (
        running_control_plane(tmp_path_factory.mktemp("guide"), options) as plane,
        ExitStack() as stack,
    ):
        deployed = deploy(
            plane,
            interval_seconds=INTERVAL_SECONDS,
            scrape_seconds=SCRAPE_SECONDS,
            through_adapter=given_adapter is not None,
        )
        if given_adapter is not None:
            stack.enter_context(running_adapter(plane, deployed.monitoring, given_adapter))
            measured.append(f"the HPA's metric comes through {given_adapter}")
        measured.append(f"control plane with monitoring and the three services: {plane.footprint()}")
        until(lambda: deployed.condition("MetricsAvailable") == ("True", "MetricsFound"), seconds=90)
        until(lambda: deployed.desired() == 1)
        yield deployed


@pytest.fixture(scope="module")
def run(product: Product, tmp_path_factory: pytest.TempPathFactory, measured: list[str]) -> Run:
    """Play the guide's load: 50 requests/min for 3 minutes, and wait until everything is back."""
    folder = tmp_path_factory.mktemp("watched")
    children = product.plane.children
    kubectl = [product.plane.programs["kubectl"], f"--kubeconfig={product.plane.kubeconfig}"]
    for resource in WATCHED:
        children.start(f"watch-{resource}", [*kubectl, "get", resource, "-n", NAMESPACE, "-w"])
    with recording(product) as timeline:
        report = folder / "loadgen.jsonl"
        with load(product, SERVICE, LOAD, report=report) as name:
            until(children.all[name].ended, seconds=LOAD_SECONDS + 60, why="the load's end")
        until(lambda: is_back(product), seconds=BACK_SECONDS, why="back at one replica")
        logs = {resource: children.all[f"watch-{resource}"].log for resource in WATCHED}
        until(lambda: rows(logs["hpa"])[-1][2] == "1/1 (avg)", why="the last line of kubectl get hpa -w")
        until(lambda: rows(logs["va"])[-1][3:5] == ["1", "1"], why="the last line of kubectl get va -w")
    tables = {resource: rows(log) for resource, log in logs.items()}
    for resource in WATCHED:
        children.stop(f"watch-{resource}")
    reactions = reaction_table(timeline, first_request_at(report), target=REACTION_SECONDS)
    measured.append(f"loop every {INTERVAL_SECONDS} s, scraped every {SCRAPE_SECONDS} s:")
    measured += reaction_lines(timeline, reactions)
    return Run(timeline, reactions, tables)


def is_back(product: Product) -> bool:
    deployment = product.deployment()
    return (
        product.desired() == 1
        and deployment["spec"]["replicas"] == 1
        and deployment["status"].get("replicas") == 1
        and deployment["status"].get("readyReplicas") == 1
    )


def rows(log: Path) -> list[list[str]]:
    """A kubectl table, its lines cut at two or more spaces."""
    lines = [line for line in log.read_text().splitlines() if line.strip()]
    return [[cell.strip() for cell in line.replace("  ", "\t").split("\t") if cell.strip()] for line in lines]


def test_replicas_go_from_one_to_four_and_back(run: Run) -> None:
    for field in ("status", "exported", "replicas", "ready"):
        path = run.timeline.path(field)
        assert path[0] == path[-1] == 1, f"{field}: {path}"
        assert FULL.peak_replicas <= max(path) <= FULL.peak_with_noise, f"{field}: {path}"


def test_more_replicas_are_desired_within_twenty_seconds_of_load(
    run: Run, given_adapter: Path | None
) -> None:
    # Through an adapter the metric takes Prometheus' way to the API: one more scrape, of the actuator.
    late = [reaction for reaction in run.reactions if not reaction.in_time]

    assert [reaction.stage for reaction in late] in (
        [],
        ["in the external metrics API"] * bool(given_adapter),
    )


def test_kubectl_get_hpa_prints_what_the_guide_shows(run: Run) -> None:
    header, *lines = run.tables["hpa"]

    assert header == ["NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE"]
    assert {line[0] for line in lines} == {"vllm-deployment-hpa"}
    assert {line[1] for line in lines} == {f"Deployment/{NAME}"}
    assert {tuple(line[3:5]) for line in lines} == {("1", "10")}
    assert lines[-1][2] == "1/1 (avg)"
    assert lines[-1][5] == "1"
    assert any(line[2] not in {"1/1 (avg)", "<unknown>/1 (avg)"} for line in lines)


def test_kubectl_get_va_prints_what_the_guide_shows(run: Run) -> None:
    header, *lines = run.tables["va"]

    assert header == ["NAME", "MODEL", "ACCELERATOR", "CURRENTREPLICAS", "OPTIMIZED", "AGE"]
    assert {tuple(line[:3]) for line in lines} == {(NAME, "Qwen/Qwen3-0.6B", "H100")}
    assert lines[-1][3:5] == ["1", "1"]
    assert max(int(line[4]) for line in lines) >= 4


def test_kubectl_get_deployment_prints_what_the_guide_shows(run: Run) -> None:
    header, *lines = run.tables["deployment"]

    assert header == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert lines[0][:4] == [NAME, "1/1", "1", "1"]
    assert "4/4" in {line[1] for line in lines}
    assert lines[-1][:4] == [NAME, "1/1", "1", "1"]


def test_the_external_metrics_api_answers_in_the_guides_shape(product: Product, run: Run) -> None:
    assert run.timeline.samples

    assert external_metric(product).items() >= GUIDES_LABELS.items()


def external_metric(product: Product) -> dict[str, str]:
    """The labels of the one series that step 4 of the guide shows."""
    found = json.loads(product.plane.kubectl("get", "--raw", METRIC))
    assert found["kind"] == "ExternalMetricValueList"
    assert found["apiVersion"] == "external.metrics.k8s.io/v1beta1"
    (item,) = found["items"]
    assert item["metricName"] == "inferno_desired_replicas"
    assert item["value"] == "1"
    labels: dict[str, str] = item["metricLabels"]
    return labels


def test_the_adapters_rule_finds_one_series_with_the_guides_labels(product: Product, run: Run) -> None:
    assert run.timeline.path("thanos")[0] == 1
    rule = yaml.safe_load((SAMPLES / "prometheus-adapter-values.yaml").read_text())["rules"]["external"][0]

    def series(query: str) -> list[dict[str, str]]:
        answer = httpx.get(
            f"{product.monitoring.querier_url}/api/v1/query", params={"query": query}, trust_env=False
        )
        return [found["metric"] for found in answer.json()["data"]["result"]]

    (found,) = series(RULE)
    assert series(rule["seriesQuery"]) == [found]
    assert found.items() >= (GUIDES_LABELS | SCRAPED_LABELS).items()


def granted(product: Product) -> set[tuple[str, str, str, str]]:
    """(account, verb, group, resource) of the manifests, read back from the cluster."""
    rights = set()
    kinds = product.get_json("clusterroles,roles", "-A")["items"]
    for role in kinds:
        account = role["metadata"]["name"]
        if account in {COLLECTOR, ACTUATOR}:
            rights |= {
                (account, verb, group, resource)
                for rule in role["rules"]
                for verb in rule["verbs"]
                for group in rule.get("apiGroups", ())
                for resource in rule.get("resources", ())
            }
    return rights


# Used only when somebody asks a secured endpoint, or when an Event repeats: other tests show them.
OCCASIONAL = {
    *((account, "create", "authentication.k8s.io", "tokenreviews") for account in (ACTUATOR, COLLECTOR)),
    *(
        (account, "create", "authorization.k8s.io", "subjectaccessreviews")
        for account in (ACTUATOR, COLLECTOR)
    ),
    (ACTUATOR, "patch", "", "events"),
    (COLLECTOR, "watch", "leaderworkerset.x-k8s.io", "leaderworkersets"),  # where that kind is installed
    (ACTUATOR, "get", "apps", "statefulsets/scale"),  # of a variant that scales one
    (ACTUATOR, "get", "leaderworkerset.x-k8s.io", "leaderworkersets/scale"),
}


def test_the_services_lack_no_right_and_have_none_that_they_do_not_use(product: Product, run: Run) -> None:
    assert run.timeline.samples
    # What every account may do, such as reviewing its own access, comes from elsewhere.
    uses = read_uses(product.plane.core.audit_log, SYSTEM)

    used = {(use.account, use.verb, use.group, use.resource) for use in uses if use.allowed}
    assert sorted(use for use in uses if not use.allowed) == []
    assert used - granted(product) == set()
    assert granted(product) - used - OCCASIONAL == set()
    assert {use.account for use in uses} == {COLLECTOR, ACTUATOR}


def test_kubectl_logs_tells_what_was_decided(product: Product, run: Run) -> None:
    assert run.timeline.samples
    lines = product.plane.kubectl("logs", "-n", SYSTEM, f"deploy/{ACTUATOR}").splitlines()

    told = [json.loads(line) for line in lines]
    assert all({"ts", "level", "msg"} <= set(one) for one in told)
    about = [one for one in told if NAME in json.dumps(one)]
    assert any(str(FULL.peak_replicas) in json.dumps(one) for one in about), about


@pytest.fixture
def adapted(product: Product, run: Run, adapter: Path, given_adapter: Path | None) -> Iterator[Product]:
    """The HPA's metric comes through an adapter with the guide's values file."""
    assert run.timeline.samples
    with ExitStack() as stack:
        if given_adapter is None:
            stack.enter_context(running_adapter(product.plane, product.monitoring, adapter))
            stack.callback(product.serve_metrics_itself)
        yield product


def test_through_an_adapter_the_external_metrics_api_answers_as_the_guide_shows(adapted: Product) -> None:
    labels = external_metric(adapted)

    assert labels.items() >= (GUIDES_LABELS | SCRAPED_LABELS).items()
    assert labels["instance"].endswith(f":{adapted.actuator_port}")


def test_through_an_adapter_the_hpa_follows_the_actuator(adapted: Product) -> None:
    def minimum(replicas: int) -> None:
        patch = json.dumps({"spec": {"minReplicas": replicas}})
        adapted.plane.kubectl("patch", "va", NAME, "-n", NAMESPACE, "--type=merge", "-p", patch)

    minimum(2)
    until(lambda: adapted.deployment()["status"].get("readyReplicas") == 2, seconds=60, why="two replicas")
    minimum(1)
    until(lambda: is_back(adapted), seconds=60, why="one replica again")
