"""What the loop reads of the cluster, from caches: the VariantAutoscalings and the ConfigMap's interval.

A value that cannot be used is reported and the last good one stays in force.
"""

import asyncio
from collections.abc import Callable, Hashable, Mapping
from typing import Final

import structlog

from inferno_actuator.durations import parse_interval_seconds
from inferno_actuator.known import Key, KnownVariant
from inferno_shared.contracts import Problem
from inferno_shared.kubernetes import (
    CONFIG_MAPS,
    VARIANT_AUTOSCALINGS,
    ConfigMap,
    KubernetesClient,
    ResourceCache,
    VariantAutoscaling,
    parse_config_map,
    parse_variant_autoscaling,
)

SETTINGS_CONFIG_MAP: Final = "inferno-autoscaler-variantautoscaling-config"
INTERVAL_KEY: Final = "GLOBAL_OPT_INTERVAL"
WATCHED_CONFIG_MAPS: Final = (SETTINGS_CONFIG_MAP, "accelerator-unit-costs", "service-classes-config")

log = structlog.stdlib.get_logger(__name__)


class Cluster:
    """Caches of what the loop depends on.

    Args:
        client: reads the API server.
        namespace: where the ConfigMaps are.
        default_interval_seconds: until the ConfigMap says otherwise.
        on_write: called after any change of a watched object.
    """

    def __init__(
        self,
        client: KubernetesClient,
        *,
        namespace: str,
        default_interval_seconds: float,
        on_write: Callable[[], None],
    ) -> None:
        self._namespace = namespace
        self._variants: ResourceCache[VariantAutoscaling] = ResourceCache(
            client, VARIANT_AUTOSCALINGS, parse_variant_autoscaling, on_change=on_write
        )
        self._config_maps: ResourceCache[ConfigMap] = ResourceCache(
            client, CONFIG_MAPS, parse_config_map, namespace=namespace, on_change=on_write
        )
        self._interval_seconds = default_interval_seconds
        self._interval_text: str | None = None
        self._interval_problem: Problem | None = None

    async def run(self) -> None:
        """Keep the caches current until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._variants.run())
            group.create_task(self._config_maps.run())

    async def wait_until_synced(self, timeout_seconds: float) -> None:
        """Return once everything was read. Raises UnreachableError with the reason after the timeout."""
        await self._variants.wait_until_synced(timeout_seconds)
        await self._config_maps.wait_until_synced(timeout_seconds)

    @property
    def synced(self) -> bool:
        """Whether everything was read at least once."""
        return self._variants.synced and self._config_maps.synced

    def problems(self) -> list[Problem]:
        """What keeps the caches from being current, and what could not be used of them."""
        caches = (("VariantAutoscalings", self._variants), ("ConfigMaps", self._config_maps))
        found = [
            Problem(subject=what, reason="NotFollowed", message=f"{what} are not followed: {cache.problem}")
            for what, cache in caches
            if cache.problem
        ]
        return [*found, self._interval_problem] if self._interval_problem else found

    def known(self) -> Mapping[Key, KnownVariant]:
        """Every VariantAutoscaling that is not on its way out, readable or not."""
        found = {
            key: KnownVariant(
                namespace=it.metadata.namespace,
                name=it.metadata.name,
                uid=it.metadata.uid,
                generation=it.metadata.generation,
                status=it.status,
            )
            for key, it in self._variants.objects.items()
            if not it.metadata.deleting
        }
        for (namespace, name), message in self._variants.malformed.items():
            found[namespace, name] = KnownVariant(namespace=namespace, name=name, malformed=message)
        return found

    def interval_seconds(self) -> float:
        """How often the loop runs, as the ConfigMap says now; the last usable value when it says nonsense."""
        text = self._config(SETTINGS_CONFIG_MAP).get(INTERVAL_KEY)
        if text is None or text == self._interval_text:
            return self._interval_seconds
        self._interval_text = text
        try:
            self._interval_seconds = parse_interval_seconds(text)
            self._interval_problem = None
        except ValueError as error:
            self._interval_problem = Problem(
                subject=f"ConfigMap {self._namespace}/{SETTINGS_CONFIG_MAP}",
                reason="InvalidConfiguration",
                message=f"{INTERVAL_KEY}: {error}; {self._interval_seconds:g} s stays in force",
            )
            log.warning("interval not usable", why=self._interval_problem.message)
        return self._interval_seconds

    def fingerprint(self) -> Hashable:
        """What a plan depends on and people change: variants' specs and labels, ConfigMaps' content."""
        variants = frozenset(
            (key, it.metadata.uid, it.metadata.generation, it.metadata.deleting, _items(it.metadata.labels))
            for key, it in self._variants.objects.items()
        )
        malformed = frozenset(self._variants.malformed.items())
        config_maps = tuple(_items(self._config(name)) for name in WATCHED_CONFIG_MAPS)
        return variants, malformed, config_maps

    def _config(self, name: str) -> Mapping[str, str]:
        config_map = self._config_maps.objects.get((self._namespace, name))
        return config_map.data if config_map else {}


def _items(mapping: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(mapping.items())
