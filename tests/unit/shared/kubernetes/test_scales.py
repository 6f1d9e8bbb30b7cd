"""Scales of whatever has one: where it lives is discovered, and what forbids it is named."""

import pytest
from aiohttp import web

from inferno_shared.errors import ForbiddenError, NotFoundError
from inferno_shared.kubernetes import KubernetesClient, ScaleTargetRef
from inferno_shared.kubernetes.scales import Scale, ScaleClient
from unit.shared.kubernetes.fake_api import FakeApi

GROUPS = ScaleTargetRef("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "decode")
DISCOVERY = "/apis/leaderworkerset.x-k8s.io/v1"
PATH = f"{DISCOVERY}/namespaces/ns/leaderworkersets/decode/scale"
SERVED = {
    "resources": [
        {"name": "leaderworkersets", "kind": "LeaderWorkerSet"},
        {"name": "leaderworkersets/scale", "kind": "Scale"},
    ]
}


async def discovery(_: web.Request) -> web.Response:
    return web.json_response(SERVED)


async def test_a_kinds_scale_is_found_by_discovery_once(api: FakeApi, client: KubernetesClient) -> None:
    async def scale(_: web.Request) -> web.Response:
        metadata = {"resourceVersion": "7", "uid": "u"}
        return web.json_response({"metadata": metadata, "spec": {"replicas": 3}, "status": {"replicas": 2}})

    api.on("GET", DISCOVERY, discovery)
    api.on("GET", PATH, scale)
    scales = ScaleClient(client)
    assert await scales.read(GROUPS, "ns") == Scale(3, 2, "7", "u")
    await scales.read(GROUPS, "ns")
    assert len(api.asked("GET", DISCOVERY)) == 1


async def test_a_missing_right_names_verb_and_resource(api: FakeApi, client: KubernetesClient) -> None:
    async def forbidden(_: web.Request) -> web.Response:
        return web.json_response({"message": "no"}, status=403)

    api.on("GET", DISCOVERY, discovery)
    api.on("GET", PATH, forbidden)
    with pytest.raises(ForbiddenError) as caught:
        await ScaleClient(client).read(GROUPS, "ns")
    assert "get leaderworkersets/scale decode in namespace ns" in str(caught.value)
    assert "resources ['leaderworkersets/scale'] verbs ['get']" in str(caught.value)


async def test_an_api_that_is_not_installed_is_named(client: KubernetesClient) -> None:
    with pytest.raises(NotFoundError, match=r"the cluster serves no API leaderworkerset\.x-k8s\.io/v1"):
        await ScaleClient(client).read(GROUPS, "ns")
