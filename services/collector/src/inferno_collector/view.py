"""The cluster as it was known at one moment: plain copies of the caches, so that the rest can be pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from inferno_collector.inventory.claims import ResourceClaim, ResourceSlice
from inferno_collector.workloads import ScaledWorkload, WorkloadKey
from inferno_shared.kubernetes import ConfigMap, Node, Pod, Service, VariantAutoscaling

Key = tuple[str, str]
"""(namespace, name); the namespace is "" for what is cluster-wide."""


@dataclass(frozen=True, slots=True)
class ClusterView:
    """Objects by key. `malformed` has, by kind, the objects that could not be read and why.

    `unread` says of a kind of workload why none of it is known. `slices` and `claims` are empty in a cluster
    without dynamic resource allocation.
    """

    nodes: Mapping[Key, Node] = field(default_factory=dict)
    pods: Mapping[Key, Pod] = field(default_factory=dict)
    workloads: Mapping[WorkloadKey, ScaledWorkload] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    slices: Mapping[Key, ResourceSlice] = field(default_factory=dict)
    claims: Mapping[Key, ResourceClaim] = field(default_factory=dict)
    services: Mapping[Key, Service] = field(default_factory=dict)
    variants: Mapping[Key, VariantAutoscaling] = field(default_factory=dict)
    config_maps: Mapping[str, ConfigMap] = field(default_factory=dict)
    malformed: Mapping[str, Mapping[Key, str]] = field(default_factory=dict)

    def config(self, name: str) -> Mapping[str, str] | None:
        """Data of a ConfigMap of our namespace; None when there is none."""
        config_map = self.config_maps.get(name)
        return None if config_map is None else config_map.data
