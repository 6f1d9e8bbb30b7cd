"""Light models of the objects that we read: only the fields in use, frozen, quick to parse from raw JSON.

Every `parse_*` function raises MalformedObjectError naming the field, and nothing else.
"""

from inferno_shared.kubernetes.models.metadata import Metadata, OwnerReference, parse_metadata
from inferno_shared.kubernetes.models.nodes import Node, Taint, parse_node
from inferno_shared.kubernetes.models.pods import Container, ContainerPort, Pod, PodTemplate, parse_pod
from inferno_shared.kubernetes.models.quantities import quantity
from inferno_shared.kubernetes.models.variants import (
    AcceleratorProfile,
    ScaleTargetRef,
    SloClassRef,
    VariantAutoscaling,
    VariantSpec,
    parse_variant_autoscaling,
)
from inferno_shared.kubernetes.models.workloads import (
    ConfigMap,
    Deployment,
    LabelSelector,
    Requirement,
    Service,
    ServicePort,
    parse_config_map,
    parse_deployment,
    parse_service,
)

__all__ = [
    "AcceleratorProfile",
    "ConfigMap",
    "Container",
    "ContainerPort",
    "Deployment",
    "LabelSelector",
    "Metadata",
    "Node",
    "OwnerReference",
    "Pod",
    "PodTemplate",
    "Requirement",
    "ScaleTargetRef",
    "Service",
    "ServicePort",
    "SloClassRef",
    "Taint",
    "VariantAutoscaling",
    "VariantSpec",
    "parse_config_map",
    "parse_deployment",
    "parse_metadata",
    "parse_node",
    "parse_pod",
    "parse_service",
    "parse_variant_autoscaling",
    "quantity",
]
