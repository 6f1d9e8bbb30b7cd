"""Kubernetes objects as the API server would send them, and views of them; the seed's by default."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import yaml

from builders import H100_DEVICE, SEED_MODEL, SEED_NAME, SEED_NAMESPACE
from inferno_collector.catalogue import Catalogue, read_catalogue
from inferno_collector.inventory.placement import parse_placed_pod
from inferno_collector.view import ClusterView
from inferno_collector.workloads import parse_leader_worker_set, parse_stateful_set, parse_workload
from inferno_shared.errors import MalformedObjectError
from inferno_shared.kubernetes import (
    parse_config_map,
    parse_node,
    parse_service,
    parse_variant_autoscaling,
)

Raw = dict[str, Any]
NAMESPACE: Final = "inferno-autoscaler-system"
POD_LABELS: Final = {"app": "vllm", "llm-d.ai/model": "ms-inference-scheduling-llm-d-modelservice"}

COSTS: Final = {
    "A100": '{\n"device": "NVIDIA-A100-PCIE-80GB",\n"cost": "40.00"\n}\n',
    "H100": '{\n"device": "NVIDIA-H100-80GB-HBM3",\n"cost": "50.00"\n}\n',
    "MI300X": '{\n"device": "AMD-MI300X-192GB",\n"cost": "65.00"\n}\n',
    "G2": '{\n"device": "Intel-Gaudi-2-96GB",\n"cost": "23.00"\n}\n',
}
CLASSES: Final = {
    "premium.yaml": """
name: Premium
priority: 1
data:
  - model: Qwen/Qwen3-0.6B
    slo-tpot: 24
    slo-ttft: 500
  - model: llama0-70b
    slo-tpot: 80
    slo-ttft: 500
""",
    "freemium.yaml": """
name: Freemium
priority: 10
data:
  - model: granite-13b
    slo-tpot: 200
    slo-ttft: 2000
  - model: llama0-7b
    slo-tpot: 150
    slo-ttft: 1500
""",
}
VARIANT: Final = """
apiVersion: llmd.ai/v1alpha1
kind: VariantAutoscaling
metadata:
  name: ms-inference-scheduling-llm-d-modelservice-decode
  namespace: llm-d-sim
  labels: {inference.optimization/acceleratorName: H100}
spec:
  modelID: "Qwen/Qwen3-0.6B"
  sloClassRef: {name: premium-slo, key: opt-125m}
  modelProfile:
    accelerators:
      - {acc: A100, accCount: 1, alpha: "20.58", beta: "0.41", maxBatchSize: 4}
      - {acc: H100, accCount: 1, alpha: "20.58", beta: "0.41", maxBatchSize: 4}
      - {acc: MI300X, accCount: 1, alpha: "7.77", beta: "0.15", maxBatchSize: 4}
      - {acc: G2, accCount: 1, alpha: "17.15", beta: "0.34", maxBatchSize: 4}
"""


def at(seconds: float) -> str:
    """An RFC 3339 time, seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def a_variant_json(name: str = SEED_NAME, *, namespace: str = SEED_NAMESPACE, **spec: Any) -> Raw:  # noqa: ANN401
    """The seed's VariantAutoscaling; keywords replace parts of its spec."""
    raw: Raw = yaml.safe_load(VARIANT)
    raw["metadata"] |= {"name": name, "namespace": namespace, "resourceVersion": "1"}
    raw["spec"] |= spec
    return raw


def a_deployment_json(
    name: str = SEED_NAME,
    *,
    namespace: str = SEED_NAMESPACE,
    labels: Mapping[str, str] | None = None,
    replicas: int = 1,
    args: Sequence[str] = (SEED_MODEL, "--port", "8200"),
    tolerations: Sequence[Raw] = (),
) -> Raw:
    """The seed's Deployment; its pods' labels are its own name's unless they are given."""
    labels = dict(labels or {**POD_LABELS, "deployment": name})
    container = {"name": "vllm", "image": "vllm", "command": ["vllm", "serve"], "args": list(args)}
    return {
        "metadata": {"name": name, "namespace": namespace, "resourceVersion": "1"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "tolerations": list(tolerations)},
            },
        },
    }


def a_leader_worker_set_json(
    name: str = SEED_NAME, *, size: int = 2, replicas: int = 1, args: Sequence[str] = ()
) -> Raw:
    """A LeaderWorkerSet whose leaders have a template of their own."""

    def template(*words: str, tolerations: Sequence[Raw] = ()) -> Raw:
        container = {"name": "vllm", "image": "vllm", "args": list(words)}
        return {"metadata": {}, "spec": {"containers": [container], "tolerations": list(tolerations)}}

    return {
        "metadata": {"name": name, "namespace": SEED_NAMESPACE, "resourceVersion": "1"},
        "spec": {
            "replicas": replicas,
            "leaderWorkerTemplate": {
                "size": size,
                "leaderTemplate": template(*args),
                "workerTemplate": template(tolerations=[{"key": "gpu", "operator": "Exists"}]),
            },
        },
    }


def a_pod_of_a_group_json(group: int, place: int, *, name: str = SEED_NAME, **pod: Any) -> Raw:  # noqa: ANN401
    """A pod of a LeaderWorkerSet; the leader's place is 0."""
    prefix = "leaderworkerset.sigs.k8s.io"
    labels = {
        f"{prefix}/name": name,
        f"{prefix}/group-index": str(group),
        f"{prefix}/worker-index": str(place),
    }
    raw = a_pod_json(f"{name}-{group}" + (f"-{place}" if place else ""), labels=labels, **pod)
    owner = f"{name}-{group}" if place else name
    raw["metadata"]["ownerReferences"] = [
        {"kind": "StatefulSet", "name": owner, "uid": "1", "controller": True}
    ]
    return raw


def a_pod_json(
    name: str,
    *,
    namespace: str = SEED_NAMESPACE,
    deployment: str = SEED_NAME,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    node: str | None = "n1",
    ip: str | None = "10.0.0.1",
    phase: str = "Running",
    gpus: Mapping[str, str] | None = None,
    created_at: float = 0,
    ready_at: float | None = 30,
    args: Sequence[str] = (),
    ports: Sequence[Raw] = (),
) -> Raw:
    """A ready pod of the seed's Deployment that holds one GPU."""
    conditions = [{"type": "Ready", "status": "False"}]
    if ready_at is not None:
        conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": at(ready_at)}]
    requests = {"nvidia.com/gpu": "1"} if gpus is None else dict(gpus)
    container = {
        "name": "vllm",
        "image": "vllm",
        "args": list(args),
        "ports": list(ports),
        "resources": {"requests": requests},
    }
    owner = {"kind": "ReplicaSet", "name": f"{deployment}-5d9", "uid": "1", "controller": True}
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "resourceVersion": "1",
            "labels": dict(labels or {**POD_LABELS, "deployment": deployment}),
            "annotations": dict(annotations or {}),
            "creationTimestamp": at(created_at),
            "ownerReferences": [owner],
        },
        "spec": {"nodeName": node, "containers": [container]},
        "status": {"phase": phase, "podIP": ip, "conditions": conditions},
    }


def a_node_json(
    name: str = "n1",
    *,
    allocatable: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    ready: bool = True,
    unschedulable: bool = False,
    taints: Sequence[str] = (),
) -> Raw:
    """A node with eight H100. Taints as kubectl writes them: "key=value:effect"."""
    default = {"nvidia.com/gpu.product": H100_DEVICE, "nvidia.com/gpu.memory": "81559"}
    return {
        "metadata": {
            "name": name,
            "resourceVersion": "1",
            "labels": dict(default if labels is None else labels),
        },
        "spec": {"unschedulable": unschedulable, "taints": [a_taint_json(taint) for taint in taints]},
        "status": {
            "allocatable": dict(allocatable or {"cpu": "64", "nvidia.com/gpu": "8"}),
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def a_taint_json(text: str) -> Raw:
    """A taint from "key=value:effect"."""
    pair, _, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    return {"key": key, "value": value, "effect": effect}


def a_service_json(name: str = "vllm-service", *, target_port: int | str = 8200, **selector: str) -> Raw:
    """The seed's Service."""
    return {
        "metadata": {"name": name, "namespace": SEED_NAMESPACE, "resourceVersion": "1"},
        "spec": {"selector": selector or {"app": "vllm"}, "ports": [{"port": 80, "targetPort": target_port}]},
    }


def a_config_map_json(name: str, data: Mapping[str, str]) -> Raw:
    """A ConfigMap of the autoscaler's namespace."""
    return {"metadata": {"name": name, "namespace": NAMESPACE, "resourceVersion": "1"}, "data": dict(data)}


def a_view(
    *,
    variants: Sequence[Raw] | None = None,
    deployments: Sequence[Raw] | None = None,
    stateful_sets: Sequence[Raw] = (),
    leader_worker_sets: Sequence[Raw] = (),
    unread: Mapping[str, str] | None = None,
    pods: Sequence[Raw] | None = None,
    nodes: Sequence[Raw] | None = None,
    services: Sequence[Raw] = (),
) -> ClusterView:
    """A view as the caches would give it: what cannot be parsed is in `malformed`."""
    malformed: dict[str, dict[tuple[str, str], str]] = {}

    def read(kind: str, parse: Any, objects: Sequence[Raw]) -> dict[tuple[str, str], Any]:  # noqa: ANN401
        parsed = {}
        for raw in objects:
            key = raw["metadata"].get("namespace", ""), raw["metadata"]["name"]
            try:
                parsed[key] = parse(raw)
            except MalformedObjectError as error:
                malformed.setdefault(kind, {})[key] = str(error)
        return parsed

    workloads = [
        *read(
            "Deployment", parse_workload, [a_deployment_json()] if deployments is None else deployments
        ).values(),
        *read("StatefulSet", parse_stateful_set, stateful_sets).values(),
        *read("LeaderWorkerSet", parse_leader_worker_set, leader_worker_sets).values(),
    ]
    return ClusterView(
        nodes=read("Node", parse_node, [a_node_json()] if nodes is None else nodes),
        pods=read("Pod", parse_placed_pod, [a_pod_json("p-0")] if pods is None else pods),
        workloads={found.key: found for found in workloads},
        unread=unread or {},
        services=read("Service", parse_service, services),
        variants=read(
            "VariantAutoscaling",
            parse_variant_autoscaling,
            [a_variant_json()] if variants is None else variants,
        ),
        config_maps={
            name: parse_config_map(a_config_map_json(name, data))
            for name, data in (("accelerator-unit-costs", COSTS), ("service-classes-config", CLASSES))
        },
        malformed=malformed,
    )


def the_catalogue() -> Catalogue:
    """The seed's."""
    return read_catalogue(COSTS, CLASSES, Catalogue())
