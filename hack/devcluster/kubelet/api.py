"""The two calls of a node that are no plain verb on an object: binding a pod, and removing it for good."""

from dataclasses import dataclass

from inferno_shared.errors import NotFoundError
from inferno_shared.kubernetes import PODS, JsonObject, KubernetesClient, Resource


@dataclass(frozen=True, slots=True)
class _RemovedAtOnce(Resource):
    """Pods, whose deletion by path carries the grace period of a kubelet that has already stopped them."""

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        return f"{PODS.path(namespace, name, subresource)}?gracePeriodSeconds=0"


_PODS_AT_ONCE = _RemovedAtOnce("", "v1", "pods", "Pod")


async def bind(client: KubernetesClient, namespace: str, pod: str, uid: str, node: str) -> None:
    """Assign a pod to a node: `POST pods/NAME/binding`. Raises ConflictError when it is assigned already."""
    bindings = Resource("", "v1", f"pods/{pod}/binding", "Binding")
    body: JsonObject = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod, "namespace": namespace, "uid": uid},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }
    await client.create(bindings, body, namespace)


async def remove(client: KubernetesClient, namespace: str, pod: str) -> None:
    """Take a stopped pod out of the API; one that is gone already is no error."""
    try:
        await client.delete(_PODS_AT_ONCE, pod, namespace)
    except NotFoundError:
        return
