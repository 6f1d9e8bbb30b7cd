"""Collections that are followed in some namespaces only."""

import asyncio
from contextlib import suppress

import pytest

from inferno_shared.errors import UnreachableError
from inferno_shared.kubernetes import (
    CONFIG_MAPS,
    NODES,
    KubernetesClient,
    ResourceCache,
    follow,
    parse_config_map,
)
from unit.shared.kubernetes.fake_api import FakeApi, a_list, a_map, answers, says, watch
from unit.shared.waiting import until


def in_namespace(namespace: str, name: str) -> dict[str, object]:
    raw = a_map(name)
    return {**raw, "metadata": {**raw["metadata"], "namespace": namespace}}


async def test_named_namespaces_are_asked_one_by_one_and_read_as_one(
    api: FakeApi, client: KubernetesClient
) -> None:
    for namespace in ("a", "b"):
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        api.on("GET", path, answers(a_list(in_namespace(namespace, "it"))), watch())
    collection = follow(client, CONFIG_MAPS, parse_config_map, namespaces=["a", "b"])
    assert not collection.synced
    running = asyncio.create_task(collection.run())
    await collection.wait_until_synced(5)
    assert set(collection.objects) == {("a", "it"), ("b", "it")}
    assert collection.malformed == {}
    await until(lambda: collection.stale_seconds(0) == 0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_one_namespace_that_may_not_be_read_leaves_all_unsynced_and_says_which(
    api: FakeApi, client: KubernetesClient
) -> None:
    api.on("GET", "/api/v1/namespaces/a/configmaps", answers(a_list(in_namespace("a", "it"))), watch())
    api.on("GET", "/api/v1/namespaces/b/configmaps", says(403, "configmaps is forbidden"))
    collection = follow(client, CONFIG_MAPS, parse_config_map, namespaces=["a", "b"])
    running = asyncio.create_task(collection.run())
    await until(lambda: "namespace b" in (collection.problem or ""))
    assert not collection.synced
    with pytest.raises(UnreachableError, match="forbidden"):
        await collection.wait_until_synced(0.01)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


@pytest.mark.parametrize(("resource", "namespaces"), [(CONFIG_MAPS, []), (NODES, ["a"])])
async def test_without_names_or_for_what_has_no_namespace_there_is_one_cache(
    client: KubernetesClient, resource: object, namespaces: list[str]
) -> None:
    assert isinstance(
        follow(client, resource, parse_config_map, namespaces=namespaces),  # type: ignore[arg-type]
        ResourceCache,
    )
