"""Who the server takes a client for, over real connections."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request

from inferno_shared.service.tls import CLIENTS, FRONT_PROXY, peer, peer_of
from unit.shared.certificates import Authority, Pair
from unit.shared.service.asking import an_app
from unit.shared.service.serving import fresh_get, serving, trusting

router = APIRouter()


@router.get("/whoami")
async def whoami(request: Request) -> dict[str, Any]:
    found = peer_of(request.scope)
    if found is None:
        return {}
    return {"cn": found.common_name, "names": sorted(found.names), "of": sorted(found.authorities)}


class World:
    """A server with a certificate of its own authority, and authorities for its clients."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers, self.clients, self.proxies = Authority("servers"), Authority("clients"), Authority("p")
        self.trust = self.servers.write(folder / "servers.crt")
        pair = self.servers.server(folder)
        self.app: FastAPI = an_app(
            router,
            port=0,
            tls_cert_file=pair.certificate,
            tls_key_file=pair.key,
            tls_client_ca_file=self.clients.write(folder / "clients.crt"),
        )

    async def ask(self, url: str, shown: Pair | None = None) -> dict[str, Any]:
        answer = await fresh_get(f"{url}/whoami", trusting(self.trust, shown))
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_a_client_certificate_gives_its_names_and_its_authority(world: World) -> None:
    shown = world.clients.client(
        world.folder, "actuator", dns=["actuator.ns.svc"], uris=["spiffe://cluster/ns/actuator"]
    )
    async with serving(world.app) as url:
        assert await world.ask(url, shown) == {
            "cn": "actuator",
            "names": ["actuator", "actuator.ns.svc", "spiffe://cluster/ns/actuator"],
            "of": [CLIENTS],
        }
        assert await world.ask(url) == {}


async def test_a_certificate_of_nobody_or_out_of_date_fails_the_connection(world: World) -> None:
    stranger = Authority("clients").client(world.folder, "stranger")
    expired = world.clients.client(world.folder, "expired", hours=-1)
    of_a_server = world.clients.server(world.folder, "wrong-purpose")
    async with serving(world.app) as url:
        for shown in (stranger, expired, of_a_server):
            with pytest.raises(httpx.HTTPError):
                await world.ask(url, shown)


async def test_the_nearest_authority_counts_be_it_a_root_or_an_intermediate(world: World) -> None:
    intermediate = Authority("intermediate", issuer=world.clients)
    shown = intermediate.client(world.folder, "below")
    async with serving(world.app) as url:
        assert (await world.ask(url, shown))["of"] == [CLIENTS]
        world.app.state.client_authorities.put("other", intermediate.pem)
        assert (await world.ask(url, shown))["of"] == ["other"]


async def test_an_authority_learnt_later_is_accepted_and_told_apart(world: World) -> None:
    shown = world.proxies.client(world.folder, "front-proxy-client")
    async with serving(world.app) as url:
        with pytest.raises(httpx.HTTPError):
            await world.ask(url, shown)
        world.app.state.client_authorities.put(FRONT_PROXY, world.proxies.pem)
        assert await world.ask(url, shown) == {
            "cn": "front-proxy-client",
            "names": ["front-proxy-client"],
            "of": [FRONT_PROXY],
        }
        assert (await world.ask(url, world.clients.client(world.folder, "a")))["of"] == [CLIENTS]
        world.app.state.client_authorities.put(FRONT_PROXY, None)
        with pytest.raises(httpx.HTTPError):
            await world.ask(url, shown)


async def test_an_authority_that_is_trusted_no_more_counts_no_more_on_open_connections(world: World) -> None:
    context = trusting(world.trust, world.clients.client(world.folder, "actuator"))
    async with (
        serving(world.app) as url,
        httpx.AsyncClient(verify=context, trust_env=False) as client,
    ):
        assert (await client.get(f"{url}/whoami")).json()["of"] == [CLIENTS]
        world.proxies.write(world.folder / "clients.crt")
        assert await world.ask(url) == {}
        again = await client.get(f"{url}/whoami")
        assert again.json() == {"cn": "actuator", "names": ["actuator"], "of": []}
        with pytest.raises(httpx.HTTPError):
            await fresh_get(f"{url}/whoami", context)


async def test_a_header_does_not_make_a_peer(world: World) -> None:
    async with serving(world.app) as url:
        answer = await fresh_get(
            f"{url}/whoami", trusting(world.trust), {"tls_peer": "x", "x-client-cert": "actuator"}
        )
        assert answer.json() == {}


async def test_a_connection_that_wants_to_resume_a_session_proves_itself_again(world: World) -> None:
    context = trusting(world.trust, world.clients.client(world.folder, "actuator"))
    async with serving(world.app) as url:
        port = int(url.rpartition(":")[2])
        first, session, _ = await asyncio.to_thread(raw_get, context, port, None)
        again, _, resumed = await asyncio.to_thread(raw_get, context, port, session)
    assert b'"of":["clients"]' in first
    assert b'"of":["clients"]' in again
    assert not resumed


async def test_where_certificates_of_clients_count_tls_1_2_is_too_old(world: World) -> None:
    """Because its sessions can be resumed."""
    context = trusting(world.trust)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(world.app) as url:
        with pytest.raises(httpx.HTTPError):
            await fresh_get(f"{url}/whoami", context)


def raw_get(
    context: ssl.SSLContext, port: int, session: ssl.SSLSession | None
) -> tuple[bytes, ssl.SSLSession | None, bool | None]:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as tls,
    ):
        tls.sendall(b"GET /whoami HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = b""
        while chunk := tls.recv(65_536):
            answer += chunk
        return answer, tls.session, tls.session_reused


async def test_without_tls_there_is_no_peer() -> None:
    async with serving(an_app(router, port=0)) as url:
        assert (await fresh_get(f"{url}/whoami")).json() == {}


async def opened(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = url.rpartition("/")[2].partition(":")
    return await asyncio.open_connection(host, int(port))


async def is_closed(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(5):
        try:
            while await reader.read(65_536):
                pass
        except ConnectionResetError:
            return True
    return True


REQUEST = b"GET /whoami HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", b"GET /who", REQUEST + b"GET /who"])
async def test_a_connection_that_sends_no_whole_head_is_closed(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(peer, "HEAD_SECONDS", 0.05)
    async with serving(an_app(router, port=0)) as url:
        reader, writer = await opened(url)
        writer.write(sent)
        if sent.startswith(REQUEST):
            assert b"200" in await reader.readline()
            writer.write(b"am")
        assert await is_closed(reader)
        writer.close()


async def test_a_slow_answer_is_not_a_slow_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "HEAD_SECONDS", 0.05)
    slow = APIRouter()

    @slow.get("/slow")
    async def answer() -> str:
        await asyncio.sleep(0.2)
        return "done"

    async with serving(an_app(slow, port=0)) as url:
        assert (await fresh_get(f"{url}/slow")).json() == "done"


async def test_connections_beyond_the_bound_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "MAX_CONNECTIONS", 2)
    async with serving(an_app(router, port=0)) as url:
        held = [await opened(url) for _ in range(2)]
        for reader, writer in held:
            writer.write(REQUEST)
            assert b"200" in await reader.readline()
        reader, writer = await opened(url)
        assert await is_closed(reader)
        writer.close()
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(5):
            while True:
                try:
                    assert (await fresh_get(f"{url}/whoami")).status_code == 200
                except httpx.HTTPError:
                    continue
                break


async def test_a_websocket_is_not_opened() -> None:
    async with serving(an_app(router, port=0)) as url:
        reader, writer = await opened(url)
        writer.write(
            b"GET /whoami HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
        )
        assert b"101" not in await reader.readline()
        writer.close()
