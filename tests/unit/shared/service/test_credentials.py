"""What a client shows and trusts, over real connections, while it rotates."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Request
from structlog.testing import capture_logs

from inferno_shared.errors import ConfigurationError, UpstreamError
from inferno_shared.service import http_client, request_with_retry
from inferno_shared.service.tls import client_context, peer_of
from unit.shared.certificates import Authority
from unit.shared.service.asking import an_app
from unit.shared.service.serving import serving

router = APIRouter()


@router.get("/seen")
async def seen(request: Request) -> dict[str, Any]:
    peer = peer_of(request.scope)
    return {
        "certificate": peer.common_name if peer else None,
        "authorization": request.headers.get("authorization"),
    }


class Deployment:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers, self.clients = Authority("servers"), Authority("clients")
        self.trust = self.servers.write(folder / "ca.crt")
        self.server = self.servers.server(folder)
        self.client = self.clients.client(folder, "first")
        self.token = folder / "token"
        self.token.write_text("first-token\n")

    def service(self) -> Any:  # noqa: ANN401 - an app
        return an_app(
            router,
            port=0,
            tls_cert_file=self.server.certificate,
            tls_key_file=self.server.key,
            tls_client_ca_file=self.clients.write(self.folder / "clients.crt"),
        )


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path)


async def ask(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await request_with_retry(client, "GET", "/seen", headers={"connection": "close"})
    found: dict[str, Any] = answer.json()
    return found


async def test_authorities_certificate_and_token_follow_their_files(deployment: Deployment) -> None:
    async with (
        serving(deployment.service()) as url,
        http_client(
            base_url=url,
            timeout_seconds=5,
            ca_file=deployment.trust,
            cert_file=deployment.client.certificate,
            key_file=deployment.client.key,
            token_file=deployment.token,
        ) as client,
    ):
        assert await ask(client) == {"certificate": "first", "authorization": "Bearer first-token"}

        rotated = deployment.clients.client(deployment.folder, "second")
        rotated.certificate.rename(deployment.client.certificate)
        rotated.key.rename(deployment.client.key)
        deployment.token.write_text("second-token")
        assert await ask(client) == {"certificate": "second", "authorization": "Bearer second-token"}

        with capture_logs() as logs:
            deployment.client.key.write_text("broken")
            deployment.token.unlink()
            for _ in range(2):
                assert await ask(client) == {"certificate": "second", "authorization": "Bearer second-token"}
        assert [it["event"] for it in logs if it["log_level"] == "warning"] == [
            "token file not usable, the token before stays in force",
            "TLS files not usable, the ones before stay in force",
        ]
        deployment.token.write_text("third-token")
        assert (await ask(client))["authorization"] == "Bearer third-token"


async def test_a_rotated_authority_is_the_only_one_that_counts(deployment: Deployment) -> None:
    async with (
        serving(deployment.service()) as url,
        http_client(base_url=url, timeout_seconds=5, ca_file=deployment.trust) as client,
    ):
        assert await ask(client) == {"certificate": None, "authorization": None}
        Authority("others").write(deployment.trust)
        with pytest.raises(UpstreamError, match="certificate verify failed"):
            await ask(client)
        deployment.servers.write(deployment.trust)
        assert await ask(client) == {"certificate": None, "authorization": None}


async def test_blocking_clients_follow_the_files_as_well(deployment: Deployment) -> None:
    context = client_context(
        ca_file=deployment.trust, cert_file=deployment.client.certificate, key_file=deployment.client.key
    )

    def ask_blocking(url: str) -> str:
        with httpx.Client(verify=context, trust_env=False) as client:
            return str(client.get(f"{url}/seen").json()["certificate"])

    async with serving(deployment.service()) as url:
        assert await asyncio.to_thread(ask_blocking, url) == "first"
        rotated = deployment.clients.client(deployment.folder, "second")
        rotated.certificate.rename(deployment.client.certificate)
        rotated.key.rename(deployment.client.key)
        assert await asyncio.to_thread(ask_blocking, url) == "second"


async def test_the_systems_authorities_do_not_vouch_for_a_private_service(deployment: Deployment) -> None:
    async with (
        serving(deployment.service()) as url,
        http_client(
            base_url=url,
            timeout_seconds=5,
            cert_file=deployment.client.certificate,
            key_file=deployment.client.key,
        ) as client,
    ):
        with pytest.raises(UpstreamError, match="certificate verify failed"):
            await ask(client)


def test_a_token_never_travels_in_the_clear(deployment: Deployment) -> None:
    with pytest.raises(ConfigurationError, match="a bearer token is only sent over https"):
        http_client(base_url="http://collector:8081", timeout_seconds=1, token_file=deployment.token)
    http_client(base_url="http://127.0.0.1:8081", timeout_seconds=1, token_file=deployment.token)


@pytest.mark.parametrize("content", ["", "two words", "line\nline", "caf\u00e9", "x" * 40_000])
def test_a_file_without_one_token_is_refused_at_the_start(deployment: Deployment, content: str) -> None:
    deployment.token.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="bearer token") as caught:
        http_client(base_url="https://c", timeout_seconds=1, token_file=deployment.token)
    assert "line" not in str(caught.value).removeprefix(str(deployment.token))


def test_a_missing_token_or_certificate_is_named(deployment: Deployment) -> None:
    with pytest.raises(ConfigurationError, match=r"absent cannot be read as a bearer token"):
        http_client(base_url="https://c", timeout_seconds=1, token_file=deployment.folder / "absent")
    with pytest.raises(ConfigurationError, match=r"absent.* cannot be used as certificate and key"):
        http_client(base_url="https://c", timeout_seconds=1, cert_file=deployment.folder / "absent")
