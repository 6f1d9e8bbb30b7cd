"""The Kubernetes API in memory, good enough for a real kubectl and for the client libraries of our services.

    async with running_api() as cluster:      # cluster.url, cluster.kubeconfig, cluster.api
        ...

`python -m devcluster.apiserver --port 0 --kubeconfig-out FILE` runs it as a program.
"""

from devcluster.apiserver.app import ApiServer, create_api
from devcluster.apiserver.server import RunningApi, running_api, write_kubeconfig

__all__ = ["ApiServer", "RunningApi", "create_api", "running_api", "write_kubeconfig"]
