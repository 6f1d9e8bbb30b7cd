import asyncio

from inferno_collector.cluster import Cluster
from unit.collector.cluster_api import ClusterApi
from unit.shared.waiting import until


async def test_a_server_that_hangs_is_said_though_every_watch_seems_alive() -> None:
    api, now = ClusterApi(), [1000.0]
    async with api.connect() as client:
        cluster = Cluster(client, namespace="inferno-autoscaler-system", clock=lambda: now[0])
        following = asyncio.create_task(cluster.run())
        await until(lambda: not cluster.not_synced() and not cluster.problems())
        assert all(seconds == 0 for _, seconds in cluster.seconds_behind())
        api.hung = asyncio.Event()
        now[0] += 40
        [problem] = cluster.problems()
        assert (problem.subject, problem.reason) == ("API server", "WatchLost")
        assert "has not answered for 40 s" in problem.message
        assert dict(cluster.seconds_behind())["nodes"] == 40
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_devices_of_dynamic_allocation_are_seen_where_the_cluster_has_them() -> None:
    api = ClusterApi()
    spec = {"driver": "gpu.nvidia.com", "pool": {"name": "n1"}, "nodeName": "n1", "devices": []}
    api.objects |= {"resourceslices": [{"metadata": {"name": "s"}, "spec": spec}], "resourceclaims": []}
    async with api.connect() as client:
        cluster = Cluster(client, namespace="inferno-autoscaler-system")
        following = asyncio.create_task(cluster.run())
        await until(lambda: bool(cluster.view().slices))
        assert "resourceclaims" in dict(cluster.seconds_behind())
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_a_right_that_is_taken_away_is_named() -> None:
    api = ClusterApi()
    api.forbidden = {"pods"}
    async with api.connect() as client:
        cluster = Cluster(client, namespace="inferno-autoscaler-system")
        following = asyncio.create_task(cluster.run())
        await until(lambda: len(cluster.not_synced()) == 1)
        assert "resources ['pods'] verbs ['list']" in cluster.not_synced()[0]
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
