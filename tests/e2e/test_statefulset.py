"""Mode `direct` on what is no Deployment, with the rights that the chart grants for it."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from controlplane import ControlPlane
from controlplane.audit import read_uses
from e2e.clusters import NAMESPACE, SYSTEM, until
from e2e.loads import LOADGEN, SEED_MODEL
from e2e.product import ACTUATOR, COLLECTOR, SERVICE
from e2e.released import released, running, service_urls
from e2e.workloads import Document, a_deployment, a_service, a_variant
from integration.stack import FAST_EMULATOR, PACE

WORKLOAD = "direct"
GROUPS = "groups"
MAXIMUM = 3
LWS_GROUP = "leaderworkerset.x-k8s.io"
SCALED = {"deployments": "apps", "statefulsets": "apps", "leaderworkersets": LWS_GROUP}


@pytest.fixture(scope="module")
def scaling(real: ControlPlane) -> Iterator[ControlPlane]:
    """The three services with the chart's rights, and no variant yet."""
    apply(real, a_definition())
    urls = service_urls("http")
    with released(real, "config.GLOBAL_OPT_INTERVAL=1s", "actuator.directScaling.enabled=true"):
        until(lambda: real.kubectl("get", "leaderworkersets", "-A", "-o", "json"), why="the new kind served")
        with running(real, urls, variables(real, urls)):
            yield real
    real.kubectl("delete", "crd", f"leaderworkersets.{LWS_GROUP}")


def variables(real: ControlPlane, urls: dict[str, str]) -> dict[str, dict[str, str]]:
    watched = {"INFERNO_WATCH_NAMESPACES": NAMESPACE}
    return {
        "collector": {"KUBECONFIG": str(real.account_kubeconfig(SYSTEM, COLLECTOR)), **watched, **PACE},
        "optimizer": {},
        "actuator": {
            "KUBECONFIG": str(real.account_kubeconfig(SYSTEM, ACTUATOR)),
            **watched,
            "INFERNO_COLLECTOR_URL": urls["collector"],
            "INFERNO_OPTIMIZER_URL": urls["optimizer"],
            "INFERNO_LEADER_ELECTION": "true",
            "INFERNO_IDENTITY": "direct-actuator",
        },
    }


def a_definition() -> Document:
    """As much of a LeaderWorkerSet's definition as has a scale; nothing acts on its objects."""
    kind = {"kind": "LeaderWorkerSet", "plural": "leaderworkersets", "singular": "leaderworkerset"}
    paths = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"leaderworkersets.{LWS_GROUP}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, a test's own"},
        },
        "spec": {
            "group": LWS_GROUP,
            "scope": "Namespaced",
            "names": kind,
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}, "scale": paths},
                    "schema": {
                        "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                    },
                }
            ],
        },
    }


def a_stateful_set() -> Document:
    document = a_deployment(WORKLOAD, SEED_MODEL, WORKLOAD)
    document["kind"] = "StatefulSet"
    spec = document["spec"]
    spec["serviceName"] = SERVICE.partition("/")[2]
    del spec["strategy"]
    container = spec["template"]["spec"]["containers"][0]
    container["env"] = [{"name": name, "value": value} for name, value in FAST_EMULATOR.items()]
    return document


def a_leader_worker_set() -> Document:
    template = a_deployment(GROUPS, SEED_MODEL, GROUPS)["spec"]["template"]
    return {
        "apiVersion": f"{LWS_GROUP}/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": GROUPS, "namespace": NAMESPACE},
        "spec": {"replicas": 1, "leaderWorkerTemplate": {"size": 2, "workerTemplate": template}},
    }


def a_direct_variant(name: str, *, kind: str, api: str = "apps/v1", minimum: int = 1) -> Document:
    document = a_variant(name, SEED_MODEL, "H100")
    document["metadata"]["annotations"] = {"inferno.llmd.ai/actuation": "direct"}
    document["spec"] |= {
        "scaleTargetRef": {"apiVersion": api, "kind": kind, "name": name},
        "minReplicas": minimum,
        "maxReplicas": MAXIMUM,
    }
    return document


def apply(real: ControlPlane, *documents: Document) -> None:
    for document in documents:
        real.kubectl("apply", "-f", "-", stdin=json.dumps(document))


def found(real: ControlPlane, *what: str) -> Any:  # noqa: ANN401 - any JSON
    return json.loads(real.kubectl("get", *what, "-n", NAMESPACE, "-o", "json"))


def scaled_to(real: ControlPlane, target: str, wanted: int) -> None:
    until(lambda: found(real, target)["spec"]["replicas"] == wanted, why=f"{target} with {wanted}")


def conditions(real: ControlPlane, name: str) -> dict[str, dict[str, str]]:
    return {it["type"]: it for it in found(real, "va", name).get("status", {}).get("conditions", [])}


def uses_of_scale(real: ControlPlane, resource: str) -> set[tuple[str, str, bool]]:
    """(account, verb, allowed) of whatever the services asked of the scales of this resource."""
    uses = read_uses(real.core.audit_log, SYSTEM)
    scales = [use for use in uses if use.resource == f"{resource}/scale"]
    return {(use.account, use.verb, use.allowed) for use in scales}


def test_a_stateful_set_follows_its_load_up_and_down_by_its_scale(scaling: ControlPlane) -> None:
    variant = a_direct_variant(WORKLOAD, kind="StatefulSet")
    apply(scaling, a_service(SERVICE.partition("/")[2], WORKLOAD), a_stateful_set(), variant)
    until(lambda: conditions(scaling, WORKLOAD).get("MetricsAvailable", {}).get("status") == "True")
    assert found(scaling, "statefulset", WORKLOAD)["spec"]["replicas"] == 1

    words = ["--url", f"{scaling.service_url(SERVICE)}/v1", "--model", SEED_MODEL, "--content", "150"]
    load = "direct-loadgen"
    scaling.children.start(load, [sys.executable, LOADGEN, *words, "--rate", "[[120, 150]]", "--seed", "1"])
    try:
        scaled_to(scaling, f"statefulset/{WORKLOAD}", MAXIMUM)
        until(lambda: found(scaling, "statefulset", WORKLOAD)["status"].get("readyReplicas") == MAXIMUM)
    finally:
        scaling.children.stop(load)
    scaled_to(scaling, f"statefulset/{WORKLOAD}", 1)

    until(lambda: found(scaling, "statefulset", WORKLOAD)["status"]["replicas"] == 1)
    assert "Scaled" in {it["reason"] for it in conditions(scaling, WORKLOAD).values()}
    assert uses_of_scale(scaling, "statefulsets") == {(ACTUATOR, "get", True), (ACTUATOR, "patch", True)}


def test_an_unknown_kind_is_the_problem_of_its_variant_only(scaling: ControlPlane) -> None:
    apply(scaling, a_stateful_set(), a_direct_variant(WORKLOAD, kind="StatefulSet"))
    apply(scaling, a_direct_variant("odd", kind="DaemonSet"))

    until(lambda: "OptimizationReady" in conditions(scaling, "odd"))

    odd = conditions(scaling, "odd")["OptimizationReady"]
    assert (odd["status"], odd["reason"]) == ("False", "InvalidConfiguration")
    assert odd["message"].startswith("spec.scaleTargetRef is a DaemonSet (apps/v1), whose pods are not known")
    ready = conditions(scaling, WORKLOAD)
    assert {ready[kind]["status"] for kind in ("TargetResolved", "OptimizationReady")} == {"True"}


def test_a_leader_worker_set_is_scaled_by_discovery(scaling: ControlPlane) -> None:
    variant = a_direct_variant(GROUPS, kind="LeaderWorkerSet", api=f"{LWS_GROUP}/v1", minimum=2)
    apply(scaling, a_leader_worker_set(), variant)

    scaled_to(scaling, f"leaderworkerset/{GROUPS}", 2)

    assert uses_of_scale(scaling, "leaderworkersets") == {(ACTUATOR, "get", True), (ACTUATOR, "patch", True)}


def test_the_charts_rights_on_what_is_scaled_are_those_and_no_more(scaling: ControlPlane) -> None:
    roles = json.loads(scaling.kubectl("get", "roles,clusterroles", "-A", "-o", "json"))["items"]

    on_targets = {
        (group, resource, tuple(rule["verbs"]))
        for role in roles
        if role["metadata"]["name"].startswith(ACTUATOR)
        for rule in role["rules"]
        for group in rule.get("apiGroups", ())
        for resource in rule.get("resources", ())
        if resource.partition("/")[0] in {*SCALED, "*"}
    }

    assert on_targets == {(group, f"{name}/scale", ("get", "patch")) for name, group in SCALED.items()}
