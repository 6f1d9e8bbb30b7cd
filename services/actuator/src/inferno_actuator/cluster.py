"""What the loop reads of the cluster, from caches: the VariantAutoscalings and the ConfigMap's interval.

A value that cannot be used is reported and the last good one stays in force.
"""

import asyncio
import contextlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final

from inferno_actuator.durations import parse_interval_seconds, parse_window_seconds
from inferno_actuator.known import Key, KnownVariant
from inferno_actuator.live import LiveValue
from inferno_actuator.modes import MODE_ANNOTATION, mode_of
from inferno_actuator.rails import RailLimits, Step, parse_share, parse_step
from inferno_actuator.ties import OWNED_ANNOTATION, tie_in_place, tie_of
from inferno_shared.contracts import Problem
from inferno_shared.errors import UnreachableError
from inferno_shared.kubernetes import (
    CONFIG_MAPS,
    HORIZONTAL_POD_AUTOSCALERS,
    VARIANT_AUTOSCALINGS,
    ConfigMap,
    FollowedCollection,
    KubernetesClient,
    ResourceCache,
    VariantAutoscaling,
    follow,
    parse_config_map,
    parse_variant_autoscaling,
)
from inferno_shared.kubernetes.autoscalers import (
    HorizontalPodAutoscaler,
    parse_horizontal_pod_autoscaler,
)

SETTINGS_CONFIG_MAP: Final = "inferno-autoscaler-variantautoscaling-config"
INTERVAL_KEY: Final = "GLOBAL_OPT_INTERVAL"
STEP_UP_KEY: Final = "MAX_SCALE_UP"
STEP_DOWN_KEY: Final = "MAX_SCALE_DOWN"
STABILIZATION_KEY: Final = "SCALE_DOWN_STABILIZATION"
MARGIN_KEY: Final = "SCALE_DOWN_MARGIN"
WATCHED_CONFIG_MAPS: Final = (SETTINGS_CONFIG_MAP, "accelerator-unit-costs", "service-classes-config")
_DEFAULTS: Final = RailLimits()


class Cluster:
    """Caches of what the loop depends on.

    Args:
        client: reads the API server.
        namespace: where the ConfigMaps are.
        watch_namespaces: where VariantAutoscalings and HPAs are followed; none: everywhere.
        default_interval_seconds: until the ConfigMap says otherwise.
        on_write: called after any change of a watched object.
    """

    def __init__(
        self,
        client: KubernetesClient,
        *,
        namespace: str,
        watch_namespaces: Sequence[str] = (),
        default_interval_seconds: float,
        on_write: Callable[[], None],
    ) -> None:
        self._namespace = namespace
        self._variants: FollowedCollection[VariantAutoscaling] = follow(
            client,
            VARIANT_AUTOSCALINGS,
            parse_variant_autoscaling,
            namespaces=watch_namespaces,
            on_change=on_write,
        )
        self._config_maps: ResourceCache[ConfigMap] = ResourceCache(
            client, CONFIG_MAPS, parse_config_map, namespace=namespace, on_change=on_write
        )
        self._autoscalers: FollowedCollection[HorizontalPodAutoscaler] = follow(
            client,
            HORIZONTAL_POD_AUTOSCALERS,
            parse_horizontal_pod_autoscaler,
            namespaces=watch_namespaces,
        )
        self._interval = LiveValue(
            INTERVAL_KEY, parse_interval_seconds, default_interval_seconds, show=lambda s: f"{s:g} s"
        )
        self._step_up = LiveValue(STEP_UP_KEY, parse_step, _DEFAULTS.step_up, show=_step_words)
        self._step_down = LiveValue(STEP_DOWN_KEY, parse_step, _DEFAULTS.step_down, show=_step_words)
        self._stabilization = LiveValue(
            STABILIZATION_KEY,
            parse_window_seconds,
            _DEFAULTS.stabilization_seconds,
            show=lambda s: f"{s:g} s",
        )
        self._margin = LiveValue(
            MARGIN_KEY, parse_share, _DEFAULTS.scale_down_margin, show=lambda share: f"{share:.1%}"
        )

    async def run(self) -> None:
        """Keep the caches current until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._variants.run())
            group.create_task(self._config_maps.run())
            group.create_task(self._autoscalers.run())

    async def wait_until_synced(self, timeout_seconds: float) -> None:
        """Return once everything that a plan needs was read.

        Raises UnreachableError with the reason after the timeout.
        """
        await self._variants.wait_until_synced(timeout_seconds)
        await self._config_maps.wait_until_synced(timeout_seconds)

    async def settle(self, timeout_seconds: float) -> None:
        """Give what a plan does not need, but explains it, a moment to be read as well."""
        with contextlib.suppress(UnreachableError):
            await self._autoscalers.wait_until_synced(timeout_seconds)

    @property
    def synced(self) -> bool:
        """Whether everything that a plan needs was read at least once; it needs no HPAs."""
        return self._variants.synced and self._config_maps.synced

    def problems(self) -> list[Problem]:
        """What keeps the caches from being current, and what could not be used of them."""
        caches: tuple[tuple[str, FollowedCollection[Any]], ...] = (
            ("VariantAutoscalings", self._variants),
            ("ConfigMaps", self._config_maps),
            ("HorizontalPodAutoscalers", self._autoscalers),
        )
        found = [
            Problem(subject=what, reason="NotFollowed", message=f"{what} are not followed: {cache.problem}")
            for what, cache in caches
            if cache.problem
        ]
        values = (self._interval, self._step_up, self._step_down, self._stabilization, self._margin)
        return found + [value.problem for value in values if value.problem]

    def known(self) -> Mapping[Key, KnownVariant]:
        """Every VariantAutoscaling that is not on its way out, readable or not."""
        found = {key: known_of(it) for key, it in self._variants.objects.items() if not it.metadata.deleting}
        for (namespace, name), message in self._variants.malformed.items():
            found[namespace, name] = KnownVariant(namespace=namespace, name=name, malformed=message)
        return found

    def autoscalers(self) -> Sequence[HorizontalPodAutoscaler] | None:
        """Every HPA; None while they cannot be read."""
        return tuple(self._autoscalers.objects.values()) if self._autoscalers.synced else None

    def interval_seconds(self) -> float:
        """How often the loop runs, as the ConfigMap says now; the last usable value when it says nonsense."""
        return self._interval.read(*self._settings())

    def rail_limits(self) -> RailLimits:
        """How far the guard rails let a plan go, as the ConfigMap says now."""
        data, where = self._settings()
        return RailLimits(
            step_up=self._step_up.read(data, where),
            step_down=self._step_down.read(data, where),
            stabilization_seconds=self._stabilization.read(data, where),
            scale_down_margin=self._margin.read(data, where),
        )

    def _settings(self) -> tuple[Mapping[str, str], str]:
        return self._config(SETTINGS_CONFIG_MAP), f"ConfigMap {self._namespace}/{SETTINGS_CONFIG_MAP}"

    def fingerprint(self) -> Hashable:
        """What a plan depends on and people change: variants' specs and labels, ConfigMaps' content."""
        variants = frozenset(
            (
                key,
                it.metadata.uid,
                it.metadata.generation,
                it.metadata.deleting,
                _items(it.metadata.labels),
                it.metadata.annotations.get(MODE_ANNOTATION),
                it.metadata.annotations.get(OWNED_ANNOTATION),
            )
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


def _step_words(step: Step | None) -> str:
    return "none" if step is None else str(step)


def known_of(it: VariantAutoscaling) -> KnownVariant:
    """A VariantAutoscaling as the loop sees it."""
    mode, problem = mode_of(it.metadata.annotations)
    target = it.spec.scale_target_ref
    return KnownVariant(
        namespace=it.metadata.namespace,
        name=it.metadata.name,
        uid=it.metadata.uid,
        generation=it.metadata.generation,
        status=it.status,
        target=target,
        mode=mode,
        mode_problem=problem,
        tie=tie_of(it.metadata.annotations),
        tied=tie_in_place(it.metadata.owners, target),
    )
