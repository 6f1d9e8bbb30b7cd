"""Builders of the kubelet tests: the seed's vLLM pod and a node of 8 H100 by default."""

from datetime import UTC, datetime, timedelta
from typing import Any

from devcluster.kubelet.nodes import NodePool, node_object, node_status
from devcluster.kubelet.pods import ScheduledPod, parse_scheduled_pod
from inferno_shared.kubernetes import Node, parse_node

START = datetime(2025, 9, 4, 18, 0, tzinfo=UTC)
H100 = "NVIDIA-H100-80GB-HBM3"


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def a_container(name: str = "vllm", **changes: object) -> dict[str, Any]:
    return {
        "name": name,
        "image": "ghcr.io/llm-d/llm-d:v0.2.0",
        "command": ["vllm", "serve"],
        "args": ["Qwen/Qwen3-0.6B", "--port", "8200"],
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
        **changes,
    }


def a_raw_pod(
    name: str = "decode-0",
    *,
    node: str | None = "gpu-node-0",
    gpus: int = 1,
    containers: list[dict[str, Any]] | None = None,
    status: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    **spec: object,
) -> dict[str, Any]:
    container = a_container(resources={"limits": {"nvidia.com/gpu": str(gpus)}} if gpus else {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "llm-d-sim", "name": name, "uid": f"uid-{name}", **(metadata or {})},
        "spec": {
            **({"nodeName": node} if node else {}),
            "containers": [container] if containers is None else containers,
            **spec,
        },
        "status": status or {},
    }


def a_pod(name: str = "decode-0", **changes: Any) -> ScheduledPod:  # noqa: ANN401 - passed on
    return parse_scheduled_pod(a_raw_pod(name, **changes))


def a_node(name: str = "gpu-node-0", *, gpus: int = 8, **spec: object) -> Node:
    pool = NodePool(1, gpus, H100)
    raw = node_object(name, pool)
    status = node_status(raw, pool, address="127.0.0.1", kubelet_port=10250, now=START)
    return parse_node({**raw, "spec": spec, "status": status})
