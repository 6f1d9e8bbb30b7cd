"""A transport with a small cluster behind it: lists, and watches that deliver what a test puts there."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from inferno_shared.kubernetes import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NODES,
    PODS,
    SERVICES,
    VARIANT_AUTOSCALINGS,
    KubernetesClient,
    Resource,
)
from inferno_shared.kubernetes.transport import Answer, Request, TransportError
from unit.collector.worlds import (
    CLASSES,
    COSTS,
    Raw,
    a_config_map_json,
    a_deployment_json,
    a_node_json,
    a_pod_json,
    a_variant_json,
)


class ClusterAnswer:
    """A body, and for a watch the events that follow it."""

    def __init__(
        self, status: int, body: Raw | None, events: asyncio.Queue[Raw | None] | None = None
    ) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {}
        self._body = body
        self._events = events

    async def read(self) -> bytes:
        return json.dumps(self._body).encode()

    async def chunks(self) -> AsyncIterator[bytes]:
        while self._events is not None:
            event = await self._events.get()
            if event is None:
                raise TransportError("the connection was cut")
            yield json.dumps(event).encode() + b"\n"


class ClusterApi:
    """The seed's world. `forbidden` plurals may not be read; `down` refuses, `hung` never answers."""

    def __init__(self) -> None:
        self.objects: dict[str, list[Raw]] = {
            NODES.plural: [a_node_json()],
            PODS.plural: [a_pod_json("p-0")],
            DEPLOYMENTS.plural: [a_deployment_json()],
            SERVICES.plural: [],
            VARIANT_AUTOSCALINGS.plural: [a_variant_json()],
            CONFIG_MAPS.plural: [
                a_config_map_json("accelerator-unit-costs", COSTS),
                a_config_map_json("service-classes-config", CLASSES),
            ],
        }
        self.forbidden: set[str] = set()
        self.down = False
        self.hung: asyncio.Event | None = None
        self.requests: list[Request] = []
        self._watches: dict[str, list[asyncio.Queue[Raw | None]]] = {}
        self._version = 1

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[KubernetesClient]:
        yield KubernetesClient(self)

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[Answer]:
        self.requests.append(request)
        if self.down:
            raise TransportError("connection refused")
        plural = request.path.rpartition("/")[2]
        if self.hung is not None:
            await self.hung.wait()
        if plural == "version":
            yield ClusterAnswer(200, {"gitVersion": "v1.36.0"})
        elif plural not in self.objects:
            yield ClusterAnswer(404, {"kind": "Status", "code": 404, "message": "not found"})
        elif plural in self.forbidden:
            yield ClusterAnswer(403, {"kind": "Status", "code": 403, "message": "forbidden"})
        elif ("watch", "true") in request.query or ("watch", "1") in request.query:
            events: asyncio.Queue[Raw | None] = asyncio.Queue()
            self._watches.setdefault(plural, []).append(events)
            yield ClusterAnswer(200, None, events)
        else:
            metadata = {"resourceVersion": str(self._version)}
            selective = any(key == "labelSelector" for key, _ in request.query)
            items = [] if selective else self.objects[plural]
            yield ClusterAnswer(200, {"metadata": metadata, "items": items})

    async def close(self) -> None:
        return None

    def put(self, resource: Resource, raw: Raw) -> None:
        """Change or add an object and tell the watches."""
        self._version += 1
        raw["metadata"]["resourceVersion"] = str(self._version)
        same = [o for o in self.objects[resource.plural] if o["metadata"]["name"] == raw["metadata"]["name"]]
        for old in same:
            self.objects[resource.plural].remove(old)
        self.objects[resource.plural].append(raw)
        self._tell(resource, {"type": "MODIFIED" if same else "ADDED", "object": raw})

    def cut_watches(self) -> None:
        """End every watch; nothing is to be reached afterwards."""
        self.down = True
        for queues in self._watches.values():
            for queue in queues:
                queue.put_nowait(None)

    def configure(self, **data: str) -> None:
        """Write the autoscaler's own ConfigMap."""
        self.put(CONFIG_MAPS, a_config_map_json("inferno-autoscaler-variantautoscaling-config", data))

    def _tell(self, resource: Resource, event: Raw) -> None:
        for queue in self._watches.get(resource.plural, []):
            queue.put_nowait(event)
