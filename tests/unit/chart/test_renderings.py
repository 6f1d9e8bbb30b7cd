"""What the chart promises of each platform, read from the golden renderings (`make chart` makes them)."""

import re
from typing import Any

import pytest
import yaml

from chart.paths import CONFIG
from inferno_actuator.doctor.rights import RIGHTS, Option, Right
from inferno_actuator.settings import ActuatorSettings
from inferno_collector.settings import CollectorSettings
from inferno_optimizer.settings import OptimizerSettings
from inferno_shared.service import ServiceSettings
from unit.chart.rendered import CASES, SERVICES, environment, objects, of_kind, one, pod_specs

SETTINGS: dict[str, type[ServiceSettings]] = {
    "actuator": ActuatorSettings,
    "collector": CollectorSettings,
    "optimizer": OptimizerSettings,
}
SYSTEM = "inferno-autoscaler-system"
MANAGER = "inferno-autoscaler-controller-manager"
METRICS_SERVICE = f"{MANAGER}-metrics-service"
EXISTING = "two-namespaces"  # its Secrets are made by somebody else (tls.mode: existing)
every_case = pytest.mark.parametrize("case", CASES)


@every_case
def test_pods_need_nothing_that_restricted_v2_refuses(case: str) -> None:
    for name, spec in pod_specs(case):
        pod = spec["securityContext"]
        assert pod == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}, name
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
        assert not any("hostPath" in volume for volume in spec["volumes"])


@every_case
def test_the_names_are_the_guides(case: str) -> None:
    service = one(case, "Service", METRICS_SERVICE)
    assert [(port["name"], port["port"]) for port in service["spec"]["ports"]] == [("https", 8443)]
    one(case, "Deployment", MANAGER)
    one(case, "ConfigMap", "inferno-autoscaler-variantautoscaling-config")
    homes = {it["metadata"].get("namespace", SYSTEM) for it in objects(case)}
    assert homes <= {SYSTEM, "kube-system", "llm-a", "llm-b"}


@every_case
def test_the_guides_servicemonitor_selects_the_actuators_service_and_no_other(case: str) -> None:
    guide = yaml.safe_load((CONFIG / "samples/inferno-servicemon-ocp.yaml").read_text())
    wanted = guide["spec"]["selector"]["matchLabels"].items()
    selected = [
        it["metadata"]["name"]
        for it in of_kind(case, "Service")
        if wanted <= it["metadata"]["labels"].items()
    ]
    assert selected == [METRICS_SERVICE]


@every_case
@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_is_one_that_the_service_knows(case: str, service: str) -> None:
    known = {f"INFERNO_{name.upper()}" for name in SETTINGS[service].model_fields} | {"POD_NAME"}
    assert environment(case, service).keys() <= known


@every_case
def test_selectors_select_the_pods_of_their_own_deployment(case: str) -> None:
    for deployment in of_kind(case, "Deployment"):
        labels = deployment["spec"]["template"]["metadata"]["labels"].items()
        assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
        name = deployment["metadata"]["name"]
        budget = one(case, "PodDisruptionBudget", name)
        policy = one(case, "NetworkPolicy", name)
        assert budget["spec"]["selector"]["matchLabels"].items() <= labels
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels


@pytest.mark.parametrize("case", [case for case in CASES if case != EXISTING])
def test_every_mounted_file_comes_from_something_that_is_there(case: str) -> None:
    made = {
        it["metadata"]["name"]
        for kind in ("Secret", "ConfigMap", "Certificate")
        for it in of_kind(case, kind)
    }
    for it in of_kind(case, "Service"):
        made |= set((it["metadata"].get("annotations") or {}).values())
    for name, spec in pod_specs(case):
        for volume in spec["volumes"]:
            source = volume.get("secret", {}).get("secretName") or volume.get("configMap", {}).get("name")
            assert source is None or source in made, (name, source)


@every_case
def test_no_account_reads_secrets_or_has_a_wildcard(case: str) -> None:
    for kind in ("ClusterRole", "Role"):
        for role in of_kind(case, kind):
            for rule in role["rules"]:
                resources = rule.get("resources", [])
                assert "secrets" not in resources
                assert "*" not in [*resources, *rule["verbs"], *rule.get("apiGroups", [])]


def rules(case: str, name: str, kind: str = "ClusterRole") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = one(case, kind, name)["rules"]
    return found


def granted(right: Right, given: list[dict[str, Any]]) -> bool:
    return any(
        right.group in rule.get("apiGroups", [])
        and right.path in rule.get("resources", [])
        and right.verb in rule["verbs"]
        for rule in given
    )


def test_the_actuator_gets_the_rights_that_the_doctor_asks_for_and_direct_scaling_only_when_asked() -> None:
    for case, direct in (("kubernetes", False), ("external-metrics", True)):
        given = rules(case, MANAGER) + rules(case, MANAGER, "Role")
        wanted = [right for right in RIGHTS if right.option is not Option.DIRECT or direct]
        assert [right for right in wanted if not granted(right, given)] == []
        scales = [rule for rule in given if any("/scale" in it for it in rule.get("resources", []))]
        assert all(("patch" in rule["verbs"]) == direct for rule in scales)


def test_with_named_namespaces_only_nodes_and_questions_about_callers_are_asked_cluster_wide() -> None:
    for service in ("collector", "controller-manager"):
        name = f"inferno-autoscaler-{service}"
        cluster = {it for rule in rules("two-namespaces", name) for it in rule.get("resources", [])}
        assert cluster <= {"nodes", "resourceslices", "tokenreviews", "subjectaccessreviews"}
        homes = {
            it["metadata"]["namespace"]
            for it in of_kind("two-namespaces", "Role")
            if it["metadata"]["name"] == f"{name}-watch"
        }
        assert homes == {"llm-a", "llm-b"}


def test_the_optimizer_has_no_rights_no_token_and_no_way_out() -> None:
    spec = dict(pod_specs("openshift"))["inferno-autoscaler-optimizer"]
    assert spec["automountServiceAccountToken"] is False
    bound = [
        subject["name"]
        for kind in ("RoleBinding", "ClusterRoleBinding")
        for binding in of_kind("openshift", kind)
        for subject in binding["subjects"]
    ]
    assert "inferno-autoscaler-optimizer" not in bound
    policy = one("openshift", "NetworkPolicy", "inferno-autoscaler-optimizer")["spec"]
    assert (policy["egress"], "Egress" in policy["policyTypes"]) == ([], True)


def test_openshift_makes_the_servers_certificates_and_admits_the_collector_to_thanos() -> None:
    annotations = one("openshift", "Service", METRICS_SERVICE)["metadata"]["annotations"]
    assert annotations == {"service.beta.openshift.io/serving-cert-secret-name": f"{MANAGER}-tls"}
    authority = one("openshift", "ConfigMap", "inferno-autoscaler-service-ca")["metadata"]["annotations"]
    assert authority == {"service.beta.openshift.io/inject-cabundle": "true"}
    view = one("openshift", "ClusterRoleBinding", "inferno-autoscaler-collector-monitoring-view")
    assert view["roleRef"]["name"] == "cluster-monitoring-view"
    data = one("openshift", "ConfigMap", "inferno-autoscaler-variantautoscaling-config")["data"]
    assert data["PROMETHEUS_BASE_URL"] == (
        "https://thanos-querier.openshift-monitoring.svc.cluster.local:9091"
    )
    assert data["PROMETHEUS_TOKEN_PATH"] == "/var/run/secrets/kubernetes.io/serviceaccount/token"


def test_user_workload_monitoring_admits_the_servicemonitors() -> None:
    """It refuses those that read files of Prometheus' own pod."""
    for monitor in of_kind("openshift", "ServiceMonitor"):
        (endpoint,) = monitor["spec"]["endpoints"]
        assert endpoint.keys().isdisjoint({"bearerTokenFile"})
        assert not {"caFile", "certFile", "keyFile", "insecureSkipVerify"} & endpoint["tlsConfig"].keys()
        service = re.sub(r"-metrics-monitor$", "", monitor["metadata"]["name"])
        server = METRICS_SERVICE if service == MANAGER else service
        assert endpoint["tlsConfig"]["serverName"] == f"{server}.{SYSTEM}.svc"


def test_two_actuators_compete_for_a_lease_that_goes_with_the_release() -> None:
    assert one("openshift", "Deployment", MANAGER)["spec"]["replicas"] == 2
    assert environment("openshift", "actuator")["INFERNO_LEADER_ELECTION"] == "true"
    assert "spec" not in one("openshift", "Lease", MANAGER)


def test_external_metrics_are_for_the_aggregator_and_served_by_standbys_too() -> None:
    assert one("external-metrics", "Deployment", MANAGER)["spec"]["replicas"] == 2
    env = environment("external-metrics", "actuator")
    assert env["INFERNO_EXTERNAL_METRICS_AUTHORIZATION"] == "aggregator"
    service = one("external-metrics", "APIService", "v1beta1.external.metrics.k8s.io")["spec"]
    assert service["caBundle"] == "MASKED"
    assert "insecureSkipTLSVerify" not in service
    reader = one("external-metrics", "RoleBinding", f"{MANAGER}-front-proxy-reader")
    assert reader["metadata"]["namespace"] == "kube-system"
    assert reader["roleRef"]["name"] == "extension-apiserver-authentication-reader"


def test_an_optimizer_with_an_autoscaler_leaves_its_replicas_to_it() -> None:
    name = "inferno-autoscaler-optimizer"
    assert "replicas" not in one("external-metrics", "Deployment", name)["spec"]
    target = one("external-metrics", "HorizontalPodAutoscaler", name)["spec"]["scaleTargetRef"]["name"]
    assert target == name


@pytest.mark.parametrize("service", ["actuator", "collector"])
def test_the_rights_of_config_are_the_charts(service: str) -> None:
    name = f"inferno-autoscaler-{SERVICES[service]}"
    text = (CONFIG / f"rbac/{service}.yaml").read_text()
    for document in yaml.safe_load_all(text):
        if document["kind"] in {"ClusterRole", "Role"}:
            assert document["rules"] == rules("kubernetes", name, document["kind"])


def test_what_config_grants_for_direct_scaling_is_what_the_chart_grants_for_it() -> None:
    role, binding = yaml.safe_load_all((CONFIG / "rbac/direct/scales.yaml").read_text())
    scales = {rule["resources"][0]: rule["verbs"] for rule in role["rules"]}
    assert scales.keys() == {"deployments/scale", "statefulsets/scale", "leaderworkersets/scale"}
    given = rules("external-metrics", MANAGER)
    assert [rule for rule in given if "patch" in rule["verbs"] and "/scale" in rule["resources"][0]] == (
        role["rules"]
    )
    assert binding["roleRef"]["name"] == role["metadata"]["name"] != MANAGER
    assert [subject["name"] for subject in binding["subjects"]] == [MANAGER]


def test_config_has_no_private_key_and_nothing_of_helm() -> None:
    for folder in ("openshift", "kubernetes"):
        text = (CONFIG / folder / "inferno-autoscaler.yaml").read_text()
        assert "tls.key:" not in text
        assert "helm" not in text.lower()
