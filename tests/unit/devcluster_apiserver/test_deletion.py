"""What goes, when, and what goes with it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from devcluster.apiserver import create_api

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
MERGE = {"content-type": "application/merge-patch+json"}


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_api())
    async with httpx.AsyncClient(transport=transport, base_url="http://devcluster") as client:
        yield client


async def make(api: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def settle() -> None:
    """Let the garbage collector, which runs after the write that made garbage, have its turns."""
    for _ in range(5):
        await asyncio.sleep(0)


def a_config_map(name: str = "c", **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


def a_pod(name: str = "p", **spec: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of a pod
    containers = [{"name": "c", "image": "busybox"}]
    return {"metadata": {"name": name, "labels": {"app": name}}, "spec": {"containers": containers, **spec}}


def _uid(document: dict[str, Any]) -> dict[str, str]:
    return {"uid": document["metadata"]["uid"]}


async def test_a_pod_on_a_node_ends_gracefully_and_a_pending_one_at_once(api: httpx.AsyncClient) -> None:
    await make(api, PODS, a_pod("pending"))
    assert (await api.delete(f"{PODS}/pending")).json()["status"] == "Success"
    await make(api, PODS, a_pod("placed", terminationGracePeriodSeconds=5))
    bound = await api.post(f"{PODS}/placed/binding", json={"target": {"name": "n1"}})
    assert bound.status_code == 201
    assert (await api.post(f"{PODS}/placed/binding", json={"target": {"name": "n2"}})).status_code == 409
    ending = (await api.delete(f"{PODS}/placed")).json()
    assert ending["metadata"]["deletionGracePeriodSeconds"] == 5
    assert (await api.get(f"{PODS}/placed")).json()["spec"]["nodeName"] == "n1"
    assert (await api.delete(f"{PODS}/placed?gracePeriodSeconds=0")).json()["status"] == "Success"
    assert (await api.get(f"{PODS}/placed")).status_code == 404


async def test_the_spec_of_a_pod_is_fixed(api: httpx.AsyncClient) -> None:
    await make(api, PODS, a_pod())
    answer = await api.patch(f"{PODS}/p", json={"spec": {"nodeName": "n"}}, headers=MERGE)
    assert answer.status_code == 422
    assert "pod updates may not change fields other than" in answer.json()["message"]


async def test_finalizers_hold_an_object_until_they_are_removed(api: httpx.AsyncClient) -> None:
    await make(api, CONFIG_MAPS, {"metadata": {"name": "c", "finalizers": ["example.com/hold"]}})
    held = (await api.delete(f"{CONFIG_MAPS}/c")).json()
    assert held["metadata"]["deletionTimestamp"]
    added = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    assert (await api.patch(f"{CONFIG_MAPS}/c", json=added, headers=MERGE)).status_code == 422
    await api.patch(f"{CONFIG_MAPS}/c", json={"metadata": {"finalizers": None}}, headers=MERGE)
    assert (await api.get(f"{CONFIG_MAPS}/c")).status_code == 404


async def test_preconditions_of_a_deletion(api: httpx.AsyncClient) -> None:
    await make(api, CONFIG_MAPS, a_config_map())
    body = {"preconditions": {"uid": "another"}}
    answer = await api.request("DELETE", f"{CONFIG_MAPS}/c", json=body)
    assert answer.status_code == 409
    assert "UID in precondition: another" in answer.json()["message"]


async def test_dependents_go_with_their_last_owner(api: httpx.AsyncClient) -> None:
    owners = [await make(api, CONFIG_MAPS, a_config_map(name)) for name in ("one", "two")]
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], **_uid(owner)}
        for owner in owners
    ]
    child = await make(api, CONFIG_MAPS, {"metadata": {"name": "child", "ownerReferences": references}})
    grandchild = {"apiVersion": "v1", "kind": "ConfigMap", "name": "child", **_uid(child)}
    await make(api, CONFIG_MAPS, {"metadata": {"name": "grandchild", "ownerReferences": [grandchild]}})
    await api.delete(f"{CONFIG_MAPS}/one")
    await settle()
    left = (await api.get(f"{CONFIG_MAPS}/child")).json()["metadata"]["ownerReferences"]
    assert [reference["name"] for reference in left] == ["two"]
    await api.delete(f"{CONFIG_MAPS}/two")
    await settle()
    assert (await api.get(f"{CONFIG_MAPS}/child")).status_code == 404
    assert (await api.get(f"{CONFIG_MAPS}/grandchild")).status_code == 404


async def test_orphaned_dependents_stay(api: httpx.AsyncClient) -> None:
    owner = await make(api, CONFIG_MAPS, a_config_map("owner"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", **_uid(owner)}
    await make(api, CONFIG_MAPS, {"metadata": {"name": "child", "ownerReferences": [reference]}})
    await api.delete(f"{CONFIG_MAPS}/owner?propagationPolicy=Orphan")
    await settle()
    child = (await api.get(f"{CONFIG_MAPS}/child")).json()
    assert child["metadata"]["ownerReferences"] == []


async def test_an_object_whose_owner_never_existed_is_collected(api: httpx.AsyncClient) -> None:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "ghost", "uid": "none"}
    await make(api, CONFIG_MAPS, {"metadata": {"name": "child", "ownerReferences": [reference]}})
    await settle()
    assert (await api.get(f"{CONFIG_MAPS}/child")).status_code == 404


async def test_an_owner_that_never_existed_is_taken_out_beside_one_that_lives(api: httpx.AsyncClient) -> None:
    owner = await make(api, CONFIG_MAPS, a_config_map("owner"))
    common = {"apiVersion": "v1", "kind": "ConfigMap"}
    references = [{**common, "name": "ghost", "uid": "none"}, {**common, "name": "owner", **_uid(owner)}]
    await make(api, CONFIG_MAPS, {"metadata": {"name": "child", "ownerReferences": references}})
    await settle()
    child = (await api.get(f"{CONFIG_MAPS}/child")).json()
    assert child["metadata"]["ownerReferences"] == references[1:]


async def test_a_namespace_is_emptied_before_it_goes(api: httpx.AsyncClient) -> None:
    await make(api, "/api/v1/namespaces", {"metadata": {"name": "ns"}})
    path = "/api/v1/namespaces/ns"
    await make(api, f"{path}/configmaps", a_config_map())
    await make(api, f"{path}/pods", a_pod(nodeName="n1"))
    ending = (await api.delete(path)).json()
    assert ending["status"]["phase"] == "Terminating"
    await settle()
    assert (await api.get(f"{path}/configmaps/c")).status_code == 404
    refused = await api.post(f"{path}/configmaps", json=a_config_map())
    assert refused.status_code == 403
    assert "because it is being terminated" in refused.json()["message"]
    assert (await api.get(path)).status_code == 200  # its pod has not ended yet
    await api.delete(f"{path}/pods/p?gracePeriodSeconds=0")
    await settle()
    assert (await api.get(path)).status_code == 404


async def test_deleting_a_collection_respects_selectors(api: httpx.AsyncClient) -> None:
    await make(api, PODS, a_pod("a"))
    await make(api, PODS, a_pod("b"))
    assert (await api.delete(f"{PODS}?labelSelector=app%3Da")).status_code == 200
    items = (await api.get(PODS)).json()["items"]
    assert [item["metadata"]["name"] for item in items] == ["b"]
