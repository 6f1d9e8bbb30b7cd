import asyncio
from pathlib import Path

import pytest

from inferno_shared.errors import (
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    KubernetesError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
)
from inferno_shared.kubernetes import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NODES,
    PODS,
    VARIANT_AUTOSCALINGS,
    KubernetesClient,
)
from unit.shared.kubernetes.fake_api import (
    FakeApi,
    a_list,
    a_map,
    answers,
    says,
    silence,
    text,
    write_kubeconfig,
)

MAPS = "/api/v1/namespaces/ns/configmaps"


async def test_get_asks_for_the_object_with_the_token_of_the_kubeconfig(
    api: FakeApi, client: KubernetesClient
) -> None:
    api.on("GET", f"{MAPS}/m", answers(a_map("m", color="red")))
    found = await client.get(CONFIG_MAPS, "m", "ns")
    assert found["data"] == {"color": "red"}
    assert api.seen[0].headers["authorization"] == "Bearer s3cret"
    assert api.seen[0].headers["accept"] == "application/json"


async def test_list_follows_pages_and_sends_the_selectors_with_each(
    api: FakeApi, client: KubernetesClient
) -> None:
    api.on(
        "GET",
        "/api/v1/pods",
        answers(a_list(a_map("a"), a_map("b"), version="7", following="next")),
        answers(a_list(a_map("c"), version="7")),
    )
    listing = await client.list(
        PODS, label_selector="app=vllm,tier in (a,b)", field_selector="spec.nodeName=n"
    )
    assert [it["metadata"]["name"] for it in listing.items] == ["a", "b", "c"]
    assert listing.resource_version == "7"
    selectors = {
        "labelSelector": "app=vllm,tier in (a,b)",
        "fieldSelector": "spec.nodeName=n",
        "limit": "500",
    }
    assert [it.query for it in api.seen] == [selectors, {**selectors, "continue": "next"}]


async def test_list_starts_over_when_the_server_forgets_the_page(
    api: FakeApi, client: KubernetesClient
) -> None:
    api.on(
        "GET",
        "/api/v1/pods",
        answers(a_list(a_map("a"), following="old")),
        says(410, "The provided continue parameter is too old"),
        answers(a_list(a_map("a"), a_map("b"), version="12")),
    )
    listing = await client.list(PODS)
    assert [it["metadata"]["name"] for it in listing.items] == ["a", "b"]
    assert listing.resource_version == "12"
    assert [it.query.get("continue") for it in api.seen] == [None, "old", None]


async def test_list_reads_everything_in_one_page_when_pages_keep_expiring(
    api: FakeApi, client: KubernetesClient
) -> None:
    page, gone = answers(a_list(a_map("a"), following="old")), says(410, "too old")
    api.on("GET", "/api/v1/pods", *[page, gone] * 3, answers(a_list(a_map("a"), version="9")))
    assert (await client.list(PODS)).resource_version == "9"
    assert api.seen[-1].query == {}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidError),
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (410, GoneError),
        (422, InvalidError),
        (429, UnavailableError),
        (500, UnavailableError),
        (503, UnavailableError),
        (418, KubernetesError),
    ],
)
async def test_each_status_is_its_own_error_naming_the_call(
    api: FakeApi, client: KubernetesClient, status: int, error: type[KubernetesError]
) -> None:
    api.on("GET", f"{MAPS}/m", says(status, "because"))
    with pytest.raises(error) as caught:
        await client.get(CONFIG_MAPS, "m", "ns")
    assert type(caught.value) is error
    assert caught.value.status == status
    assert "get configmaps m in namespace ns: because" in str(caught.value)


async def test_forbidden_names_the_rule_that_is_missing(api: FakeApi, client: KubernetesClient) -> None:
    api.on("GET", "/apis/apps/v1/deployments", says(403, "deployments.apps is forbidden"))
    with pytest.raises(ForbiddenError) as caught:
        await client.list(DEPLOYMENTS)
    assert "list deployments in all namespaces" in str(caught.value)
    assert "grant apiGroups ['apps'] resources ['deployments'] verbs ['list'] in a ClusterRole" in str(
        caught.value
    )


async def test_forbidden_on_a_subresource_of_one_namespace_asks_for_a_role_there(
    api: FakeApi, client: KubernetesClient
) -> None:
    path = "/apis/llmd.ai/v1alpha1/namespaces/ns/variantautoscalings/v/status"
    api.on("PATCH", path, says(403, "no"))
    with pytest.raises(ForbiddenError) as caught:
        await client.merge_patch(VARIANT_AUTOSCALINGS, {}, "v", "ns", subresource="status")
    assert (
        "grant apiGroups ['llmd.ai'] resources ['variantautoscalings/status'] verbs ['patch'] "
        "in a Role in namespace ns"
    ) in str(caught.value)


async def test_a_resource_type_that_is_not_served_asks_whether_it_is_installed(
    client: KubernetesClient,
) -> None:
    with pytest.raises(NotFoundError, match=r"does not serve variantautoscalings of llmd\.ai/v1alpha1"):
        await client.list(VARIANT_AUTOSCALINGS)


async def test_too_many_requests_carries_the_servers_advice(api: FakeApi, client: KubernetesClient) -> None:
    api.on("GET", "/api/v1/nodes", says(429, "slow down", {"Retry-After": "7"}))
    with pytest.raises(UnavailableError) as caught:
        await client.list(NODES)
    assert caught.value.retry_after_seconds == 7


@pytest.mark.parametrize("content", ["<html>", "[1]", ""])
async def test_an_answer_that_is_not_a_json_object_is_an_error(
    api: FakeApi, client: KubernetesClient, content: str
) -> None:
    api.on("GET", "/api/v1/nodes", text(content))
    with pytest.raises(KubernetesError, match="list nodes: the answer is not"):
        await client.list(NODES)


async def test_a_server_that_does_not_answer_is_unreachable_within_the_timeout(
    api: FakeApi, tmp_path: Path
) -> None:
    api.on("GET", "/api/v1/nodes/n", silence())
    kubeconfig = write_kubeconfig(tmp_path / "k", api.url)
    async with KubernetesClient.connect(kubeconfig=kubeconfig, request_timeout_seconds=0.05) as client:
        with pytest.raises(UnreachableError, match=r"get nodes n: no answer within 0\.05 s"):
            await client.get(NODES, "n")


async def test_a_refused_connection_is_unreachable(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    kubeconfig = write_kubeconfig(tmp_path / "k", f"http://127.0.0.1:{port}")
    async with KubernetesClient.connect(kubeconfig=kubeconfig) as client:
        with pytest.raises(UnreachableError, match="list pods in all namespaces"):
            await client.list(PODS)


async def test_create_replace_and_delete_go_where_they_should(api: FakeApi, client: KubernetesClient) -> None:
    body = a_map("m")
    api.on("POST", MAPS, answers(body, 201))
    api.on("PUT", f"{MAPS}/m", answers(body))
    api.on("DELETE", f"{MAPS}/m", answers({"kind": "Status", "status": "Success"}))
    await client.create(CONFIG_MAPS, body, "ns")
    await client.replace(CONFIG_MAPS, body, "m", "ns")
    await client.delete(CONFIG_MAPS, "m", "ns")
    assert [(it.method, it.body) for it in api.seen] == [("POST", body), ("PUT", body), ("DELETE", None)]


async def test_a_merge_patch_keeps_its_nulls_and_says_what_it_is(
    api: FakeApi, client: KubernetesClient
) -> None:
    api.on("PATCH", f"{MAPS}/m", answers(a_map("m")))
    await client.merge_patch(CONFIG_MAPS, {"data": {"color": None}}, "m", "ns")
    assert api.seen[0].body == {"data": {"color": None}}
    assert api.seen[0].headers["content-type"] == "application/merge-patch+json"


async def test_raw_get_keeps_the_query(api: FakeApi, client: KubernetesClient) -> None:
    path = "/apis/external.metrics.k8s.io/v1beta1/namespaces/ns/inferno_desired_replicas"
    api.on("GET", path, answers({"items": []}))
    await client.raw_get(f"{path}?labelSelector=variant_name%3Dv%2Caccelerator_type%3DH100")
    assert api.seen[0].query == {"labelSelector": "variant_name=v,accelerator_type=H100"}


async def test_the_environment_names_the_kubeconfig(
    api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", write_kubeconfig(tmp_path / "k", api.url))
    api.on("GET", "/api/v1/nodes", answers(a_list()))
    async with KubernetesClient.connect() as client:
        assert (await client.list(NODES)).items == []


async def test_a_kubeconfig_that_is_missing_or_nonsense_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    with pytest.raises(ConfigurationError, match=r"KUBECONFIG names .*absent, which is not a file"):
        await KubernetesClient.connect().__aenter__()
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("clusters: 7")
    with pytest.raises(ConfigurationError, match="nonsense is not usable"):
        await KubernetesClient.connect(kubeconfig=str(nonsense)).__aenter__()


async def test_no_cluster_at_all_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"set KUBECONFIG to a kubeconfig file"):
        await KubernetesClient.connect().__aenter__()
