"""GET: one object, a page of a list, or a watch."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from devcluster.apiserver.objects.resource_types import ResourceType
from devcluster.apiserver.objects.resources import Resources
from devcluster.apiserver.objects.selectors import Matcher, matcher
from devcluster.apiserver.objects.status import expired
from devcluster.apiserver.objects.store import HistoryLostError, StoredObject
from devcluster.apiserver.objects.watch import Watches, WatchOptions
from devcluster.apiserver.web.answers import Answers, Page, parse_continue_token
from devcluster.apiserver.web.request import ResourcePath, flag, number

_DEFAULT_WATCH_SECONDS = 30 * 60


class StreamedAnswer(Response):
    """An endless answer that ends with its source or when the client goes away, whichever is first."""

    def __init__(self, lines: AsyncIterator[bytes], media_type: str = "application/json") -> None:
        super().__init__(media_type=media_type)
        del self.headers["content-length"]
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until either side ends."""
        del scope
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send_lines(send))
        leaving = asyncio.create_task(_wait_for_disconnect(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send_lines(self, send: Send) -> None:
        async for line in self._lines:
            await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Reader:
    """Answers GET requests on resources."""

    def __init__(self, resources: Resources, watches: Watches, clock: Callable[[], datetime]) -> None:
        self._resources = resources
        self._watches = watches
        self._clock = clock

    def read(self, request: Request, resource: ResourceType, path: ResourcePath) -> Response:
        """One object when the path names one, else a list or a watch.

        Raises:
            ApiError: 400, 404, 406 or 410.
        """
        answers = Answers(request, resource, self._clock())
        if path.name and not flag(request, "watch"):
            return answers.one(self._resources.get(resource, path.namespace, path.name))
        matches = _matcher_of(request, path)
        if flag(request, "watch"):
            return self._watch(request, resource, path, matches)
        return answers.page(self._page(request, resource, path, matches))

    def select(self, request: Request, resource: ResourceType, path: ResourcePath) -> list[StoredObject]:
        """All objects that a request on a collection is about."""
        matches = _matcher_of(request, path)
        objects = self._resources.store.listed(resource.collection, path.namespace or None)
        return [stored for stored in objects if matches is None or matches(stored.document)]

    def _page(
        self, request: Request, resource: ResourceType, path: ResourcePath, matches: Matcher | None
    ) -> Page:
        """A page of the present objects.

        Later pages show the present too, but name the first page's version, so a watch that starts there
        repeats, and never misses, what changed between the pages.
        """
        store = self._resources.store
        version, start = store.version, None
        if token := request.query_params.get("continue"):
            version, start = parse_continue_token(token)
            try:
                store.check_history(resource.collection, version)
            except HistoryLostError as error:
                raise expired(
                    "The provided continue parameter is too old to display a consistent list result. "
                    "You must start a new list without the continue parameter."
                ) from error
        limit = number(request, "limit") or 0
        found: list[StoredObject] = []
        remaining, next_key = 0, None
        for stored in store.listed(resource.collection, path.namespace or None):
            if (start and stored.key < start) or (matches and not matches(stored.document)):
                continue
            if limit and len(found) == limit:
                next_key = next_key or stored.key
                remaining += 1
            else:
                found.append(stored)
        return Page(found, version, next_key, remaining)

    def _watch(
        self, request: Request, resource: ResourceType, path: ResourcePath, matches: Matcher | None
    ) -> Response:
        since = number(request, "resourceVersion")
        timeout_seconds = number(request, "timeoutSeconds")
        options = WatchOptions(
            namespace=path.namespace or None,
            since=since or None,
            matches=matches,
            bookmarks=flag(request, "allowWatchBookmarks"),
            timeout_seconds=timeout_seconds or _DEFAULT_WATCH_SECONDS,
            send_initial_events=flag(request, "sendInitialEvents"),
        )

        def encode(stored: StoredObject, first: bool) -> bytes:  # noqa: FBT001 - the shape of an encoder
            return Answers(request, resource, self._clock()).encode(stored, first)

        return StreamedAnswer(self._watches.stream(resource, options, encode))


def _matcher_of(request: Request, path: ResourcePath) -> Matcher | None:
    field_selector = request.query_params.get("fieldSelector") or ""
    if path.name:
        field_selector = f"metadata.name={path.name}"
    return matcher(request.query_params.get("labelSelector"), field_selector)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
