"""Follows what the collector needs of the cluster: collections that are listed once and then watched."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from inferno_collector.discovery import OptionalCollections
from inferno_collector.inventory.claims import (
    RESOURCE_CLAIMS,
    RESOURCE_SLICES,
    parse_resource_claim,
    parse_resource_slice,
)
from inferno_collector.inventory.placement import parse_placed_pod
from inferno_collector.pulse import ApiPulse
from inferno_collector.reasons import Reason
from inferno_collector.view import ClusterView
from inferno_collector.workloads import LEADER_WORKER_SETS, PARSERS, STATEFUL_SETS
from inferno_shared.contracts import Problem
from inferno_shared.kubernetes import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NODES,
    PODS,
    SERVICES,
    VARIANT_AUTOSCALINGS,
    FollowedCollection,
    JsonObject,
    KubernetesClient,
    Resource,
    follow,
    parse_config_map,
    parse_node,
    parse_service,
    parse_variant_autoscaling,
)

# Finished pods hold no device and serve nothing: the API server need not send them.
_UNFINISHED = "status.phase!=Succeeded,status.phase!=Failed"


class Cluster:
    """The caches. `version` grows with every change that a reader could see."""

    def __init__(
        self,
        client: KubernetesClient,
        *,
        namespace: str,
        watch_namespaces: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self.version = 0

        def cache(
            resource: Resource,
            parse: Callable[[JsonObject], Any],
            *,
            namespaces: Sequence[str] = watch_namespaces,
            field_selector: str | None = None,
        ) -> FollowedCollection[Any]:
            return follow(
                client,
                resource,
                parse,
                namespaces=namespaces,
                field_selector=field_selector,
                on_change=self._changed,
                clock=clock,
            )

        self._nodes = cache(NODES, parse_node)
        self._pods = cache(PODS, parse_placed_pod, field_selector=_UNFINISHED)
        self._workloads = {resource: cache(resource, parse) for resource, parse in PARSERS.items()}
        self._services = cache(SERVICES, parse_service)
        self._variants = cache(VARIANT_AUTOSCALINGS, parse_variant_autoscaling)
        self._config_maps = cache(CONFIG_MAPS, parse_config_map, namespaces=[namespace])
        self._slices = cache(RESOURCE_SLICES, parse_resource_slice)
        self._claims = cache(RESOURCE_CLAIMS, parse_resource_claim)
        devices = (RESOURCE_SLICES, self._slices), (RESOURCE_CLAIMS, self._claims)
        self._sets = {
            resource.kind: OptionalCollections(
                client, [(resource, self._workloads[resource])], watch_namespaces, what=resource.plural
            )
            for resource in (STATEFUL_SETS, LEADER_WORKER_SETS)
        }
        self._devices = OptionalCollections(
            client, devices, watch_namespaces, what="devices of dynamic resource allocation"
        )
        self._pulse = ApiPulse(client, clock=clock)

    async def run(self) -> None:
        """Follow all collections until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _, cache in self._caches():
                group.create_task(cache.run())
            for optional in self._optional():
                group.create_task(optional.run())
            group.create_task(self._pulse.run())

    def not_synced(self) -> list[str]:
        """The collections that were never read, each with the reason."""
        return [
            *(
                f"{resource.plural}: {cache.problem}"
                for resource, cache in self._caches()
                if not cache.synced
            ),
            *(reason for optional in self._optional() for reason in optional.not_synced()),
        ]

    def seconds_behind(self) -> Iterator[tuple[str, float]]:
        """For each collection how long ago the API server was last heard; 0 while it is followed."""
        now = self._clock()
        silent = self._pulse.silent_seconds(now)
        return ((resource.plural, max(cache.stale_seconds(now), silent)) for resource, cache in self._all())

    def view(self) -> ClusterView:
        """Copies of everything, and which collections are not followed at present."""
        caches = list(self._all())
        return ClusterView(
            nodes=dict(self._nodes.objects),
            pods=dict(self._pods.objects),
            workloads={
                found.key: found for cache in self._workloads.values() for found in cache.objects.values()
            },
            unread={kind: found.reason for kind, found in self._sets.items() if found.reason is not None},
            slices=dict(self._slices.objects),
            claims=dict(self._claims.objects),
            services=dict(self._services.objects),
            variants=dict(self._variants.objects),
            config_maps={name: config_map for (_, name), config_map in self._config_maps.objects.items()},
            malformed={resource.kind: dict(cache.malformed) for resource, cache in caches},
        )

    def problems(self) -> list[Problem]:
        """Lost watches, or a server that hangs: what a snapshot says of the cluster may be old."""
        now = self._clock()
        lost = [
            Problem(
                subject=f"Watch {resource.plural}",
                reason=Reason.WATCH_LOST,
                message=f"not followed for {cache.stale_seconds(now):.0f} s: {cache.problem}",
            )
            for resource, cache in self._all()
            if cache.problem is not None
        ]
        silence = self._pulse.problem(now)
        if lost or silence is None:
            return lost
        return [Problem(subject="API server", reason=Reason.WATCH_LOST, message=silence)]

    def _changed(self) -> None:
        self.version += 1

    def _caches(self) -> Iterator[tuple[Resource, FollowedCollection[Any]]]:
        yield NODES, self._nodes
        yield PODS, self._pods
        yield DEPLOYMENTS, self._workloads[DEPLOYMENTS]
        yield SERVICES, self._services
        yield VARIANT_AUTOSCALINGS, self._variants
        yield CONFIG_MAPS, self._config_maps

    def _all(self) -> Iterator[tuple[Resource, FollowedCollection[Any]]]:
        yield from self._caches()
        for optional in self._optional():
            yield from optional.followed

    def _optional(self) -> Iterator[OptionalCollections]:
        yield from self._sets.values()
        yield self._devices
