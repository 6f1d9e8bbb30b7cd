"""The API over HTTP: what clients may rely on when they create, change and list objects."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from devcluster.apiserver import create_api

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MERGE = {"content-type": "application/merge-patch+json"}
TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_api())
    async with httpx.AsyncClient(transport=transport, base_url="http://devcluster") as client:
        yield client


async def make(api: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def a_config_map(name: str = "c", **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


def a_pod(name: str = "p", **spec: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of a pod
    containers = [{"name": "c", "image": "busybox"}]
    return {"metadata": {"name": name, "labels": {"app": name}}, "spec": {"containers": containers, **spec}}


def a_deployment(name: str = "d", **spec: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of a Deployment
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "busybox"}]},
    }
    selector = {"matchLabels": {"app": name}}
    return {"metadata": {"name": name}, "spec": {"selector": selector, "template": template, **spec}}


async def test_a_new_object_gets_the_servers_metadata(api: httpx.AsyncClient) -> None:
    made = await make(api, CONFIG_MAPS, a_config_map(a="1"))
    assert made["kind"] == "ConfigMap"
    assert made["apiVersion"] == "v1"
    assert made["metadata"]["namespace"] == "default"
    assert {"uid", "creationTimestamp", "resourceVersion"} <= made["metadata"].keys()


async def test_generate_name_makes_different_names(api: httpx.AsyncClient) -> None:
    body = {"metadata": {"generateName": "c-"}}
    names = {(await make(api, CONFIG_MAPS, body))["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("c-") and len(name) == 7 for name in names)


@pytest.mark.parametrize(
    ("path", "body", "code", "reason", "message"),
    [
        (
            "/api/v1/namespaces/absent/configmaps",
            a_config_map(),
            404,
            "NotFound",
            'namespaces "absent" not found',
        ),
        (CONFIG_MAPS, {"metadata": {}}, 422, "Invalid", "name or generateName is required"),
        (CONFIG_MAPS, a_config_map("Not_Valid"), 422, "Invalid", "RFC 1123"),
        (CONFIG_MAPS, {"kind": "Secret", "metadata": {"name": "x"}}, 400, "BadRequest", "does not match"),
        (CONFIG_MAPS, {"metadata": {"name": "x", "namespace": "other"}}, 400, "BadRequest", "namespace"),
        (
            CONFIG_MAPS,
            {"metadata": {"name": "x"}, "data": {"a": 1}},
            400,
            "BadRequest",
            "must be of type string",
        ),
        (PODS, {"metadata": {"name": "x"}, "spec": {}}, 422, "Invalid", "spec.containers: Required value"),
        (PODS, {"metadata": {"name": "x"}, "spec": {"containers": "x"}}, 400, "BadRequest", "as a Pod"),
        (DEPLOYMENTS, a_deployment(replicas=-1), 422, "Invalid", "greater than or equal to 0"),
        (DEPLOYMENTS, a_deployment(selector={"matchLabels": {"x": "y"}}), 422, "Invalid", "does not match"),
        ("/apis/apps/v1/namespaces/default/nonsense", {}, 404, "NotFound", "requested resource"),
    ],
)
async def test_a_bad_creation_is_refused_with_its_own_answer(
    api: httpx.AsyncClient, path: str, body: dict[str, Any], code: int, reason: str, message: str
) -> None:
    answer = await api.post(path, json=body)
    status = answer.json()
    assert (answer.status_code, status["reason"], status["code"]) == (code, reason, code)
    assert message in status["message"]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"a": NaN}', b""])
async def test_a_body_that_is_no_object_is_a_bad_request(api: httpx.AsyncClient, body: bytes) -> None:
    answer = await api.post(CONFIG_MAPS, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


async def test_creating_twice_is_a_conflict(api: httpx.AsyncClient) -> None:
    await make(api, CONFIG_MAPS, a_config_map())
    answer = await api.post(CONFIG_MAPS, json=a_config_map())
    assert (answer.status_code, answer.json()["reason"]) == (409, "AlreadyExists")


async def test_a_stale_writer_gets_a_conflict(api: httpx.AsyncClient) -> None:
    first = await make(api, CONFIG_MAPS, a_config_map(a="1"))
    assert (await api.put(f"{CONFIG_MAPS}/c", json={**first, "data": {"a": "2"}})).status_code == 200
    stale = await api.put(f"{CONFIG_MAPS}/c", json={**first, "data": {"a": "3"}})
    assert (stale.status_code, stale.json()["reason"]) == (409, "Conflict")
    version = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}, "data": {"a": "4"}}
    assert (await api.patch(f"{CONFIG_MAPS}/c", json=version, headers=MERGE)).status_code == 409
    assert (await api.get(f"{CONFIG_MAPS}/c")).json()["data"] == {"a": "2"}


async def test_an_update_that_changes_nothing_writes_nothing(api: httpx.AsyncClient) -> None:
    first = await make(api, CONFIG_MAPS, a_config_map(a="1"))
    again = (await api.put(f"{CONFIG_MAPS}/c", json=a_config_map(a="1"))).json()
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_server_owned_metadata_cannot_be_changed(api: httpx.AsyncClient) -> None:
    first = await make(api, CONFIG_MAPS, a_config_map())
    wishes = {"creationTimestamp": "2000-01-01T00:00:00Z", "labels": {"a": "b"}, "selfLink": "x"}
    changed = (await api.patch(f"{CONFIG_MAPS}/c", json={"metadata": wishes}, headers=MERGE)).json()
    assert changed["metadata"]["creationTimestamp"] == first["metadata"]["creationTimestamp"]
    assert changed["metadata"]["labels"] == {"a": "b"}
    assert "selfLink" not in changed["metadata"]


async def test_generation_counts_changes_of_the_spec_only(api: httpx.AsyncClient) -> None:
    made = await make(api, DEPLOYMENTS, a_deployment())
    assert made["metadata"]["generation"] == 1
    assert made["spec"]["replicas"] == 1
    path = f"{DEPLOYMENTS}/d"
    labelled = await api.patch(path, json={"metadata": {"labels": {"a": "b"}}}, headers=MERGE)
    assert labelled.json()["metadata"]["generation"] == 1
    scaled = await api.patch(path, json={"spec": {"replicas": 2}}, headers=MERGE)
    assert scaled.json()["metadata"]["generation"] == 2
    status = await api.patch(f"{path}/status", json={"status": {"replicas": 2}}, headers=MERGE)
    assert status.json()["metadata"]["generation"] == 2


async def test_status_and_spec_are_written_through_their_own_endpoints(api: httpx.AsyncClient) -> None:
    await make(api, DEPLOYMENTS, {**a_deployment(), "status": {"replicas": 9}})
    path = f"{DEPLOYMENTS}/d"
    both = {"spec": {"replicas": 5}, "status": {"replicas": 5}}
    assert (await api.patch(path, json=both, headers=MERGE)).json()["status"] == {}
    answer = (await api.patch(f"{path}/status", json=both, headers=MERGE)).json()
    assert (answer["spec"]["replicas"], answer["status"]) == (5, {"replicas": 5})
    answer = (
        await api.patch(f"{path}/status", json={"spec": {"replicas": 6}, "status": {}}, headers=MERGE)
    ).json()
    assert answer["spec"]["replicas"] == 5


async def test_scale_of_a_deployment(api: httpx.AsyncClient) -> None:
    await make(api, DEPLOYMENTS, a_deployment(replicas=2))
    path = f"{DEPLOYMENTS}/d/scale"
    scale = (await api.get(path)).json()
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 0, "selector": "app=d"})
    patched = await api.patch(path, json={"spec": {"replicas": 4}}, headers=MERGE)
    assert patched.json()["spec"] == {"replicas": 4}
    stale = await api.put(path, json={**scale, "spec": {"replicas": 7}})
    assert stale.status_code == 409
    negative = await api.patch(path, json={"spec": {"replicas": -1}}, headers=MERGE)
    assert negative.status_code == 422
    assert (await api.get(f"{DEPLOYMENTS}/d")).json()["spec"]["replicas"] == 4


async def test_dry_run_answers_and_keeps_nothing(api: httpx.AsyncClient) -> None:
    answer = await api.post(f"{CONFIG_MAPS}?dryRun=All", json=a_config_map())
    assert answer.status_code == 201
    assert (await api.get(f"{CONFIG_MAPS}/c")).status_code == 404
    await make(api, CONFIG_MAPS, a_config_map())
    assert (await api.delete(f"{CONFIG_MAPS}/c?dryRun=All")).status_code == 200
    assert (await api.get(f"{CONFIG_MAPS}/c")).status_code == 200
    assert (await api.post(f"{CONFIG_MAPS}?dryRun=Some", json=a_config_map())).status_code == 400


async def test_pages_of_a_list_and_their_end(api: httpx.AsyncClient) -> None:
    for number in range(5):
        await make(api, CONFIG_MAPS, a_config_map(f"c{number}"))
    first = (await api.get(f"{CONFIG_MAPS}?limit=2")).json()
    assert first["metadata"]["remainingItemCount"] == 3
    token = first["metadata"]["continue"]
    await api.delete(f"{CONFIG_MAPS}/c0")
    second = (await api.get(f"{CONFIG_MAPS}?limit=2&continue={token}")).json()
    last = (await api.get(f"{CONFIG_MAPS}?limit=2&continue={second['metadata']['continue']}")).json()
    names = [item["metadata"]["name"] for page in (first, second, last) for item in page["items"]]
    assert names == ["c0", "c1", "c2", "c3", "c4"]
    assert "continue" not in last["metadata"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_a_page_after_forgotten_history_is_gone(api: httpx.AsyncClient) -> None:
    for number in range(3):
        await make(api, CONFIG_MAPS, a_config_map(f"c{number}"))
    token = (await api.get(f"{CONFIG_MAPS}?limit=1")).json()["metadata"]["continue"]
    await api.post("/devcluster/faults", json={"forget_history": True})
    answer = await api.get(f"{CONFIG_MAPS}?limit=1&continue={token}")
    assert (answer.status_code, answer.json()["reason"]) == (410, "Expired")
    assert (await api.get(f"{CONFIG_MAPS}?continue=nonsense")).status_code == 400


async def test_selectors_narrow_a_list(api: httpx.AsyncClient) -> None:
    await make(api, PODS, a_pod("a", nodeName="n1"))
    await make(api, PODS, a_pod("b"))
    for query, expected in (
        ("labelSelector=app%3Da", ["a"]),
        ("fieldSelector=spec.nodeName%3Dn1", ["a"]),
        ("fieldSelector=status.phase%3DPending,metadata.name!%3Da", ["b"]),
    ):
        items = (await api.get(f"{PODS}?{query}")).json()["items"]
        assert [item["metadata"]["name"] for item in items] == expected
    assert (await api.get(f"{PODS}?labelSelector=((")).status_code == 400


async def test_tables_and_metadata_on_demand(api: httpx.AsyncClient) -> None:
    await make(api, PODS, a_pod())
    table = (await api.get(PODS, headers=TABLE)).json()
    assert [column["name"] for column in table["columnDefinitions"]][:3] == ["Name", "Ready", "Status"]
    assert table["rows"][0]["cells"][:3] == ["p", "0/1", "Pending"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    metadata = {"accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
    partial = (await api.get(PODS, headers=metadata)).json()
    assert partial["kind"] == "PartialObjectMetadataList"
    assert "spec" not in partial["items"][0]
    assert (await api.get(PODS, headers={"accept": "text/html"})).status_code == 406


async def test_services_get_addresses_and_node_ports_that_stay(api: httpx.AsyncClient) -> None:
    services = "/api/v1/namespaces/default/services"
    spec = {"type": "NodePort", "ports": [{"port": 80}], "selector": {"app": "x"}}
    made = await make(api, services, {"metadata": {"name": "s"}, "spec": spec})
    other = await make(api, services, {"metadata": {"name": "t"}, "spec": {"ports": [{"port": 80}]}})
    assert made["spec"]["clusterIP"] != other["spec"]["clusterIP"]
    assert made["spec"]["clusterIP"].startswith("127.")
    assert made["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80, "nodePort": 30000}]
    replaced = await api.put(f"{services}/s", json={"metadata": {"name": "s"}, "spec": spec})
    assert replaced.json()["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    assert replaced.json()["spec"]["ports"][0]["nodePort"] == 30000
    taken = {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30000}]}
    answer = await api.post(services, json={"metadata": {"name": "u"}, "spec": taken})
    assert answer.status_code == 422
    assert "already allocated" in answer.json()["message"]


async def test_server_side_apply_creates_and_merges(api: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/apply-patch+yaml"}
    path = f"{CONFIG_MAPS}/c"
    assert (await api.patch(path, content=b"data: {a: '1'}", headers=headers)).status_code == 400
    made = await api.patch(f"{path}?fieldManager=me", content=b"data: {a: '1'}", headers=headers)
    assert made.status_code == 201
    merged = await api.patch(f"{path}?fieldManager=me", content=b"data: {b: '2024-01-01'}", headers=headers)
    assert merged.json()["data"] == {"a": "1", "b": "2024-01-01"}
