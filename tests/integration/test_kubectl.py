"""A real kubectl against the in-memory API: the guide's commands, and what people do every day.

No controller of workloads and no kubelet runs here: what they would write, the tests write themselves.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controlplane import Options, running_control_plane
from kubectl_program import LIMIT_SECONDS, Following, Kubectl

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "config" / "samples"
NAMESPACE = "llm-d-sim"
DECODE = "ms-inference-scheduling-llm-d-modelservice-decode"
VA_HEADER = "NAME MODEL ACCELERATOR CURRENTREPLICAS OPTIMIZED AGE"
HPA_HEADER = "NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE"

SERVICE_MONITOR_CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servicemonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: ServiceMonitor, plural: servicemonitors, shortNames: [smon]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""
NODE_AND_POD = """
apiVersion: v1
kind: Node
metadata: {name: node-1}
status:
  capacity: {nvidia.com/gpu: "8", cpu: "64"}
  conditions: [{type: Ready, status: "True"}]
---
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: everyday, labels: {app: p}}
spec:
  nodeName: node-1
  containers: [{name: c, image: "busybox:1", resources: {limits: {nvidia.com/gpu: 1}}}]
"""


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory, real: bool) -> Iterator[Kubectl]:  # noqa: FBT001 - a fixture
    """kubectl with a new API server, the guide's namespaces, and the CRDs."""
    folder = tmp_path_factory.mktemp("kubectl")
    kubeconfig = folder / "kubeconfig"
    with running_real_api(folder, kubeconfig) if real else running_development_api(kubeconfig):
        running = Kubectl({**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(folder)})
        prepare(running)
        yield running


@contextmanager
def running_development_api(kubeconfig: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "devcluster.apiserver", "--port=0", f"--kubeconfig-out={kubeconfig}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "hack")}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline().startswith("http://127.0.0.1:")
            yield
        finally:
            server.terminate()
            server.wait(LIMIT_SECONDS)


@contextmanager
def running_real_api(folder: Path, kubeconfig: Path) -> Iterator[None]:
    options = Options(pods=False, workloads=False, monitoring=False)
    with running_control_plane(folder, options, kubeconfig=kubeconfig):
        yield


def prepare(kubectl: Kubectl) -> None:
    for name in (NAMESPACE, "inferno-autoscaler-system", "openshift-user-workload-monitoring", "everyday"):
        kubectl.run("create", "namespace", name)
    kubectl.run("apply", "-f", str(ROOT / "config" / "crd"))
    kubectl.run("apply", "-f", "-", stdin=SERVICE_MONITOR_CRD)
    kubectl.run("wait", "--for=condition=Established", "crd", "--all", "--timeout=10s")


def test_the_guides_configmaps_and_service_monitor_apply_unchanged(kubectl: Kubectl) -> None:
    path = str(SAMPLES / "acc-servclass-configmap.yaml")
    assert kubectl.run("apply", "-f", path).splitlines() == [
        "configmap/accelerator-unit-costs created",
        "configmap/service-classes-config created",
    ]
    assert "configmap/service-classes-config unchanged" in kubectl.run("apply", "-f", path)
    assert "serverside-applied" in kubectl.run("apply", "--server-side", "-f", path)
    shown = [row.rpartition(" ")[0] for row in kubectl.rows("cm", "-n", "inferno-autoscaler-system")]
    assert [row for row in shown if not row.startswith("kube-root-ca.crt")] == [
        "NAME DATA",
        "accelerator-unit-costs 4",
        "service-classes-config 2",
    ]
    kubectl.run("apply", "-f", str(SAMPLES / "inferno-servicemon-ocp.yaml"))
    names = [row.partition(" ")[0] for row in kubectl.rows("smon", "-A")]
    assert names == ["NAMESPACE", "openshift-user-workload-monitoring"]


def test_the_guides_secret_is_created_by_kubectls_own_command(kubectl: Kubectl) -> None:
    kubectl.run("create", "secret", "-n", NAMESPACE, "generic", "llm-d-hf-token", "--from-literal=token=x")
    found = kubectl.run("get", "secret", "-n", NAMESPACE, "llm-d-hf-token", "-o", "jsonpath={.data.token}")
    assert found == "eA=="


def test_the_guides_deployment_scales_and_rolls_out(kubectl: Kubectl) -> None:
    kubectl.run("apply", "-f", str(SAMPLES / "vllm-deployment-service-servicemon.yaml"))
    assert kubectl.rows("deploy", "-n", NAMESPACE)[0] == "NAME READY UP-TO-DATE AVAILABLE AGE"
    kubectl.run("scale", "deployment", "-n", NAMESPACE, DECODE, "--replicas=4")
    counts = {"replicas": 4, "updatedReplicas": 4, "readyReplicas": 2, "availableReplicas": 2}
    kubectl.set_status("deployment", NAMESPACE, DECODE, {**counts, "observedGeneration": 2})
    assert kubectl.rows("deploy", "-n", NAMESPACE)[1].startswith(f"{DECODE} 2/4 4 2 ")
    rollout = ("rollout", "status", "deployment", "-n", NAMESPACE, DECODE, f"--timeout={LIMIT_SECONDS}s")
    with Following(kubectl, *rollout) as following:
        assert following.next_line().endswith("2 of 4 updated replicas are available...")
        kubectl.set_status("deployment", NAMESPACE, DECODE, {"readyReplicas": 4, "availableReplicas": 4})
        assert following.next_line() == f'deployment "{DECODE}" successfully rolled out'
    service = kubectl.rows("svc", "-n", NAMESPACE)[1]
    assert service.startswith(("vllm-service NodePort 127.96.", "vllm-service NodePort 10.96."))
    assert "<none> 8200:30000/TCP" in service
    assert "nvidia.com/gpu: 1" in " ".join(kubectl.run("describe", "deploy", "-n", NAMESPACE).split())


def test_the_guides_hpa_shows_targets_as_kubernetes_does(kubectl: Kubectl) -> None:
    kubectl.run("apply", "-f", str(SAMPLES / "hpa-integration.yaml"))
    header, row = kubectl.rows("hpa", "-n", NAMESPACE)
    assert header == HPA_HEADER
    assert row.startswith(f"vllm-deployment-hpa Deployment/{DECODE} <unknown>/1 (avg) 1 10 0 ")
    metric = {"metric": {"name": "inferno_desired_replicas"}, "current": {"averageValue": "1334m"}}
    status = {"currentReplicas": 3, "currentMetrics": [{"type": "External", "external": metric}]}
    kubectl.set_status("hpa", NAMESPACE, "vllm-deployment-hpa", status)
    assert "1334m/1 (avg) 1 10 3 " in kubectl.rows("hpa", "-n", NAMESPACE)[1]
    described = " ".join(kubectl.run("describe", "hpa", "-n", NAMESPACE).split())
    assert '"inferno_desired_replicas" (target average value): 1334m / 1' in described


def test_the_guides_variant_is_listed_watched_and_described(kubectl: Kubectl) -> None:
    kubectl.run("apply", "-f", str(SAMPLES / "vllm-va.yaml"))
    assert kubectl.rows("variantautoscaling", "-n", NAMESPACE)[0] == VA_HEADER
    with Following(kubectl, "get", "va", "-n", NAMESPACE, "-w") as following:
        assert following.next_line() == VA_HEADER
        assert following.next_line().startswith(f"{DECODE} Qwen/Qwen3-0.6B ")
        current = {"accelerator": "H100", "numReplicas": 1}
        wanted = {"accelerator": "H100", "numReplicas": 3}
        kubectl.set_status(
            "va", NAMESPACE, DECODE, {"currentAlloc": current, "desiredOptimizedAlloc": wanted}
        )
        assert following.next_line().startswith(f"{DECODE} Qwen/Qwen3-0.6B H100 1 3 ")
    assert "Model ID: Qwen/Qwen3-0.6B" in " ".join(kubectl.run("describe", "va", "-n", NAMESPACE).split())
    assert "Name of the model" in kubectl.run("explain", "va.spec.modelID")


def test_a_malformed_variant_is_refused_field_by_field(kubectl: Kubectl) -> None:
    profile = {"acc": "H100", "maxBatchSize": 0, "alpha": "x", "beta": "1"}
    variant = {
        "apiVersion": "llmd.ai/v1alpha1",
        "kind": "VariantAutoscaling",
        "metadata": {"name": "bad", "namespace": NAMESPACE},
        "spec": {"modelID": "m", "modelProfile": {"accelerators": [profile]}},
    }
    said = kubectl.run("apply", "-f", "-", stdin=json.dumps(variant), fails=True)
    place = "spec.modelProfile.accelerators[0]"
    assert 'The VariantAutoscaling "bad" is invalid' in said
    assert f'{place}.alpha: Invalid value: "x": {place}.alpha in body should match' in said
    assert f"{place}.maxBatchSize: Invalid value: 0" in said
    assert 'variantautoscalings.llmd.ai "bad" not found' in kubectl.run(
        "get", "va", "-n", NAMESPACE, "bad", fails=True
    )


def test_a_misspelled_field_of_a_built_in_kind_is_refused(kubectl: Kubectl) -> None:
    text = (SAMPLES / "hpa-integration.yaml").read_text(encoding="utf-8")
    said = kubectl.run("apply", "-f", "-", stdin=text.replace("maxReplicas:", "maxReplica:"), fails=True)
    assert 'strict decoding error: unknown field "spec.maxReplica"' in said
    said = kubectl.run(
        "apply", "-f", "-", stdin=text.replace("maxReplicas: 10", "maxReplicas: ten"), fails=True
    )
    assert "maxReplicas" in said
    assert "must be of type integer" in said or "unrecognized type: int32" in said
    assert "maxReplicas" in kubectl.run("explain", "hpa.spec")


def test_a_kind_without_definition_is_unknown(kubectl: Kubectl) -> None:
    unknown = "{apiVersion: example.com/v1, kind: Unknown, metadata: {name: x}}"
    said = kubectl.run("apply", "-f", "-", stdin=unknown, fails=True)
    assert 'no matches for kind "Unknown" in version "example.com/v1"' in said


def test_edit_patch_label_and_annotate(kubectl: Kubectl) -> None:
    where = ("-n", "everyday")
    kubectl.run("create", "configmap", *where, "c", "--from-literal=a=before")
    editing = Kubectl({**kubectl.environment, "KUBE_EDITOR": "sed -i s/before/after/"})
    assert "configmap/c edited" in editing.run("edit", "cm", *where, "c")
    kubectl.run("patch", "cm", *where, "c", "--type=merge", "-p", '{"data": {"b": "2"}}')
    operation = [{"op": "add", "path": "/data/c", "value": "3"}]
    kubectl.run("patch", "cm", *where, "c", "--type=json", "-p", json.dumps(operation))
    kubectl.run("patch", "cm", *where, "c", "-p", '{"data": {"d": "4"}}')
    assert kubectl.document("cm", *where, "c")["data"] == {"a": "after", "b": "2", "c": "3", "d": "4"}
    kubectl.run("label", "cm", *where, "c", "tier=gold")
    kubectl.run("annotate", "cm", *where, "c", "why=test")
    assert len(kubectl.rows("cm", *where, "-l", "tier in (gold)")) == 2
    assert "why: test" in kubectl.run("describe", "cm", *where, "c")


def test_strategic_patch_and_apply_change_one_container_only(kubectl: Kubectl) -> None:
    where = ("-n", "everyday")
    kubectl.run("create", "deployment", *where, "d", "--image=busybox:1", "--replicas=2", "--port=80")
    containers = [
        {"name": "busybox", "env": [{"name": "A", "value": "1"}]},
        {"name": "b", "image": "nginx:1"},
    ]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    kubectl.run("patch", "deployment", *where, "d", "-p", json.dumps(patch))
    kubectl.run("set", "image", "deployment/d", *where, "b=nginx:2")
    pod = "{.spec.template.spec.containers"
    path = f"jsonpath={{.metadata.generation}} {pod}[*].image}} {pod}[0].env[0].name}}"
    assert kubectl.run("get", "deployment", *where, "d", "-o", path) == "3 busybox:1 nginx:2 A"
    assert "deployment.apps/d restarted" in kubectl.run("rollout", "restart", "deployment/d", *where)


def test_a_dry_run_changes_nothing(kubectl: Kubectl) -> None:
    said = kubectl.run("create", "cm", "-n", "everyday", "dry", "--from-literal=a=1", "--dry-run=server")
    assert "created (server dry run)" in said
    assert "not found" in kubectl.run("get", "cm", "-n", "everyday", "dry", fails=True)


def test_a_pod_is_shown_ends_gracefully_and_delete_waits_for_it(kubectl: Kubectl) -> None:
    kubectl.run("apply", "-f", "-", stdin=NODE_AND_POD)
    assert kubectl.rows("nodes")[1].startswith("node-1 Ready <none> ")
    assert "nvidia.com/gpu 1 1" in " ".join(kubectl.run("describe", "node", "node-1").split())
    assert "QoS Class: BestEffort" in " ".join(kubectl.run("describe", "pod", "-n", "everyday", "p").split())
    running = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    kubectl.set_status("pod", "everyday", "p", running)
    kubectl.run("wait", "pod/p", "-n", "everyday", "--for=condition=Ready", "--timeout=10s")
    with Following(kubectl, "delete", "pod", "-n", "everyday", "p") as following:
        assert following.next_line() == 'pod "p" deleted from everyday namespace'
        assert kubectl.rows("pods", "-n", "everyday")[1].startswith("p 0/1 Terminating 0 ")
        kubectl.run("delete", "pod", "-n", "everyday", "p", "--grace-period=0", "--force")
        assert following.wait_for_end() == 0


def test_events_are_listed_with_their_object(kubectl: Kubectl) -> None:
    about = {"kind": "ConfigMap", "name": "c", "namespace": "everyday"}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "c.1", "namespace": "everyday"},
        "involvedObject": about,
        "type": "Warning",
        "reason": "Broken",
        "message": "say why",
    }
    kubectl.run("create", "-f", "-", stdin=json.dumps(event))
    header, row = kubectl.rows("events", "-n", "everyday", "--field-selector", "involvedObject.name=c")
    assert header == "LAST SEEN TYPE REASON OBJECT MESSAGE"
    assert row.endswith("Warning Broken configmap/c say why")


def test_a_deleted_namespace_takes_its_contents_along(kubectl: Kubectl) -> None:
    kubectl.run("create", "namespace", "gone")
    kubectl.run("create", "configmap", "-n", "gone", "c")
    assert 'namespace "gone" deleted' in kubectl.run("delete", "namespace", "gone")
    assert 'namespaces "gone" not found' in kubectl.run("get", "namespace", "gone", fails=True)


def test_what_kubectl_creates_by_itself_is_what_it_would_apply(kubectl: Kubectl) -> None:
    commands = (
        ("serviceaccount", "runner"),
        ("role", "reader", "--verb=get,list", "--resource=pods,deployments.apps"),
        ("rolebinding", "reader", "--role=reader", "--serviceaccount=everyday:runner"),
        ("service", "clusterip", "front", "--tcp=80:8080"),
        ("poddisruptionbudget", "one", "--selector=app=p", "--min-available=1"),
    )
    for command in commands:
        create = ("create", *command, "-n", "everyday")
        expected = json.loads(kubectl.run(*create, "--dry-run=client", "-o", "json"))
        found = json.loads(kubectl.run(*create, "-o", "json"))
        for part in ("rules", "subjects", "roleRef"):
            assert found.get(part) == expected.get(part)
        for key, value in (expected.get("spec") or {}).items():
            assert found["spec"][key] == value or key == "ports"
    kubectl.run("autoscale", "deployment", "-n", "everyday", "d", "--max=3", "--cpu=50%")
    assert "cpu: <unknown>/50% 1 3 0" in kubectl.rows("hpa", "-n", "everyday")[1]
    assert kubectl.run("create", "token", "-n", "everyday", "runner").strip()
    assert kubectl.run("auth", "can-i", "list", "pods").strip() == "yes"


def test_discovery_and_version(kubectl: Kubectl) -> None:
    resources = kubectl.run("api-resources")
    assert "variantautoscalings" in resources
    assert "va " in resources
    assert "Server Version: v1.3" in kubectl.run("version")
    assert kubectl.run("get", "--raw", "/readyz") == "ok"
    assert "v1alpha1.llmd.ai Local True" in " | ".join(kubectl.rows("apiservices"))
    assert kubectl.run("get", "nonsense", fails=True).startswith("error: the server doesn't have a resource")
