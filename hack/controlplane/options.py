"""What a control plane can be told when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_DEVICE = "NVIDIA-H100-80GB-HBM3"


@dataclass(frozen=True, slots=True)
class Options:
    """`services` (`namespace/name`) become reachable on free ports, see `ControlPlane.service_url`.

    `mapped`: the same on ports of your choice. `port`: the API server's; 0 takes a free one. Not `workloads`:
    nothing acts on Deployments and HPAs.
    """

    nodes: int = 4
    gpus: int = 8
    device: str = DEFAULT_DEVICE
    pools: tuple[str, ...] = ()
    startup_seconds: float = 3.0
    emulator_variables: Mapping[str, str] = field(default_factory=dict)
    services: tuple[str, ...] = ()
    mapped: Mapping[str, int] = field(default_factory=dict)
    node_ports: bool = False
    hpa_sync_seconds: float = 2.0
    pods: bool = True
    workloads: bool = True
    monitoring: bool = True
    port: int = 0
    log_level: str = "info"
