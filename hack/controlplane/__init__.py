"""A real Kubernetes control plane on this machine: etcd, API server, controllers, Prometheus and Thanos.

    with running_control_plane(folder) as plane:      # plane.kubeconfig, .kubectl(...), .thanos_url, ...
        ...

Nodes and pods are those of `devcluster`: GPU nodes on which every pod is a vLLM emulator's process.
"""

from controlplane.options import Options
from controlplane.plane import ControlPlane
from controlplane.start import running_control_plane

__all__ = ["ControlPlane", "Options", "running_control_plane"]
