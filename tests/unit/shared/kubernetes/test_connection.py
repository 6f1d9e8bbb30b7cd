import ssl
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from inferno_shared.errors import UnreachableError
from inferno_shared.kubernetes import NODES, KubernetesClient
from inferno_shared.kubernetes.connection import configured_api, refreshing
from inferno_shared.kubernetes.transport import ApiClientTransport
from unit.shared.certificates import write_certificate
from unit.shared.kubernetes.fake_api import FakeApi, a_list, answers, write_kubeconfig


async def test_credentials_are_read_again_once_per_interval_and_no_more_often() -> None:
    now = 0.0
    loads: list[str] = []

    async def load(_: Any) -> None:  # noqa: ANN401 - the package's configuration
        loads.append(f"at {now:g}")

    hook = refreshing(load, lambda: now, 60)
    for now in (0.0, 59.0, 60.0, 61.0, 121.0):  # noqa: B007 - read by the clock
        await hook(None)
    assert loads == ["at 60", "at 121"]


async def test_a_rotated_token_file_is_used_from_the_next_refresh_on(api: FakeApi, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    api.on("GET", "/api/v1/nodes", answers(a_list()))
    kubeconfig = write_kubeconfig(tmp_path / "k", api.url, {"tokenFile": str(token)})
    transport = ApiClientTransport(await configured_api(kubeconfig, token_refresh_seconds=0))
    client = KubernetesClient(transport)
    await client.list(NODES)
    token.write_text("second")
    await client.list(NODES)
    token.unlink()
    with pytest.raises(UnreachableError, match="list nodes: the credentials cannot be refreshed"):
        await client.list(NODES)
    await transport.close()
    assert [it.headers["authorization"] for it in api.seen] == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize(
    ("server", "uses_proxy"),
    [("http://127.0.0.1:1", False), ("https://localhost:1", False), ("https://api.example.com:1", True)],
)
async def test_a_server_on_loopback_is_never_asked_through_a_proxy(
    tmp_path: Path, server: str, *, uses_proxy: bool
) -> None:
    api = await configured_api(write_kubeconfig(tmp_path / "k", server))
    assert api.configuration.client_session_kwargs == {"trust_env": uses_proxy}


async def test_https_is_verified_with_the_authority_of_the_kubeconfig(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    served = FakeApi()
    served.on("GET", "/api/v1/nodes", answers(a_list()))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", served.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        url = "https://127.0.0.1:{1}".format(*runner.addresses[0])
        kubeconfig = write_kubeconfig(tmp_path / "k", url)
        async with KubernetesClient.connect(kubeconfig=kubeconfig) as client:
            with pytest.raises(UnreachableError, match="certificate verify failed"):
                await client.list(NODES)
        kubeconfig = write_kubeconfig(tmp_path / "k", url, authority=str(certificate))
        async with KubernetesClient.connect(kubeconfig=kubeconfig) as client:
            assert (await client.list(NODES)).items == []
    finally:
        await runner.cleanup()
