"""Requests that end at a pod: its logs, by way of its node's kubelet, and plain HTTP through `proxy`."""

from starlette.requests import Request
from starlette.responses import Response

from devcluster.apiserver.beyond.upstream import Target, Upstream
from devcluster.apiserver.objects.json_types import JsonObject, dig
from devcluster.apiserver.objects.resource_types import ResourceType
from devcluster.apiserver.objects.resources import Resources
from devcluster.apiserver.objects.status import bad_request, not_found, service_unavailable
from devcluster.apiserver.web.request import ResourcePath, flag

_KUBELET_PORT = 10250

UPGRADED = ("portforward", "exec", "attach")
"""Subresources that need a connection in both directions (SPDY or WebSocket)."""


class PodAccess:
    """Answers requests on pods/log, pods/proxy and services/proxy."""

    def __init__(self, resources: Resources, upstream: Upstream) -> None:
        self._resources = resources
        self._upstream = upstream

    async def logs(self, request: Request, resource: ResourceType, path: ResourcePath) -> Response:
        """The log of a container, as the kubelet of its node serves it; with `follow` until the pod ends.

        Raises:
            ApiError: 400, 404 or 503.
        """
        pod = self._resources.get(resource, path.namespace, path.name).document
        container = _container(pod, request.query_params.get("container"))
        node = dig(pod, "spec", "nodeName")
        if not node:
            raise bad_request(f"pod {path.name} does not have a host assigned")
        target = Target(f"https://{self._kubelet(node)}")
        where = f"/containerLogs/{path.namespace}/{path.name}/{container}"
        return await self._upstream.forward(request, target, where, endless=flag(request, "follow"))

    async def proxy(self, request: Request, resource: ResourceType, path: ResourcePath) -> Response:
        """Plain HTTP to `NAME:PORT` of a pod or a Service.

        Raises:
            ApiError: 400, 404 or 503.
        """
        scheme, name, port = _proxied(path.name)
        document = self._resources.get(resource, path.namespace, name).document
        if resource.plural == "pods":
            host, ports = dig(document, "status", "podIP"), dig(document, "spec", "containers", 0, "ports")
            default = dig(ports, 0, "containerPort")
        else:
            host, ports = dig(document, "spec", "clusterIP"), dig(document, "spec", "ports") or []
            default = next(
                (item["port"] for item in ports if item.get("name") == port), dig(ports, 0, "port")
            )
        if not host:
            raise service_unavailable(f"{resource.plural} {name!r} has no address yet")
        number = int(port) if port.isdigit() else default
        target = Target(f"{scheme}://{host}:{number}")
        return await self._upstream.forward(request, target, f"/{path.rest}", endless=True)

    async def refuse_stream(self, request: Request, resource: ResourceType, path: ResourcePath) -> Response:
        """Say what to do instead: pods are processes of this machine, reached at their own address.

        Raises:
            ApiError: 400, always; 404 when there is no such pod.
        """
        del request
        pod = self._resources.get(resource, path.namespace, path.name).document
        address = dig(pod, "status", "podIP") or "its status.podIP"
        proxied = f"/api/v1/namespaces/{path.namespace}/pods/{path.name}:PORT/proxy/"
        raise bad_request(
            f"the development cluster does not serve {path.subresource}: its pods are processes of this "
            f"machine; reach this one at http://{address}:PORT, or by kubectl get --raw {proxied}"
        )

    def _kubelet(self, node: str) -> str:
        found = self._resources.store.get("nodes", ("", node))
        if found is None:
            raise not_found("nodes", node)
        addresses = dig(found.document, "status", "addresses") or []
        address = next((item["address"] for item in addresses if item.get("type") == "InternalIP"), None)
        if address is None:
            raise service_unavailable(f"no preferred addresses found for node {node}; known addresses: []")
        port = dig(found.document, "status", "daemonEndpoints", "kubeletEndpoint", "Port")
        return f"{address}:{port or _KUBELET_PORT}"


def _container(pod: JsonObject, asked: str | None) -> str:
    spec, name = pod["spec"], pod["metadata"]["name"]
    names = [container["name"] for container in spec["containers"]]
    others = [container["name"] for container in spec.get("initContainers") or ()]
    if asked is None:
        if len(names) == 1:
            return str(names[0])
        raise bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]"
        )
    if asked not in {*names, *others}:
        raise bad_request(f"container {asked} is not valid for pod {name}")
    return asked


def _proxied(name: str) -> tuple[str, str, str]:
    """Scheme, name and port of a proxied name: NAME, NAME:PORT or SCHEME:NAME:PORT."""
    match name.split(":"):
        case [alone]:
            return "http", alone, ""
        case [named, port]:
            return "http", named, port
        case [scheme, named, port]:
            return scheme or "http", named, port
    raise bad_request(f"invalid service or pod reference {name!r}; it must be [SCHEME:]NAME[:PORT]")
