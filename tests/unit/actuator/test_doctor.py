"""The doctor: one line for each thing that is wrong, with the command that fixes it; it changes nothing."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Request
from typer.testing import CliRunner

from builders import SEED_NAME, SEED_NAMESPACE, a_load, a_node, a_snapshot, a_variant
from devcluster.apiserver import RunningApi, running_api
from inferno_actuator import cli
from inferno_actuator.doctor import Finding, Level, examine
from inferno_actuator.doctor.installation import check_config_map, check_definition
from inferno_actuator.doctor.monitors import check_monitors
from inferno_actuator.doctor.prometheus import check_prometheus
from inferno_actuator.doctor.rights import RIGHTS, judge_rights
from inferno_actuator.doctor.variants import Facts, check_variant
from inferno_actuator.known import KnownVariant
from inferno_actuator.reach import to_collector, to_optimizer
from inferno_actuator.settings import ActuatorSettings
from inferno_shared.contracts import Snapshot
from inferno_shared.kubernetes import CONFIG_MAPS, VARIANT_AUTOSCALINGS, KubernetesClient, ScaleTargetRef
from inferno_shared.kubernetes.autoscalers import HorizontalPodAutoscaler
from inferno_shared.service import ServiceSettings, create_app
from unit.actuator.cluster_world import NAMESPACE, SETTINGS, documents, install
from unit.actuator.test_hpas import an_hpa
from unit.actuator.world import a_problem, answer, persisted
from unit.shared.certificates import Authority
from unit.shared.service.serving import serving

CRD = "crd/llmd.ai_variantautoscalings.yaml"


def wrong(findings: Sequence[Finding]) -> list[str]:
    return [str(finding) for finding in findings if finding.level is not Level.OK]


def about(
    snapshot: Snapshot | None = None,
    *,
    hpas: Sequence[HorizontalPodAutoscaler] | None = (),
    metric: tuple[str, ...] | str = ("3",),
    **known: Any,  # noqa: ANN401 - any part of a variant
) -> list[Finding]:
    given = {"target": ScaleTargetRef("apps/v1", "Deployment", SEED_NAME), "status": persisted(3), **known}
    facts = Facts(
        known=KnownVariant(namespace=SEED_NAMESPACE, name=SEED_NAME, **given),
        snapshot=snapshot or a_snapshot(),
        autoscalers=hpas,
        metric=metric,
    )
    return list(check_variant(facts))


def test_a_healthy_variant_is_all_ok() -> None:
    assert wrong(about(hpas=[an_hpa()])) == []


@pytest.mark.parametrize(
    ("findings", "said", "fix"),
    [
        (about(malformed="spec.modelID: must be a text"), "spec.modelID: must be a text", "kubectl edit va"),
        (about(a_snapshot(variants=[])), "the collector does not know it", "collector's log"),
        (
            about(a_snapshot(variants=[a_variant(rate_rpm=None)]), hpas=[an_hpa()]),
            "is not measured: no series",
            "spec.modelID",
        ),
        (
            about(a_snapshot(variants=[a_variant(accelerator="TPU")]), hpas=[an_hpa()]),
            "accelerator TPU has no entry",
            "accelerator-unit-costs",
        ),
        (
            about(a_snapshot(inventory=[a_node(device="L4")]), hpas=[an_hpa()]),
            "no node has the product NVIDIA-H100-80GB-HBM3 of accelerator H100; there are L4",
            "label the nodes",
        ),
        (
            about(hpas=[an_hpa()], metric="nobody serves it"),
            "no external metric",
            "prometheus-adapter-values",
        ),
        (about(hpas=[an_hpa()], metric=("3", "4")), "2 series match, an HPA sums them", "one actuator"),
        (
            about(),
            "NoHpa: No HorizontalPodAutoscaler targets",
            "kubectl apply -n llm-d-sim -f config/samples/hpa-integration.yaml",
        ),
        (
            about(hpas=[an_hpa(maxReplicas=2)]),
            "HpaMaximum",
            """hpa vllm-deployment-hpa -n llm-d-sim --type merge -p '{"spec":{"maxReplicas":3}}'""",
        ),
        (
            about(hpas=[an_hpa(metrics=[])]),
            "HpaMisconfigured",
            '"metric": {"name": "inferno_desired_replicas", "selector": {"matchLabels"',
        ),
        (
            about(a_snapshot(variants=[a_variant(replicas=0)]), hpas=[an_hpa()]),
            "HpaDisabled",
            f"kubectl scale deployment {SEED_NAME} -n llm-d-sim --replicas=1",
        ),
        (
            about(
                a_snapshot(variants=[a_variant(replicas=11)]),
                hpas=[an_hpa(maxReplicas=20)],
                status=persisted(12),
            ),
            "HpaTolerance",
            '"scaleUp":{"tolerance":"0"}',
        ),
        (about(hpas=None), "HorizontalPodAutoscalers cannot be read", "RBAC"),
        (
            about(hpas=[an_hpa(maxReplicas=20)]),
            "may go to 20 replicas; its tolerance 0.1 ignores steps of one from 10 on",
            "kubectl patch hpa",
        ),
        (
            about(mode_problem="annotation x is 'y'", hpas=[an_hpa()]),
            "annotation x is 'y'",
            "kubectl annotate va",
        ),
    ],
)
def test_what_is_wrong_with_a_variant_is_one_line_with_its_fix(
    findings: list[Finding], said: str, fix: str
) -> None:
    (line,) = wrong(findings)
    assert said in line
    assert fix in line.partition("; fix: ")[2]


def test_a_problem_of_the_collector_is_told_once() -> None:
    snapshot = a_snapshot(variants=[a_variant(rate_rpm=None)])
    problem = a_problem("MetricsMissing", "no series of model x; there are: y")
    found = about(snapshot.model_copy(update={"problems": [problem]}), hpas=[an_hpa()])
    (line,) = wrong(found)
    assert "MetricsMissing: no series of model x; there are: y; fix: kubectl describe va" in line


def test_the_definition_must_be_there_served_and_as_new_as_we_are() -> None:
    (current,) = documents(CRD)
    assert check_definition(current).level is Level.OK
    assert check_definition(None).level is Level.FAILURE
    (old,) = documents(CRD)
    version = old["spec"]["versions"][0]
    del version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["actuation"]
    assert check_definition(old).level is Level.WARNING
    version["name"] = "v1alpha2"
    assert "serves v1alpha2, not v1alpha1" in str(check_definition(old))


def test_missing_rights_are_named_with_the_command_that_grants_them() -> None:
    allowed = {right: right.path != "variantautoscalings/status" for right in RIGHTS}
    (line,) = wrong(judge_rights(allowed))
    assert line.startswith("failure  RBAC: no right to patch variantautoscalings/status (llmd.ai)")
    assert line.endswith("fix: kubectl apply -f config/rbac/actuator.yaml")
    assert wrong(judge_rights(dict.fromkeys(RIGHTS, True))) == []


def test_keys_of_a_config_map_are_read_as_the_loop_reads_them() -> None:
    assert "missing" in str(check_config_map("x", "ns", None)[0])
    (line,) = wrong(check_config_map("x", "ns", {"GLOBAL_OPT_INTERVAL": "often", "MAX_SCALE_UP": "4"}))
    assert "GLOBAL_OPT_INTERVAL: 'often' is not a duration" in line


def test_a_service_monitor_must_select_the_metrics_service_in_its_namespace_at_a_port_that_it_has() -> None:
    (monitor,) = documents("samples/inferno-servicemon-ocp.yaml")
    labels = {"app.kubernetes.io/name": "inferno-autoscaler", "control-plane": "controller-manager"}
    service = {
        "metadata": {"namespace": NAMESPACE, "labels": labels},
        "spec": {"ports": [{"name": "https", "port": 8443}]},
    }
    assert check_monitors([monitor], service).level is Level.OK
    assert check_monitors(None, service).level is Level.WARNING
    assert check_monitors([monitor], None).level is Level.WARNING

    elsewhere = {**service, "metadata": {"namespace": "default", "labels": labels}}
    assert "none selects Service" in check_monitors([monitor], elsewhere).words
    unlabelled = {**service, "metadata": {"namespace": NAMESPACE}}
    assert "none selects Service" in check_monitors([monitor], unlabelled).words
    renamed = {**service, "spec": {"ports": [{"name": "metrics", "port": 8443}]}}
    found = check_monitors([monitor], renamed)
    assert (found.level, found.fix[:27]) == (Level.FAILURE, "kubectl edit servicemonitor")
    assert "wants port https" in found.words


def test_two_monitors_of_the_metrics_service_are_one_too_many() -> None:
    (monitor,) = documents("samples/inferno-servicemon-ocp.yaml")
    labels = {"app.kubernetes.io/name": "inferno-autoscaler", "control-plane": "controller-manager"}
    service = {
        "metadata": {"namespace": NAMESPACE, "labels": labels},
        "spec": {"ports": [{"name": "https", "port": 8443}], "selector": labels},
    }

    def another(**selector: object) -> dict[str, Any]:
        spec = {"selector": selector, "endpoints": [{"port": "https"}]}
        return {"metadata": {"namespace": NAMESPACE, "name": "ours"}, "spec": spec}

    name = "control-plane"
    second = another(matchExpressions=[{"key": name, "operator": "In", "values": ["controller-manager"]}])
    found = check_monitors([monitor, second], service)
    assert found.level is Level.WARNING
    assert found.fix == (
        "kubectl delete servicemonitor inferno-autoscaler-controller-manager-metrics-monitor "
        "-n openshift-user-workload-monitoring, or another of them"
    )
    assert "its series may be there 2 times, and an HPA sums them" in found.words
    assert check_monitors([monitor], service, [another(matchLabels=labels)]).level is Level.WARNING
    assert check_monitors([], service, [another(matchLabels=labels)]).level is Level.OK
    for expression in (
        {"key": name, "operator": "DoesNotExist"},
        {"key": name, "operator": "NotIn", "values": ["controller-manager"]},
        {"key": "unheard-of", "operator": "Exists"},
    ):
        assert check_monitors([monitor, another(matchExpressions=[expression])], service).level is Level.OK


PROMETHEUS = {"PROMETHEUS_BASE_URL": "https://thanos.test"}


@pytest.mark.parametrize(
    ("data", "response", "level", "said"),
    [
        (PROMETHEUS, httpx.Response(200, json={}), Level.OK, "https://thanos.test answers"),
        (PROMETHEUS, httpx.Response(403), Level.FAILURE, "does not accept the token (HTTP 403); fix: oc adm"),
        (PROMETHEUS, httpx.Response(500), Level.FAILURE, "HTTP 500"),
        (
            PROMETHEUS,
            httpx.ConnectError("certificate verify failed"),
            Level.FAILURE,
            "PROMETHEUS_CA_CERT_PATH",
        ),
        (
            {**PROMETHEUS, "PROMETHEUS_TOKEN_PATH": "/nowhere/token"},
            httpx.Response(200),
            Level.WARNING,
            "cannot be asked from here: there is no /nowhere/token",
        ),
        ({}, httpx.Response(200), Level.FAILURE, "PROMETHEUS_BASE_URL is not set"),
        (
            {"PROMETHEUS_BASE_URL": "https://prometheus.monitoring.svc:9090"},
            httpx.ConnectError("[Errno -3] Temporary failure in name resolution"),
            Level.WARNING,
            "a name of the cluster, not known here; fix: kubectl exec deploy/",
        ),
    ],
)
async def test_prometheus_is_asked_as_the_collector_would(
    data: dict[str, str], response: httpx.Response | Exception, level: Level, said: str
) -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        if isinstance(response, Exception):
            raise response
        return response

    found = await check_prometheus(data, httpx.MockTransport(handle))
    assert found.level is level
    assert said in str(found)


async def test_a_token_in_the_config_map_is_sent_and_never_shown() -> None:
    seen: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(401)

    data = {**PROMETHEUS, "PROMETHEUS_BEARER_TOKEN": "hush-hush"}
    found = await check_prometheus(data, httpx.MockTransport(handle))
    assert seen == ["Bearer hush-hush"]
    assert "hush" not in str(found)


@pytest.fixture
async def cluster() -> AsyncIterator[RunningApi]:
    async with running_api() as cluster:
        yield cluster


def service(handler: Any) -> httpx.AsyncClient:  # noqa: ANN401 - any handler
    return httpx.AsyncClient(base_url="http://service.test", transport=httpx.MockTransport(handler))


async def test_a_whole_examination_reads_everything_and_writes_nothing(cluster: RunningApi) -> None:
    async with KubernetesClient.connect(kubeconfig=str(cluster.kubeconfig)) as kubernetes:
        await install(kubernetes)
        nowhere = {"data": {"PROMETHEUS_BASE_URL": "http://127.0.0.1:9"}}
        await kubernetes.merge_patch(CONFIG_MAPS, nowhere, SETTINGS, NAMESPACE)
        collector = service(lambda _: answer(a_snapshot()))
        optimizer = service(lambda _: httpx.Response(200))
        found = [f async for f in examine(kubernetes, collector, optimizer, ActuatorSettings())]
    subjects = {finding.subject for finding in found}
    assert {"API server", "CRD variantautoscalings.llmd.ai", "RBAC", "collector", "optimizer"} <= subjects
    assert [line.partition(":")[0] for line in wrong(found)] == [
        "warning  ServiceMonitor",
        "failure  Prometheus",
        f"failure  VA {SEED_NAMESPACE}/{SEED_NAME}",
    ]
    assert "nobody serves external.metrics.k8s.io" in wrong(found)[2]


async def test_a_prometheus_that_the_collector_does_not_read_is_not_asked(cluster: RunningApi) -> None:
    scraped = a_variant(load=a_load(30).model_copy(update={"source": "scrape"}))
    async with KubernetesClient.connect(kubeconfig=str(cluster.kubeconfig)) as kubernetes:
        await install(kubernetes)
        answers = service(lambda _: answer(a_snapshot(variants=[scraped])))
        found = [f async for f in examine(kubernetes, answers, answers, ActuatorSettings())]
    (prometheus,) = (finding for finding in found if finding.subject == "Prometheus")
    assert (prometheus.level, prometheus.words[:9]) == (Level.OK, "not asked")


async def test_services_that_are_down_are_named_and_the_rest_is_examined(cluster: RunningApi) -> None:
    def down(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    async with KubernetesClient.connect(kubeconfig=str(cluster.kubeconfig)) as kubernetes:
        found = [f async for f in examine(kubernetes, service(down), service(down), ActuatorSettings())]
    failed = {f.subject for f in found if f.level is Level.FAILURE}
    assert {"CRD variantautoscalings.llmd.ai", "collector", "optimizer"} <= failed


async def test_what_may_not_be_read_is_not_called_missing(cluster: RunningApi) -> None:
    async with KubernetesClient.connect(kubeconfig=str(cluster.kubeconfig)) as kubernetes:
        await install(kubernetes)
        forbidden = {"match": {"path_regex": "customresourcedefinitions|configmaps"}, "status": 403}
        async with httpx.AsyncClient(base_url=cluster.url) as http:
            (await http.post("/devcluster/faults", json=forbidden)).raise_for_status()
        answers = service(lambda _: answer(a_snapshot()))
        found = [f async for f in examine(kubernetes, answers, answers, ActuatorSettings())]
    unread = [f for f in found if f.level is Level.WARNING and "administrator" in f.fix]
    assert [f.subject for f in unread] == [
        "CRD variantautoscalings.llmd.ai",
        "ConfigMaps of inferno-autoscaler-system",
    ]


async def test_rights_of_an_option_are_asked_for_where_it_is_in_use(cluster: RunningApi) -> None:
    async with KubernetesClient.connect(kubeconfig=str(cluster.kubeconfig)) as kubernetes:
        await install(kubernetes)
        answers = service(lambda _: answer(a_snapshot()))

        async def rights() -> str:
            found = [f async for f in examine(kubernetes, answers, answers, ActuatorSettings())]
            return next(f.words for f in found if f.subject == "RBAC")

        before = await rights()
        annotations = {"inferno.llmd.ai/actuation": "direct", "inferno.llmd.ai/delete-with-target": "true"}
        patch = {"metadata": {"annotations": annotations}}
        await kubernetes.merge_patch(VARIANT_AUTOSCALINGS, patch, SEED_NAME, SEED_NAMESPACE)
        after = await rights()
        sets = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": SEED_NAME}
        await kubernetes.merge_patch(
            VARIANT_AUTOSCALINGS, {"spec": {"scaleTargetRef": sets}}, SEED_NAME, SEED_NAMESPACE
        )
        refused = {"match": {"path_regex": "selfsubjectaccessreviews"}, "status": 500}
        async with httpx.AsyncClient(base_url=cluster.url) as http:
            (await http.post("/devcluster/faults", json=refused)).raise_for_status()
        found = [f async for f in examine(kubernetes, answers, answers, ActuatorSettings())]
    assert (before, after) == ("all 16 rights are granted", "all 18 rights are granted")
    (line,) = (str(f) for f in found if "patch statefulsets/scale (apps)" in f.words)
    assert line.startswith(
        "failure  RBAC: no right to patch statefulsets/scale (apps), needed for mode direct"
    )
    assert line.endswith("fix: kubectl apply -f config/rbac/direct")


async def test_a_kind_that_cannot_be_scaled_directly_is_named(cluster: RunningApi) -> None:
    async with KubernetesClient.connect(kubeconfig=str(cluster.kubeconfig)) as kubernetes:
        await install(kubernetes)
        target = {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "name": "x"}
        annotations = {"inferno.llmd.ai/actuation": "direct"}
        patch = {"metadata": {"annotations": annotations}, "spec": {"scaleTargetRef": target}}
        await kubernetes.merge_patch(VARIANT_AUTOSCALINGS, patch, SEED_NAME, SEED_NAMESPACE)
        answers = service(lambda _: answer(a_snapshot()))
        found = [f async for f in examine(kubernetes, answers, answers, ActuatorSettings())]
    (line,) = (str(f) for f in found if f.subject == "Scale of LeaderWorkerSet")
    assert (
        "the cluster serves no API leaderworkerset.x-k8s.io/v1: install the CustomResourceDefinition" in line
    )
    assert line.endswith(f"fix: kubectl edit va {SEED_NAME} -n {SEED_NAMESPACE}")


def test_without_a_cluster_the_command_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    result = CliRunner().invoke(cli.app, ["doctor"])
    assert result.exit_code == 2
    assert "KUBECONFIG" in result.output


async def test_the_commands_show_a_secured_service_what_the_actuator_would(tmp_path: Path) -> None:
    servers, clients = Authority("servers"), Authority("clients")
    own, shown = servers.server(tmp_path), clients.client(tmp_path, "inferno-actuator")
    trust, token = servers.write(tmp_path / "servers.crt"), tmp_path / "token"
    token.write_text("secret")
    secured = ServiceSettings(
        port=0,
        tls_cert_file=own.certificate,
        tls_key_file=own.key,
        tls_client_ca_file=clients.write(tmp_path / "clients.crt"),
        service_authorization="certificate",
        allowed_client_names=("inferno-actuator",),
    )
    router = APIRouter()

    @router.get("/headers")
    async def headers(request: Request) -> dict[str, str | None]:
        return {"authorization": request.headers.get("authorization")}

    app = create_app(title="t", settings=secured, routers=[router])
    async with serving(app) as url:
        settings = ActuatorSettings(
            collector_url=url,
            optimizer_url=url,
            client_ca_file=trust,
            client_cert_file=shown.certificate,
            client_key_file=shown.key,
            client_token_file=token,
        )
        async with to_collector(settings, 10) as collector, to_optimizer(settings, 10) as optimizer:
            assert (await collector.get("/headers")).json() == {"authorization": "Bearer secret"}
            assert (await optimizer.get("/headers")).json() == {"authorization": None}
        async with to_collector(settings, 10, skip_verify=True) as unchecked:
            assert (await unchecked.get("/healthz")).status_code == 200
            assert unchecked.auth is None, "a token is not shown to whoever answers"


def test_an_option_wins_over_its_variable_and_a_missing_file_is_named(tmp_path: Path) -> None:
    options = ["--client-token-file", str(tmp_path / "none"), "--collector-url", "collector:8081"]
    result = CliRunner().invoke(cli.app, ["doctor", *options])
    assert result.exit_code == 2
    assert "INFERNO_CLIENT_TOKEN_FILE" in result.output
    assert "INFERNO_COLLECTOR_URL" in result.output
