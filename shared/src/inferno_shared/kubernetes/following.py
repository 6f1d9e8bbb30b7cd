"""Follows a namespaced collection everywhere, or only in the namespaces that an account may read."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

from inferno_shared.kubernetes.cache import Key, ResourceCache
from inferno_shared.kubernetes.client import JsonObject, KubernetesClient
from inferno_shared.kubernetes.resources import Resource

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class FollowedCollection(Protocol[T_co]):
    """What readers see of a cache: see ResourceCache."""

    @property
    def objects(self) -> Mapping[Key, T_co]:
        """The current objects."""
        ...

    @property
    def malformed(self) -> Mapping[Key, str]:
        """The objects that could not be read, and why."""
        ...

    @property
    def synced(self) -> bool:
        """Whether all of it was read at least once."""
        ...

    @property
    def problem(self) -> str | None:
        """Why it is not followed at present; None when it is."""
        ...

    def stale_seconds(self, now: float) -> float:
        """How long changes may have been missed."""
        ...

    async def wait_until_synced(self, timeout_seconds: float) -> None:
        """Return once all of it was read. Raises UnreachableError."""
        ...

    async def run(self) -> None:
        """Follow until cancelled."""
        ...


class NamespacesCache(Generic[T]):
    """One ResourceCache per namespace, read as one. It is as stale, and as unsynced, as the worst of them."""

    def __init__(self, caches: Sequence[ResourceCache[T]]) -> None:
        self._caches = tuple(caches)

    @property
    def objects(self) -> Mapping[Key, T]:
        """The current objects of all namespaces."""
        return MappingProxyType({key: it for cache in self._caches for key, it in cache.objects.items()})

    @property
    def malformed(self) -> Mapping[Key, str]:
        """The objects that could not be read, and why."""
        return MappingProxyType({key: why for cache in self._caches for key, why in cache.malformed.items()})

    @property
    def synced(self) -> bool:
        """Whether every namespace was read at least once."""
        return all(cache.synced for cache in self._caches)

    @property
    def problem(self) -> str | None:
        """The first namespace's reason for not being followed."""
        return next((cache.problem for cache in self._caches if cache.problem is not None), None)

    def stale_seconds(self, now: float) -> float:
        """How long the namespace that is worst off may have missed changes."""
        return max(cache.stale_seconds(now) for cache in self._caches)

    async def wait_until_synced(self, timeout_seconds: float) -> None:
        """Return once every namespace was read. Raises UnreachableError with the reason after the timeout."""
        await asyncio.gather(*(cache.wait_until_synced(timeout_seconds) for cache in self._caches))

    async def run(self) -> None:
        """Follow all namespaces until cancelled."""
        async with asyncio.TaskGroup() as group:
            for cache in self._caches:
                group.create_task(cache.run())


def follow(
    client: KubernetesClient,
    resource: Resource,
    parse: Callable[[JsonObject], T],
    *,
    namespaces: Sequence[str] = (),
    **options: Any,  # noqa: ANN401 - those of ResourceCache
) -> FollowedCollection[T]:
    """A cache of the collection in these namespaces; none: in all."""
    if not namespaces or not resource.namespaced:
        return ResourceCache(client, resource, parse, **options)
    return NamespacesCache(
        [ResourceCache(client, resource, parse, namespace=it, **options) for it in namespaces]
    )
