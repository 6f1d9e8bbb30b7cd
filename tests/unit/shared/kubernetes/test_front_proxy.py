"""Which client is the aggregator: read from the ConfigMap, followed, and proven over TLS."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Request

from inferno_shared.access import FrontProxy
from inferno_shared.errors import MalformedObjectError
from inferno_shared.kubernetes import FrontProxyWatch, KubernetesClient
from inferno_shared.kubernetes.front_proxy import parse_front_proxy
from inferno_shared.service import FRONT_PROXY, FrontProxyGate, ServiceSettings, caller_of, create_app
from unit.shared.certificates import Authority, Pair
from unit.shared.kubernetes.fake_api import FakeApi, a_list, an_event, answers, says, watch
from unit.shared.service.serving import serving, trusting
from unit.shared.waiting import until

PATH = "/api/v1/namespaces/kube-system/configmaps"
NAME = "extension-apiserver-authentication"
GARBLED = "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n"
router = APIRouter()


def config_map(pem: str | None, version: str = "10", **changes: str) -> dict[str, Any]:
    data = {
        "requestheader-client-ca-file": pem or "",
        "requestheader-allowed-names": '["front-proxy-client"]',
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
        "client-ca-file": "other",
    } | {f"requestheader-{key.replace('_', '-')}": value for key, value in changes.items()}
    return {
        "metadata": {"name": NAME, "namespace": "kube-system", "resourceVersion": version},
        "data": data,
    }


@router.get("/apis/external.metrics.k8s.io/v1beta1")
async def discovery(request: Request) -> str:
    caller = caller_of(request.scope)
    return caller.name if caller else ""


@asynccontextmanager
async def following(
    client: KubernetesClient, on_change: Callable[[FrontProxy | None], None]
) -> AsyncIterator[FrontProxyWatch]:
    front_proxy = FrontProxyWatch(client, on_change)
    task = asyncio.create_task(front_proxy.run())
    try:
        yield front_proxy
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_the_config_map_says_who_the_aggregator_is() -> None:
    authority = Authority("front-proxy")
    assert parse_front_proxy(config_map(authority.pem)) == FrontProxy(
        authority.pem, frozenset({"front-proxy-client"}), ("X-Remote-User",), ("X-Remote-Group",)
    )
    assert parse_front_proxy(config_map(None)) is None
    assert parse_front_proxy({"metadata": {"name": NAME}}) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"client_ca_file": "not a certificate"}, "data.requestheader-client-ca-file"),
        ({"client_ca_file": GARBLED}, "data.requestheader-client-ca-file"),
        ({"allowed_names": "front-proxy-client"}, "data.requestheader-allowed-names"),
        ({"username_headers": '{"a": 1}'}, "data.requestheader-username-headers"),
        ({"group_headers": "[1]"}, "data.requestheader-group-headers"),
    ],
)
def test_what_cannot_be_read_names_the_field(changes: dict[str, str], field: str) -> None:
    with pytest.raises(MalformedObjectError) as caught:
        parse_front_proxy(config_map(Authority().pem, **changes))
    assert caught.value.field == field


async def test_the_config_map_is_followed_and_one_that_breaks_changes_nothing(
    api: FakeApi, client: KubernetesClient
) -> None:
    first, second = Authority("first"), Authority("second")
    steps = [asyncio.Event(), asyncio.Event(), asyncio.Event()]
    broken = an_event("MODIFIED", config_map("broken", "11"))
    replaced = an_event("MODIFIED", config_map(second.pem, "12"))
    gone = an_event("DELETED", config_map(second.pem, "13"))
    api.on("GET", PATH, answers(a_list(config_map(first.pem))))
    api.script["GET", PATH] += [
        watch(broken, until=steps[0]),
        watch(replaced, until=steps[1]),
        watch(gone, until=steps[2], then="hang"),
    ]
    changes: list[FrontProxy | None] = []
    async with following(client, changes.append) as front_proxy:
        await until(lambda: "not certificates" in (front_proxy.problem or ""))
        assert front_proxy.current is not None
        assert front_proxy.current.authority_pem == first.pem
        steps[0].set()
        await until(lambda: len(changes) == 2)
        assert front_proxy.problem is None
        steps[1].set()
        await until(lambda: len(changes) == 3)
        assert front_proxy.current is None
        assert front_proxy.problem == (
            "ConfigMap kube-system/extension-apiserver-authentication: there is no "
            "requestheader-client-ca-file in it"
        )
    assert [it.authority_pem if it else None for it in changes] == [first.pem, second.pem, None]
    assert {it.query["fieldSelector"] for it in api.seen} == {f"metadata.name={NAME}"}


async def test_a_missing_role_is_named(api: FakeApi, client: KubernetesClient) -> None:
    api.on("GET", PATH, says(403, "forbidden"))
    async with following(client, lambda _: None) as front_proxy:
        await until(lambda: "grant apiGroups" in (front_proxy.problem or ""))
        assert front_proxy.current is None


async def test_only_the_aggregator_reaches_the_external_metrics_api(
    api: FakeApi, client: KubernetesClient, tmp_path: Path
) -> None:
    servers, proxies, clients = Authority("servers"), Authority("proxies"), Authority("clients")
    pair, trust = servers.server(tmp_path), servers.write(tmp_path / "servers.crt")
    aggregator = proxies.client(tmp_path, "front-proxy-client")
    api.on("GET", PATH, answers(a_list(config_map(proxies.pem))), watch(then="hang"))
    found: list[FrontProxyWatch] = []
    app = create_app(
        title="inferno-test",
        settings=ServiceSettings(
            port=0,
            tls_cert_file=pair.certificate,
            tls_key_file=pair.key,
            tls_client_ca_file=clients.write(tmp_path / "clients.crt"),
        ),
        routers=[router],
        gates={"/apis": FrontProxyGate(lambda: found[0].current if found else None)},
    )

    def learn(trusted: FrontProxy | None) -> None:
        app.state.client_authorities.put(FRONT_PROXY, trusted.authority_pem if trusted else None)

    async def ask(url: str, shown: Pair | None = None) -> httpx.Response:
        context = trusting(trust, shown)
        async with httpx.AsyncClient(verify=context, trust_env=False) as http:
            return await http.get(
                f"{url}/apis/external.metrics.k8s.io/v1beta1", headers={"x-remote-user": "system:hpa"}
            )

    async with serving(app) as url:
        assert (await ask(url)).status_code == 503
        async with following(client, learn) as front_proxy:
            found.append(front_proxy)
            await until(lambda: front_proxy.current is not None)
            assert (await ask(url, aggregator)).json() == "system:hpa"
            assert (await ask(url)).status_code == 403
            assert (await ask(url, clients.client(tmp_path, "front-proxy-client"))).status_code == 403
            assert (await ask(url, proxies.client(tmp_path, "another"))).status_code == 403
