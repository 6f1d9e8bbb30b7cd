import asyncio
from functools import partial
from typing import Any

from inferno_collector.discovery import OptionalCollections
from inferno_collector.inventory.claims import RESOURCE_CLAIMS, RESOURCE_SLICES
from inferno_shared.kubernetes import Backoff, KubernetesClient, ResourceCache, parse_metadata
from unit.collector.cluster_api import ClusterApi
from unit.shared.waiting import until


class World:
    """An API server, and a clock that stops whenever someone waits."""

    def __init__(self) -> None:
        self.api = ClusterApi()
        self.waits: list[float] = []
        self.go_on = asyncio.Event()
        client = KubernetesClient(self.api)
        caches: list[tuple[Any, Any]] = [
            (resource, ResourceCache(client, resource, parse_metadata, sleep=self._sleep))
            for resource in (RESOURCE_SLICES, RESOURCE_CLAIMS)
        ]
        self.optional = OptionalCollections(
            client, caches, what="devices", sleep=self._sleep, backoff=Backoff(jitter=lambda: 0.0)
        )

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await self.go_on.wait()
        self.go_on.clear()

    def serve(self) -> None:
        self.api.objects |= {"resourceslices": [{"metadata": {"name": "s"}}], "resourceclaims": []}

    async def ended(self, task: "asyncio.Task[None]") -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_without_the_api_nothing_is_followed_and_it_is_looked_for_again_later() -> None:
    world = World()
    task = asyncio.create_task(world.optional.run())
    await until(lambda: world.waits == [60])
    assert list(world.optional.followed) == []
    assert len(world.api.requests) == 1
    world.serve()
    world.go_on.set()
    await until(lambda: [cache.synced for _, cache in world.optional.followed] == [True, True])
    assert list(world.optional.followed[0][1].objects) == [("", "s")]
    await world.ended(task)


async def test_a_missing_right_leaves_it_off() -> None:
    world = World()
    world.serve()
    world.api.forbidden = {"resourceclaims"}
    task = asyncio.create_task(world.optional.run())
    await until(lambda: world.waits == [60])
    assert list(world.optional.followed) == []
    await world.ended(task)


async def test_trouble_is_looked_at_again_soon_and_not_waited_for_for_long() -> None:
    world = World()
    world.api.down = True
    task = asyncio.create_task(world.optional.run())
    for tries in (1, 2, 3):
        await until(partial(_waited, world, tries))
        assert bool(world.optional.not_synced()) is (tries < 3)
        world.go_on.set()
    await until(partial(_waited, world, 4))
    assert world.waits == [0.25, 0.5, 1, 2]
    await world.ended(task)


def _waited(world: World, times: int) -> bool:
    return len(world.waits) == times
