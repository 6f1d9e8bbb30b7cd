"""The ASGI application: each request meets the faults and the access policy, then its handler.

api = create_api()          # an ASGI app; `api.resources` is the way in for tests in the same process
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from devcluster.apiserver.beyond.aggregation import Aggregation
from devcluster.apiserver.beyond.pod_access import UPGRADED, PodAccess
from devcluster.apiserver.beyond.upstream import Upstream
from devcluster.apiserver.control import endpoints
from devcluster.apiserver.control.access import Access, Attributes
from devcluster.apiserver.control.faults import Faults
from devcluster.apiserver.discovery.documents import Documents
from devcluster.apiserver.kinds.addresses import ServiceAddresses
from devcluster.apiserver.kinds.builtin_types import BUILTIN_TYPES
from devcluster.apiserver.kinds.installation import Installation
from devcluster.apiserver.objects.garbage import GarbageCollector
from devcluster.apiserver.objects.resource_types import Registry, ResourceType
from devcluster.apiserver.objects.resources import Resources
from devcluster.apiserver.objects.status import ApiError, method_not_allowed, unknown_path
from devcluster.apiserver.objects.store import Store
from devcluster.apiserver.objects.watch import Watches
from devcluster.apiserver.web import reviews
from devcluster.apiserver.web.answers import error_response
from devcluster.apiserver.web.reading import Reader
from devcluster.apiserver.web.request import ResourcePath, flag, parse_resource_path
from devcluster.apiserver.web.subresources import Subresources
from devcluster.apiserver.web.writing import Writer

Handler: TypeAlias = Callable[[Request, ResourceType, ResourcePath], Awaitable[Response]]

_WRITE_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class ApiServer:
    """A Kubernetes API in memory, as an ASGI application."""

    def __init__(
        self,
        *,
        history_size: int,
        bookmark_seconds: float,
        service_network: str,
        clock: Callable[[], datetime],
    ) -> None:
        self.registry = Registry()
        self.registry.register(BUILTIN_TYPES)
        # Milliseconds, so that no start gives out a version that an earlier one did.
        first_version = int(clock().timestamp() * 1000)
        self.store = Store(history_size=history_size, first_version=first_version)
        self.resources = Resources(self.store, self.registry, clock)
        self.resources.preparations["services"] = ServiceAddresses(self.store, service_network).prepare
        self.watches = Watches(self.store, bookmark_seconds=bookmark_seconds)
        self._collector = GarbageCollector(self.resources, self._schedule_collection)
        self._collection_due = False
        self._faults, self._access, self._upstream = Faults(), Access(), Upstream()
        self._aggregation = Aggregation(self.resources, self._upstream, clock)
        self._control = endpoints.Control(self.store, self.watches, self._faults, self._access)
        self._documents = Documents(self.registry, self._aggregation)
        self._reader = Reader(self.resources, self.watches, clock)
        self._handlers = self._subresource_handlers()
        self._writer = Writer(self.resources, self._reader)
        self._reviews = reviews.Reviews(self._access)
        self._background: asyncio.Task[None] | None = None
        self._collector.start()
        Installation(self.resources).install()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan of the ASGI server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            response = await self._answer(Request(scope, receive))
            await response(scope, receive, send)

    async def close(self) -> None:
        """End all watches and connections."""
        self.watches.close()
        if self._background is not None:
            self._background.cancel()
            with suppress(asyncio.CancelledError):
                await self._background
            self._background = None
        await self._upstream.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._background = asyncio.create_task(self._aggregation.run())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, request: Request) -> Response:
        try:
            path = request.url.path
            if path.startswith(endpoints.PREFIX):
                return await self._control.answer(request)
            await self._suffer(request)
            if request.method in {"GET", "HEAD"} and (document := self._documents.answer(request)):
                return document
            return await self._answer_resource(request, parse_resource_path(path))
        except ApiError as error:
            return error_response(error)

    async def _suffer(self, request: Request) -> None:
        """Wait and fail as the faults in force want it."""
        query = request.url.query
        fault = self._faults.hit(request.method, f"{request.url.path}?{query}" if query else request.url.path)
        if fault is None:
            return
        await asyncio.sleep(fault.delay_seconds)
        error = fault.error()
        if error is not None:
            raise error

    async def _answer_resource(self, request: Request, path: ResourcePath) -> Response:
        self._access.check_request(request.headers.get("authorization", ""), _attributes(request, path))
        if backend := self._aggregation.serves(path.group, path.version):
            return await self._aggregation.forward(request, backend)
        resource = self.registry.find(path.group, path.version, path.plural)
        if resource is None or (path.namespace and not resource.namespaced):
            raise unknown_path()
        if resource.group in reviews.GROUPS:
            return await self._reviews.create(request, resource, path)
        if path.subresource:
            if path.subresource not in resource.subresources:
                raise unknown_path()
            if handler := self._handlers.get(path.subresource):
                return await handler(request, resource, path)
        return await self._answer_object(request, resource, path)

    async def _answer_object(self, request: Request, resource: ResourceType, path: ResourcePath) -> Response:
        method = request.method
        if method in {"GET", "HEAD"}:
            return self._reader.read(request, resource, path)
        if not path.name:
            if method == "POST":
                return await self._writer.create(request, resource, path)
            if method == "DELETE":
                return await self._writer.delete_collection(request, resource, path)
        elif method == "PUT":
            return await self._writer.replace(request, resource, path)
        elif method == "PATCH":
            return await self._writer.patch(request, resource, path)
        elif method == "DELETE" and not path.subresource:
            return await self._writer.delete(request, resource, path)
        raise method_not_allowed()

    def _subresource_handlers(self) -> dict[str, Handler]:
        pods, others = PodAccess(self.resources, self._upstream), Subresources(self.resources, self._access)
        return {
            "log": pods.logs,
            "proxy": pods.proxy,
            **dict.fromkeys(UPGRADED, pods.refuse_stream),
            "scale": others.scale,
            "binding": others.bind,
            "eviction": others.evict,
            "token": others.issue_token,
            "finalize": others.finalize,
        }

    def _schedule_collection(self) -> None:
        """Collect garbage soon, but not inside of the write that made it."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._collector.collect()  # a test without an event loop sees the result at once
            return
        if not self._collection_due:
            self._collection_due = True
            loop.call_soon(self._collect)

    def _collect(self) -> None:
        self._collection_due = False
        self._collector.collect()


def create_api(
    *,
    history_size: int = 10_000,
    bookmark_seconds: float = 60,
    service_network: str = "127.96.0.0/16",
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> ApiServer:
    """An empty cluster's API.

    Args:
        history_size: how many changes per resource a watch can go back before it gets 410 Gone.
        bookmark_seconds: how often an idle watch that asked for bookmarks gets one.
        service_network: where cluster addresses of Services come from.
        clock: the current time, with its zone.
    """
    return ApiServer(
        history_size=history_size,
        bookmark_seconds=bookmark_seconds,
        service_network=service_network,
        clock=clock,
    )


def _attributes(request: Request, path: ResourcePath) -> Attributes:
    verb = _WRITE_VERBS.get(request.method)
    if verb is None:
        verb = "watch" if flag(request, "watch") else "get" if path.name else "list"
    elif verb == "delete" and not path.name:
        verb = "deletecollection"
    resource = f"{path.plural}/{path.subresource}" if path.subresource else path.plural
    return Attributes(verb, path.group, resource, path.namespace, path.name)
