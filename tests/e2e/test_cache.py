"""Our caches against a real API server: bookmarks, compaction, a restart in mid-run."""

import asyncio
import base64
import ssl
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest

from controlplane import ControlPlane
from e2e.clusters import Cluster, until_true
from inferno_shared.errors import GoneError, UnauthorizedError
from inferno_shared.kubernetes import (
    CONFIG_MAPS,
    NODES,
    ConfigMap,
    KubernetesClient,
    ResourceCache,
    WatchEvent,
    parse_config_map,
    parse_node,
)

SPACE = "default"
LIMIT_SECONDS = 40.0


def a_config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@asynccontextmanager
async def following(client: KubernetesClient, label: str) -> Any:  # noqa: ANN401 - an async generator
    cache = ResourceCache(client, CONFIG_MAPS, parse_config_map, namespace=SPACE)
    task = asyncio.create_task(cache.run())
    try:
        await cache.wait_until_synced(LIMIT_SECONDS)
        yield cache
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        for _, name in list(cache.objects):
            if name.startswith(label):
                await client.delete(CONFIG_MAPS, name, SPACE)


def etcd(plane: ControlPlane, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask etcd itself, over its JSON gateway."""
    own = plane.identities
    context = ssl.create_default_context(cafile=own.authority.file)
    context.load_cert_chain(own.etcd_client.certificate, own.etcd_client.key)
    answer = httpx.post(f"{plane.core.etcd_url}{path}", json=body, verify=context, trust_env=False)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


async def test_a_cache_sees_what_is_created_changed_and_deleted(any_client: KubernetesClient) -> None:
    async with following(any_client, "seen") as cache:
        await any_client.create(CONFIG_MAPS, a_config_map("seen", key="1"), SPACE)
        await until_true(lambda: (SPACE, "seen") in cache.objects)
        await any_client.merge_patch(CONFIG_MAPS, {"data": {"key": "2"}}, "seen", SPACE)
        await until_true(lambda: cache.objects[SPACE, "seen"].data == {"key": "2"})
        await any_client.delete(CONFIG_MAPS, "seen", SPACE)
        await until_true(lambda: (SPACE, "seen") not in cache.objects)
        assert cache.problem is None


async def test_nodes_of_the_cluster_are_read_with_their_devices(any_client: KubernetesClient) -> None:
    listing = await any_client.list(NODES)

    nodes = [parse_node(raw) for raw in listing.items]

    assert [node.allocatable for node in nodes] == [{"nvidia.com/gpu": 8}] * 4
    assert all(node.ready and not node.unschedulable for node in nodes)
    assert {node.metadata.labels["nvidia.com/gpu.product"] for node in nodes} == {"NVIDIA-H100-80GB-HBM3"}


async def test_long_lists_are_read_in_pages(cluster: Cluster) -> None:
    async with KubernetesClient.connect(kubeconfig=str(cluster.kubeconfig)) as client:
        client._page_items = 2
        for number in range(5):
            await client.create(CONFIG_MAPS, a_config_map(f"page-{number}"), SPACE)

        listing = await client.list(CONFIG_MAPS, SPACE)
        for number in range(5):
            await client.delete(CONFIG_MAPS, f"page-{number}", SPACE)

    names = [item["metadata"]["name"] for item in listing.items]
    assert [name for name in names if name.startswith("page-")] == [f"page-{number}" for number in range(5)]


async def test_a_quiet_watch_brings_bookmarks_to_resume_from(any_client: KubernetesClient) -> None:
    version = (await any_client.list(CONFIG_MAPS, SPACE)).resource_version
    opened = asyncio.Event()

    async def watched() -> list[WatchEvent]:
        stream = any_client.watch(
            CONFIG_MAPS, SPACE, resource_version=version, timeout_seconds=6, on_open=opened.set
        )
        return [event async for event in stream]

    watching = asyncio.create_task(watched())
    await opened.wait()
    # A change of the same type elsewhere is not ours to see, but moves the version on.
    await any_client.create(CONFIG_MAPS, a_config_map("elsewhere"), "kube-public")
    events = await watching
    await any_client.delete(CONFIG_MAPS, "elsewhere", "kube-public")

    assert {event.type for event in events} == {"BOOKMARK"}
    assert int(events[-1].resource_version or 0) > int(version)


async def test_a_version_older_than_the_compaction_is_gone_and_a_cache_lists_again(
    real: ControlPlane, client: KubernetesClient
) -> None:
    async with following(client, "compacted") as cache:
        old = (await client.list(CONFIG_MAPS, SPACE)).resource_version
        for number in range(3):
            await client.create(CONFIG_MAPS, a_config_map(f"compacted-{number}"), SPACE)
        await until_true(lambda: sum(name.startswith("compacted") for _, name in cache.objects) == 3)
        probe = base64.b64encode(b"/").decode()
        revision = etcd(real, "/v3/kv/range", {"key": probe})["header"]["revision"]
        etcd(real, "/v3/kv/compaction", {"revision": revision, "physical": True})
        # The API server's own watch cache would still serve the old version: a new server has an empty one.
        real.children.all["kube-apiserver"].restart()

        with pytest.raises(GoneError):
            async for _ in client.watch(CONFIG_MAPS, SPACE, resource_version=old, timeout_seconds=5):
                pass
        await client.create(CONFIG_MAPS, a_config_map("compacted-later"), SPACE)
        await until_true(lambda: (SPACE, "compacted-later") in cache.objects)
        assert cache.problem is None


async def test_a_cache_survives_a_killed_api_server(real: ControlPlane, client: KubernetesClient) -> None:
    server = real.children.all["kube-apiserver"]
    async with following(client, "restart") as cache:
        await client.create(CONFIG_MAPS, a_config_map("restart-before"), SPACE)
        await until_true(lambda: (SPACE, "restart-before") in cache.objects)

        server.stop(kill=True)
        await until_true(lambda: cache.problem is not None)
        during: ConfigMap | None = cache.objects.get((SPACE, "restart-before"))
        server.start()
        await asyncio.to_thread(server.wait_until_ready)
        await client.create(CONFIG_MAPS, a_config_map("restart-after"), SPACE)
        await until_true(lambda: (SPACE, "restart-after") in cache.objects)

        assert during is not None
        assert cache.problem is None
        assert (SPACE, "restart-before") in cache.objects


async def test_a_client_without_credentials_is_told_what_to_check(real: ControlPlane) -> None:
    stranger = real.folder / "stranger.kubeconfig"
    text = real.kubeconfig.read_text()
    lines = [line for line in text.splitlines() if "client-" not in line]
    stranger.write_text("\n".join(lines).replace("user:\n", "user: {}\n", 1))
    async with KubernetesClient.connect(kubeconfig=str(stranger)) as client:
        with pytest.raises(UnauthorizedError, match="check the credentials"):
            await client.list(CONFIG_MAPS, SPACE)
