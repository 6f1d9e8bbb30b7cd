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
    """The seed's world. `forbidden` plurals may not be read; `down` refuses, `hung` never answers.

    `failing` is a status that everything is answered with.
    """

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
        self.failing: int | None = None
        self.hung: asyncio.Event | None = None
        self.requests: list[Request] = []
        self._watches: dict[str, list[asyncio.Queue[Raw | None]]] = {}
        self._told: list[tuple[str, int, Raw]] = []
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
        if self.failing is not None:
            yield ClusterAnswer(self.failing, {"kind": "Status", "code": self.failing, "message": "not now"})
        elif plural == "version":
            yield ClusterAnswer(200, {"gitVersion": "v1.36.0"})
        elif plural not in self.objects:
            yield ClusterAnswer(404, {"kind": "Status", "code": 404, "message": "not found"})
        elif plural in self.forbidden:
            yield ClusterAnswer(403, {"kind": "Status", "code": 403, "message": "forbidden"})
        elif ("watch", "true") in request.query or ("watch", "1") in request.query:
            events: asyncio.Queue[Raw | None] = asyncio.Queue()
            since = int(next(value for key, value in request.query if key == "resourceVersion"))
            for told, version, event in self._told:
                if told == plural and version > since:
                    events.put_nowait(event)
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

    def take(self, resource: Resource, name: str) -> None:
        """Delete an object and tell the watches."""
        self._version += 1
        [found] = [o for o in self.objects[resource.plural] if o["metadata"]["name"] == name]
        self.objects[resource.plural].remove(found)
        metadata = found["metadata"] | {"resourceVersion": str(self._version)}
        self._tell(resource, {"type": "DELETED", "object": found | {"metadata": metadata}})

    def cut_watches(self, failing: int | None = None) -> None:
        """End every watch; afterwards nothing is to be reached, or all is answered with a status."""
        self.down, self.failing = failing is None, failing
        for queues in self._watches.values():
            for queue in queues:
                queue.put_nowait(None)
        self._watches.clear()

    def expire(self) -> None:
        """End every watch with 410: what it would go on from is forgotten. Nobody hears of changes before."""
        status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
        self._told.clear()
        for plural in list(self._watches):
            for queue in self._watches.pop(plural):
                queue.put_nowait({"type": "ERROR", "object": status})

    def mend(self) -> None:
        """Answer everything again."""
        self.down, self.failing = False, None

    def restore(self, objects: Mapping[str, list[Raw]]) -> None:
        """Make everything as it was, and tell the watches."""
        for resource in (NODES, PODS, DEPLOYMENTS, SERVICES, VARIANT_AUTOSCALINGS, CONFIG_MAPS):
            names = {raw["metadata"]["name"] for raw in objects[resource.plural]}
            for name in {raw["metadata"]["name"] for raw in self.objects[resource.plural]} - names:
                self.take(resource, name)
            for raw in objects[resource.plural]:
                self.put(resource, raw)

    def configure(self, **data: str) -> None:
        """Write the autoscaler's own ConfigMap."""
        self.put(CONFIG_MAPS, a_config_map_json("inferno-autoscaler-variantautoscaling-config", data))

    def _tell(self, resource: Resource, event: Raw) -> None:
        self._told.append((resource.plural, self._version, event))
        for queue in self._watches.get(resource.plural, []):
            queue.put_nowait(event)
