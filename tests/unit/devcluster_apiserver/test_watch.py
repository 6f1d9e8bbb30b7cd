"""Watches, line by line."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from devcluster.apiserver import RunningApi, running_api
from devcluster.apiserver.objects.resources import WriteOptions

PODS = "/api/v1/namespaces/default/pods"
LIMIT_SECONDS = 10


@pytest.fixture
async def cluster() -> AsyncIterator[RunningApi]:
    async with running_api(history_size=50, bookmark_seconds=0.05) as running:
        yield running


@pytest.fixture
async def client(cluster: RunningApi) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=cluster.url, timeout=LIMIT_SECONDS, trust_env=False) as http:
        yield http


def a_pod(name: str, **labels: str) -> dict[str, Any]:
    container = {"name": "c", "image": "busybox"}
    return {"metadata": {"name": name, "labels": labels}, "spec": {"containers": [container]}}


async def label(client: httpx.AsyncClient, name: str, **labels: str | None) -> None:
    headers = {"content-type": "application/merge-patch+json"}
    answer = await client.patch(f"{PODS}/{name}", json={"metadata": {"labels": labels}}, headers=headers)
    assert answer.status_code == 200


async def events(client: httpx.AsyncClient, query: str, count: int) -> list[dict[str, Any]]:
    """The first events of a watch, or all of them if it ends before."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(LIMIT_SECONDS), client.stream("GET", f"{PODS}?watch=true&{query}") as answer:
        assert answer.status_code == 200
        async for line in answer.aiter_lines():
            found.append(json.loads(line))
            if len(found) == count:
                break
    return found


def summary(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in found]


async def test_a_watch_continues_where_the_list_ended(client: httpx.AsyncClient) -> None:
    await client.post(PODS, json=a_pod("before"))
    version = (await client.get(PODS)).json()["metadata"]["resourceVersion"]
    await client.post(PODS, json=a_pod("after"))
    watching = asyncio.create_task(events(client, f"resourceVersion={version}", 3))
    await label(client, "before", a="b")
    await client.delete(f"{PODS}/after")
    assert summary(await watching) == [("ADDED", "after"), ("MODIFIED", "before"), ("DELETED", "after")]


async def test_a_watch_without_version_starts_with_what_is_there(client: httpx.AsyncClient) -> None:
    await client.post(PODS, json=a_pod("a"))
    assert summary(await events(client, "resourceVersion=0", 1)) == [("ADDED", "a")]


async def test_an_object_enters_and_leaves_a_selection(client: httpx.AsyncClient) -> None:
    version = (await client.post(PODS, json=a_pod("p"))).json()["metadata"]["resourceVersion"]
    await label(client, "p", app="x")
    await label(client, "p", other="y")
    await label(client, "p", app=None)
    await label(client, "p", other="z")
    await client.post(PODS, json=a_pod("q", app="x"))
    found = await events(client, f"labelSelector=app%3Dx&resourceVersion={version}", 4)
    assert summary(found) == [("ADDED", "p"), ("MODIFIED", "p"), ("DELETED", "p"), ("ADDED", "q")]


async def test_a_watch_ends_at_its_time_limit_after_bookmarks(client: httpx.AsyncClient) -> None:
    version = (await client.post(PODS, json=a_pod("p"))).json()["metadata"]["resourceVersion"]
    query = f"resourceVersion={version}&timeoutSeconds=1&allowWatchBookmarks=true"
    found = await events(client, query, 1000)
    assert {event["type"] for event in found} == {"BOOKMARK"}
    assert found[0]["object"]["metadata"]["resourceVersion"] == version


async def test_too_old_a_version_is_gone(cluster: RunningApi, client: httpx.AsyncClient) -> None:
    version = (await client.post(PODS, json=a_pod("p"))).json()["metadata"]["resourceVersion"]
    for number in range(60):
        await label(client, "p", n=str(number))
    (event,) = await events(client, f"resourceVersion={version}", 1000)
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert cluster.api.store.version > 50


async def wait_for_open_watches(cluster: RunningApi, count: int) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while cluster.api.watches.open_count != count:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.01)


async def test_a_fault_cuts_watches_and_forgets_history(
    cluster: RunningApi, client: httpx.AsyncClient
) -> None:
    version = (await client.post(PODS, json=a_pod("p"))).json()["metadata"]["resourceVersion"]
    watching = asyncio.create_task(events(client, f"resourceVersion={version}", 1000))
    await wait_for_open_watches(cluster, 1)
    answer = await client.post("/devcluster/faults", json={"cut_watches": True, "forget_history": True})
    assert answer.json()["watches_cut"] == 1
    assert await watching == []
    (event,) = await events(client, f"resourceVersion={version}", 1000)
    assert event["object"]["code"] == 410


async def test_initial_events_end_with_a_marked_bookmark(client: httpx.AsyncClient) -> None:
    await client.post(PODS, json=a_pod("p"))
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    found = await events(client, query, 2)
    assert [event["type"] for event in found] == ["ADDED", "BOOKMARK"]
    assert found[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_one_object_can_be_watched_by_its_path(client: httpx.AsyncClient) -> None:
    await client.post(PODS, json=a_pod("a"))
    await client.post(PODS, json=a_pod("b"))
    async with client.stream("GET", f"{PODS}/b?watch=true&timeoutSeconds=1") as answer:
        lines = [line async for line in answer.aiter_lines()]
    assert summary([json.loads(line) for line in lines]) == [("ADDED", "b")]


async def test_a_client_that_leaves_is_forgotten(cluster: RunningApi, client: httpx.AsyncClient) -> None:
    await client.post(PODS, json=a_pod("p"))
    assert len(await events(client, "resourceVersion=0", 1)) == 1
    await wait_for_open_watches(cluster, 0)


async def test_many_watchers_see_each_change_once(cluster: RunningApi, client: httpx.AsyncClient) -> None:
    version = str(cluster.api.store.version)
    watching = [asyncio.create_task(events(client, f"resourceVersion={version}", 20)) for _ in range(20)]
    pods = cluster.api.registry.find("", "v1", "pods")
    assert pods is not None
    for number in range(20):
        cluster.api.resources.create(pods, "default", a_pod(f"p{number}"), WriteOptions())
    expected = [("ADDED", f"p{number}") for number in range(20)]
    assert [summary(found) for found in await asyncio.gather(*watching)] == [expected] * 20
