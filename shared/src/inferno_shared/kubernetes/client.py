"""A thin Kubernetes client: raw JSON in and out, a timeout and an error that helps on every call."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from inferno_shared.errors import ConflictError, GoneError, KubernetesError, NotFoundError, UnreachableError
from inferno_shared.kubernetes.connection import configured_api
from inferno_shared.kubernetes.failures import Operation, failure
from inferno_shared.kubernetes.patching import merge_patch
from inferno_shared.kubernetes.resources import Resource
from inferno_shared.kubernetes.transport import (
    JSON,
    MERGE_PATCH,
    Answer,
    ApiClientTransport,
    Request,
    Timeout,
    Transport,
    TransportError,
    TransportTimeoutError,
)
from inferno_shared.kubernetes.watching import SilentWatchError, WatchEvent, decode_event, lines

JsonObject = dict[str, Any]
Query = Sequence[tuple[str, str]]
T = TypeVar("T")

PAGE_ITEMS = 500
LIST_RESTARTS = 3
STATUS_ATTEMPTS = 5
WATCH_SILENCE_SECONDS = 90.0
FIRST_ERROR = 400


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """Every object of a list, and the version to watch from."""

    items: list[T]
    resource_version: str


class KubernetesClient:
    """Get, list, watch, write. Every failure is a `KubernetesError` naming verb, resource and namespace."""

    def __init__(
        self,
        transport: Transport,
        *,
        request_timeout_seconds: float = 10,
        page_items: int = PAGE_ITEMS,
    ) -> None:
        self._transport = transport
        self._timeout = Timeout(request_timeout_seconds, request_timeout_seconds, request_timeout_seconds)
        self._page_items = page_items

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, *, kubeconfig: str | None = None, request_timeout_seconds: float = 10
    ) -> AsyncIterator[Self]:
        """Connect to the cluster of `kubeconfig`, $KUBECONFIG, ~/.kube/config or the pod, in that order.

        Raises ConfigurationError when there is none; an API server that is down shows at the first call.
        """
        transport = ApiClientTransport(await configured_api(kubeconfig))
        try:
            yield cls(transport, request_timeout_seconds=request_timeout_seconds)
        finally:
            await transport.close()

    async def get(
        self, resource: Resource, name: str, namespace: str | None = None, *, subresource: str | None = None
    ) -> JsonObject:
        """Return one object, or one of its subresources. Raises NotFoundError."""
        operation = Operation("get", resource, namespace, name, subresource)
        return await self._call(operation, "GET", resource.path(namespace, name, subresource))

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Listing[JsonObject]:
        """Return all objects, read in pages; starts over when the server forgets the page (410)."""
        return await self.list_as(
            lambda raw: raw, resource, namespace, label_selector=label_selector, field_selector=field_selector
        )

    async def list_as(
        self,
        convert: Callable[[JsonObject], T],
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Listing[T]:
        """Return what `convert` makes of all objects, so that no more than a page of them is held raw.

        An object may be converted more than once: reading starts over when the server forgets the page (410).
        """
        operation = Operation("list", resource, namespace)
        selectors = _selectors(label_selector, field_selector)
        for _ in range(LIST_RESTARTS):
            try:
                return await self._pages(convert, operation, resource.path(namespace), selectors)
            except GoneError:
                continue
        # The collection changes faster than we read its pages: one page holds all of it.
        whole = await self._call(operation, "GET", resource.path(namespace), query=selectors)
        return Listing([convert(raw) for raw in _items(whole, operation)], _resource_version(whole))

    async def create(self, resource: Resource, body: JsonObject, namespace: str | None = None) -> JsonObject:
        """Create an object. Raises ConflictError when it exists."""
        operation = Operation("create", resource, namespace)
        return await self._call(operation, "POST", resource.path(namespace), body=body)

    async def replace(
        self,
        resource: Resource,
        body: JsonObject,
        name: str,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
    ) -> JsonObject:
        """Write a whole object. Raises ConflictError when its resourceVersion is not the current one."""
        operation = Operation("update", resource, namespace, name, subresource)
        return await self._call(operation, "PUT", resource.path(namespace, name, subresource), body=body)

    async def merge_patch(
        self,
        resource: Resource,
        patch: JsonObject,
        name: str,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
    ) -> JsonObject:
        """Apply an RFC 7396 merge patch; with `metadata.resourceVersion` in it, only to that version."""
        operation = Operation("patch", resource, namespace, name, subresource)
        path = resource.path(namespace, name, subresource)
        return await self._call(operation, "PATCH", path, body=patch, content_type=MERGE_PATCH)

    async def delete(self, resource: Resource, name: str, namespace: str | None = None) -> None:
        """Delete an object. Raises NotFoundError."""
        operation = Operation("delete", resource, namespace, name)
        await self._call(operation, "DELETE", resource.path(namespace, name))

    async def raw_get(self, path: str) -> JsonObject:
        """Return the JSON at `path` (with its query), such as an aggregated API."""
        return await self._call(Operation("get", path=path.partition("?")[0]), "GET", path)

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_seconds: int = 300,
        silence_seconds: float = WATCH_SILENCE_SECONDS,
        on_open: Callable[[], None] | None = None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield changes after `resource_version` until the server ends the watch (about `timeout_seconds`).

        `on_open` is called once the server has accepted the watch. Raises GoneError when the version is too
        old, and SilentWatchError when nothing arrives for `silence_seconds`.
        """
        operation = Operation("watch", resource, namespace)
        query = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", resource_version),
            ("timeoutSeconds", str(timeout_seconds)),
            *_selectors(label_selector, field_selector),
        ]
        timeout = Timeout(self._timeout.connect_seconds, silence_seconds)
        request = Request("GET", resource.path(namespace), timeout, query)
        opened = False
        try:
            async with self._transport.send(request) as answer:
                await _raise_for_status(answer, operation)
                opened = True
                if on_open is not None:
                    on_open()
                async with aclosing(lines(answer.chunks(), operation)) as stream:
                    async for line in stream:
                        yield decode_event(line, operation)
        except TransportTimeoutError as error:
            silent = SilentWatchError if opened else UnreachableError
            raise silent(f"{operation}: {error}") from error
        except TransportError as error:
            raise UnreachableError(f"{operation}: {error}") from error

    async def update_status(
        self,
        resource: Resource,
        name: str,
        namespace: str,
        change: Callable[[JsonObject], JsonObject | None],
    ) -> bool:
        """Write the status that `change` makes of the current object; whether anything was written.

        `change` returns the whole new status, or None to leave it. Only the difference is sent, bound to the
        version that was read; on a conflict the object is read again. An object that is gone is no error.
        Raises ConflictError when others win five times in a row.
        """
        for attempt in range(1, STATUS_ATTEMPTS + 1):
            try:
                current = await self.get(resource, name, namespace)
                status = change(current)
                if status is None:
                    return False
                difference = merge_patch(current.get("status") or {}, status)
                if not difference:
                    return False
                version = current["metadata"]["resourceVersion"]
                patch = {"metadata": {"resourceVersion": version}, "status": difference}
                await self.merge_patch(resource, patch, name, namespace, subresource="status")
            except NotFoundError:
                return False
            except ConflictError:
                if attempt == STATUS_ATTEMPTS:
                    raise
            else:
                return True
        return False

    async def _pages(
        self, convert: Callable[[JsonObject], T], operation: Operation, path: str, selectors: Query
    ) -> Listing[T]:
        items: list[T] = []
        query = [*selectors, ("limit", str(self._page_items))]
        while True:
            page = await self._call(operation, "GET", path, query=query)
            items += map(convert, _items(page, operation))
            following = (page.get("metadata") or {}).get("continue")
            if not following:
                return Listing(items, _resource_version(page))
            query = [*selectors, ("limit", str(self._page_items)), ("continue", following)]

    async def _call(
        self,
        operation: Operation,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: Mapping[str, Any] | None = None,
        content_type: str = JSON,
    ) -> JsonObject:
        request = Request(method, path, self._timeout, query, body, content_type)
        try:
            async with self._transport.send(request) as answer:
                await _raise_for_status(answer, operation)
                content = await answer.read()
        except TransportError as error:
            raise UnreachableError(f"{operation}: {error}") from error
        return _decode(content, operation)


def _decode(content: bytes, operation: Operation) -> JsonObject:
    try:
        decoded = json.loads(content)
    except ValueError as error:
        raise KubernetesError(f"{operation}: the answer is not JSON: {content[:100]!r}") from error
    if not isinstance(decoded, dict):
        raise KubernetesError(f"{operation}: the answer is not a JSON object: {content[:100]!r}")
    return decoded


async def _raise_for_status(answer: Answer, operation: Operation) -> None:
    if answer.status < FIRST_ERROR:
        return
    content = await answer.read()
    try:
        decoded = json.loads(content)
        message = str(decoded["message"])
    except (ValueError, KeyError, TypeError):
        message = content.decode(errors="replace").strip()
    raise failure(operation, answer.status, message, answer.headers)


def _selectors(label_selector: str | None, field_selector: str | None) -> list[tuple[str, str]]:
    pairs = (("labelSelector", label_selector), ("fieldSelector", field_selector))
    return [(key, value) for key, value in pairs if value]


def _items(page: JsonObject, operation: Operation) -> list[JsonObject]:
    items = page.get("items") or []
    if not isinstance(items, list):
        raise KubernetesError(f"{operation}: the answer has no list of items")
    return items


def _resource_version(page: JsonObject) -> str:
    return str((page.get("metadata") or {}).get("resourceVersion") or "")
