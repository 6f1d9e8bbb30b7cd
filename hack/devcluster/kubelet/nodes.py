"""The nodes that this kubelet is: how many, with which devices, and how they are described to the API."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from devcluster.controllers.conditions import Condition, merged, rfc3339
from inferno_shared.errors import ConfigurationError
from inferno_shared.kubernetes import JsonObject

NOT_READY_TAINT = "node.kubernetes.io/not-ready"
KUBELET_VERSION = "v1.36.3"
_POOL = re.compile(r"^(?P<nodes>\d+)x(?P<gpus>\d+):(?P<device>\S+)$")
_MEMORY_MIB: Mapping[str, int] = {
    "NVIDIA-H100-80GB-HBM3": 81559,
    "NVIDIA-A100-PCIE-80GB": 81920,
    "NVIDIA-A100-SXM4-80GB": 81920,
    "NVIDIA-L40S": 46068,
    "AMD-MI300X-192GB": 196608,
    "Intel-Gaudi-2-96GB": 98304,
}


@dataclass(frozen=True, slots=True)
class Vendor:
    """The resource of a vendor's devices and the labels in which its device plugin describes them."""

    resource: str
    product_label: str
    memory_label: str
    count_label: str


NVIDIA = Vendor("nvidia.com/gpu", "nvidia.com/gpu.product", "nvidia.com/gpu.memory", "nvidia.com/gpu.count")
AMD = Vendor("amd.com/gpu", "amd.com/gpu.product-name", "amd.com/gpu.memory", "amd.com/gpu.count")
HABANA = Vendor(
    "habana.ai/gaudi", "habana.ai/gaudi.product", "habana.ai/gaudi.memory", "habana.ai/gaudi.count"
)


@dataclass(frozen=True, slots=True)
class NodePool:
    """Equal nodes: 4 with 8 NVIDIA-H100-80GB-HBM3 each, say."""

    nodes: int
    gpus: int
    device: str

    @property
    def vendor(self) -> Vendor:
        """Whose devices they are, by their name."""
        name = self.device.lower()
        if name.startswith(("amd", "mi")):
            return AMD
        if "gaudi" in name or name.startswith(("intel", "habana", "hl-")):
            return HABANA
        return NVIDIA


def parse_pool(text: str) -> NodePool:
    """Read `4x8:NVIDIA-H100-80GB-HBM3`."""
    match = _POOL.match(text)
    if match is None:
        raise ConfigurationError(
            f"node pool {text!r} must be NODESxGPUS:DEVICE, such as 4x8:NVIDIA-H100-80GB-HBM3"
        )
    return NodePool(int(match["nodes"]), int(match["gpus"]), match["device"])


def node_object(name: str, pool: NodePool) -> JsonObject:
    """One Node with its labels; its status is written apart."""
    vendor = pool.vendor
    memory = _MEMORY_MIB.get(pool.device)
    devices = {
        vendor.product_label: pool.device,
        vendor.count_label: str(pool.gpus),
        **({vendor.memory_label: str(memory)} if memory else {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "node-role.kubernetes.io/worker": "",
                **(devices if pool.gpus else {}),
            },
        },
        "spec": {},
    }


def node_status(
    current: JsonObject, pool: NodePool | None, *, address: str, kubelet_port: int, now: datetime
) -> JsonObject:
    """The status of a node that is up; an adopted node (`pool` None) keeps the resources that it has."""
    status: JsonObject = current.get("status") or {}
    ready = Condition("Ready", holds=True, reason="KubeletReady", message="kubelet is posting ready status")
    conditions = merged(status.get("conditions") or (), [ready], now)
    for condition in conditions:
        if condition["type"] == "Ready":
            condition["lastHeartbeatTime"] = rfc3339(now)
    resources = {"cpu": "64", "memory": "512Gi", "pods": "250", "ephemeral-storage": "1Ti"}
    if pool is not None and pool.gpus:
        resources[pool.vendor.resource] = str(pool.gpus)
    return {
        **status,
        "capacity": resources if pool else status.get("capacity") or resources,
        "allocatable": resources if pool else status.get("allocatable") or resources,
        "conditions": conditions,
        # No Hostname address: an API server would look it up in DNS before it tries the IP.
        "addresses": [{"type": "InternalIP", "address": address}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet_port}},
        "nodeInfo": {
            **(status.get("nodeInfo") or {}),
            "kubeletVersion": KUBELET_VERSION,
            "containerRuntimeVersion": "emulated://1.0",
            "operatingSystem": "linux",
            "architecture": "amd64",
            "osImage": "vLLM emulator",
            "kernelVersion": "none",
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
            "kubeProxyVersion": "",
        },
    }


def taints_to_keep(node: JsonObject) -> list[JsonObject] | None:
    """The taints without not-ready, which admission gives to new nodes; None if nothing is to be removed."""
    taints = (node.get("spec") or {}).get("taints") or []
    kept = [taint for taint in taints if taint.get("key") != NOT_READY_TAINT]
    return kept if len(kept) != len(taints) else None
