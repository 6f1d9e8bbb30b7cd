"""A local copy of a collection, kept current by list and watch: no decision waits for the API server.

It resumes from the last version that it saw, lists again when that version is too old (410), waits between
failures with exponential back-off and jitter, and always knows how stale it is and why.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar

import structlog

from inferno_shared.errors import (
    GoneError,
    KubernetesError,
    MalformedObjectError,
    NotFoundError,
    UnavailableError,
    UnreachableError,
)
from inferno_shared.kubernetes.backoff import Backoff
from inferno_shared.kubernetes.client import JsonObject, KubernetesClient
from inferno_shared.kubernetes.resources import Resource
from inferno_shared.kubernetes.watching import SilentWatchError, WatchEvent

T = TypeVar("T")
Key = tuple[str, str]

WATCH_SECONDS = 300
SHORT_WATCH_SECONDS = 1.0
MISSING_API_SECONDS = 5.0
"""Longest wait for a collection that the server does not know: its CRD may be applied any moment."""

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Read(Generic[T]):
    """An object of the server: parsed, at fault, or `known` already in this version."""

    key: Key
    version: str
    parsed: T | None = None
    fault: str | None = None
    known: bool = False


class ResourceCache(Generic[T]):
    """Parsed objects by (namespace, name); cluster-scoped ones by ("", name).

    An object that `parse` refuses is in `malformed` with the reason, not in `objects`, and stops no other.
    `on_change` is called after each change that a reader could see.
    """

    def __init__(
        self,
        client: KubernetesClient,
        resource: Resource,
        parse: Callable[[JsonObject], T],
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        on_change: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._resource = resource
        self._parse = parse
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._on_change = on_change
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._sleep = sleep
        self._objects: dict[Key, T] = {}
        self._malformed: dict[Key, str] = {}
        self._versions: dict[Key, str] = {}
        self._resource_version: str | None = None
        self._synced = asyncio.Event()
        self._connected = False
        self._progressed = False
        self._last_contact: float | None = None
        self._problem: str | None = "not read yet"
        self._advised = False

    @property
    def objects(self) -> Mapping[Key, T]:
        """The current objects: a live, read-only view."""
        return MappingProxyType(self._objects)

    @property
    def malformed(self) -> Mapping[Key, str]:
        """The objects that could not be read, and why."""
        return MappingProxyType(self._malformed)

    @property
    def synced(self) -> bool:
        """Whether the collection was read at least once."""
        return self._synced.is_set()

    @property
    def problem(self) -> str | None:
        """Why the cache is not following the API server at present; None when it is."""
        return self._problem

    def stale_seconds(self, now: float) -> float:
        """How long the cache may have missed changes, by its own clock: 0 while it is following."""
        if self._connected:
            return 0.0
        return math.inf if self._last_contact is None else max(0.0, now - self._last_contact)

    async def wait_until_synced(self, timeout_seconds: float) -> None:
        """Return after the first complete list. Raises UnreachableError with the reason after the timeout."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._synced.wait()
        except TimeoutError as error:
            raise UnreachableError(
                f"{self._resource.plural} were not read within {timeout_seconds:g} s: {self._problem}"
            ) from error

    async def run(self) -> None:
        """Follow the collection until cancelled."""
        try:
            while True:
                delay_seconds = await self._follow()
                if delay_seconds:
                    await self._sleep(delay_seconds)
        finally:
            self._connected = False

    async def _follow(self) -> float:
        """List if needed and watch once; return how long to wait before the next time."""
        started = self._clock()
        self._progressed = False
        failure: KubernetesError | None = None
        try:
            if self._resource_version is None:
                await self._read_all()
            await self._watch(self._resource_version or "")
        except GoneError as error:
            log.info("watch too old, listing again", resource=self._resource.plural, reason=str(error))
            self._resource_version = None
        except SilentWatchError:
            log.debug("watch silent, resuming", resource=self._resource.plural)
        except KubernetesError as error:
            self._lost(error)
            failure = error
        lasted = self._connected and self._clock() - started >= SHORT_WATCH_SECONDS
        if self._problem is None and (self._progressed or lasted):
            self._backoff.reset()
            return 0.0
        return self._wait_seconds(failure)

    def _wait_seconds(self, failure: KubernetesError | None) -> float:
        """The back-off, or what the server advises.

        A server that begins to advise has come to itself, as it does while the storage of a new CRD is made
        ready: what was waited for it before does not count.
        """
        advised_seconds = (isinstance(failure, UnavailableError) and failure.retry_after_seconds) or 0.0
        if advised_seconds and not self._advised:
            self._backoff.reset()
        self._advised = advised_seconds > 0
        delay_seconds = max(self._backoff.next_seconds(), advised_seconds)
        return (
            min(delay_seconds, MISSING_API_SECONDS) if isinstance(failure, NotFoundError) else delay_seconds
        )

    async def _read_all(self) -> None:
        listing = await self._client.list_as(
            self._read,
            self._resource,
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
        )
        present = {read.key for read in listing.items}
        changed = [self._forget(key) for key in list(self._versions) if key not in present]
        changed += [self._store(read) for read in listing.items]
        self._resource_version = listing.resource_version
        self._heard()
        first = not self._synced.is_set()
        self._synced.set()
        if first or any(changed):
            self._notify()

    async def _watch(self, resource_version: str) -> None:
        """Follow changes until the server ends the watch."""
        stream = self._client.watch(
            self._resource,
            self._namespace,
            resource_version=resource_version,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            timeout_seconds=WATCH_SECONDS,
            on_open=self._opened,
        )
        async with aclosing(stream):
            async for event in stream:
                self._heard()
                self._progressed = True
                self._apply(event)
        self._heard()

    def _opened(self) -> None:
        self._connected = True
        self._heard()

    def _apply(self, event: WatchEvent) -> None:
        version = event.resource_version or self._resource_version
        if _went_back(self._resource_version, version):
            raise GoneError(f"the server's versions went back from {self._resource_version} to {version}")
        self._resource_version = version
        if event.type == "BOOKMARK":
            return
        changed = (
            self._forget(_key(event.object))
            if event.type == "DELETED"
            else self._store(self._read(event.object))
        )
        if changed:
            self._notify()

    def _read(self, raw: JsonObject) -> _Read[T]:
        """Parse an object, unless it is the one that we have."""
        key = _key(raw)
        version = str((raw.get("metadata") or {}).get("resourceVersion") or "")
        if version and self._versions.get(key) == version:
            return _Read(key, version, known=True)
        try:
            return _Read(key, version, parsed=self._parse(raw))
        except MalformedObjectError as error:
            return _Read(key, version, fault=str(error))

    def _store(self, read: _Read[T]) -> bool:
        if read.known and self._versions.get(read.key) == read.version:
            return False
        self._versions[read.key] = read.version
        self._objects.pop(read.key, None)
        self._malformed.pop(read.key, None)
        if read.fault is not None:
            self._malformed[read.key] = read.fault
        elif read.parsed is not None:
            self._objects[read.key] = read.parsed
        return True

    def _forget(self, key: Key) -> bool:
        known = self._versions.pop(key, None) is not None
        self._objects.pop(key, None)
        self._malformed.pop(key, None)
        return known

    def _heard(self) -> None:
        self._last_contact = self._clock()
        if self._problem is not None and self._synced.is_set():
            log.info("following again", resource=self._resource.plural)
        self._problem = None

    def _lost(self, error: KubernetesError) -> None:
        """Remember why; anything but a connection failure casts doubt on our version, so list again."""
        self._connected = False
        if not isinstance(error, UnreachableError | UnavailableError):
            self._resource_version = None
        if str(error) != self._problem:
            log.warning("not following", resource=self._resource.plural, reason=str(error))
        self._problem = str(error)

    def _notify(self) -> None:
        if self._on_change is not None:
            self._on_change()


def _went_back(before: str | None, after: str | None) -> bool:
    """Whether the server was restored to an earlier state, in which our version means something else."""
    if before is None or after is None or not (before.isdecimal() and after.isdecimal()):
        return False
    return int(after) < int(before)


def _key(raw: JsonObject) -> Key:
    metadata = raw.get("metadata") or {}
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
