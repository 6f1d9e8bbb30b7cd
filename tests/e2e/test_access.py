"""Who may ask our services, decided by a real API server: tokens, permissions, and its own aggregator."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request

from controlplane import ControlPlane
from e2e.clusters import until_true
from inferno_shared.access import FrontProxy
from inferno_shared.kubernetes import AccessReviewer, FrontProxyWatch, KubernetesClient
from inferno_shared.service import (
    FRONT_PROXY,
    FrontProxyGate,
    ServiceSettings,
    caller_of,
    create_app,
    http_client,
)
from unit.shared.service.serving import serving

GROUP = "access.inferno.test"
PATH = f"/apis/{GROUP}/v1"
ACCOUNT = "caller"
USER = f"system:serviceaccount:default:{ACCOUNT}"
router = APIRouter()


@router.get(PATH)
@router.get("/plan")
async def who(request: Request) -> dict[str, Any]:
    caller = caller_of(request.scope)
    return {
        "kind": "APIResourceList",
        "groupVersion": f"{GROUP}/v1",
        "resources": [],
        "caller": caller.name if caller else "",
    }


class Service:
    """Our service, secured, with its own certificate of the cluster's authority."""

    def __init__(self, real: ControlPlane, client: KubernetesClient) -> None:
        pair = real.issue("access-test")
        self.front_proxy = FrontProxyWatch(client, self._trust)
        reviewer = AccessReviewer(client)
        self.app: FastAPI = create_app(
            title="inferno-test",
            settings=ServiceSettings(
                port=0,
                tls_cert_file=pair.certificate,
                tls_key_file=pair.key,
                service_authorization="kubernetes",
                metrics_authorization="kubernetes",
            ),
            routers=[router],
            reviewer=lambda: reviewer,
            gates={"/apis": FrontProxyGate(lambda: self.front_proxy.current)},
        )
        self.url = ""

    def _trust(self, trusted: FrontProxy | None) -> None:
        self.app.state.client_authorities.put(FRONT_PROXY, trusted.authority_pem if trusted else None)


@pytest.fixture
async def service(real: ControlPlane, client: KubernetesClient) -> AsyncIterator[Service]:
    service = Service(real, client)
    async with AsyncExitStack() as stack:
        service.url = await stack.enter_async_context(serving(service.app))
        following = asyncio.create_task(service.front_proxy.run())
        stack.callback(following.cancel)
        await until_true(lambda: service.front_proxy.current is not None)
        yield service


@pytest.fixture
def account(real: ControlPlane) -> Iterator[None]:
    real.kubectl("create", "serviceaccount", ACCOUNT)
    yield
    real.kubectl("delete", "serviceaccount", ACCOUNT)
    real.kubectl("delete", "clusterrole,clusterrolebinding", ACCOUNT, "--ignore-not-found")


def a_token(real: ControlPlane, folder: Path, *audiences: str) -> Path:
    file = folder / "token"
    asked = [f"--audience={audience}" for audience in audiences]
    file.write_text(real.kubectl("create", "token", ACCOUNT, *asked))
    return file


def allow(real: ControlPlane, *paths: str) -> None:
    urls = [f"--non-resource-url={path}" for path in paths]
    real.kubectl("create", "clusterrole", ACCOUNT, "--verb=get", *urls)
    real.kubectl(
        "create",
        "clusterrolebinding",
        ACCOUNT,
        f"--clusterrole={ACCOUNT}",
        f"--serviceaccount=default:{ACCOUNT}",
    )


async def get(
    service: Service, real: ControlPlane, path: str, token_file: Path | None = None
) -> httpx.Response:
    async with http_client(
        base_url=service.url, timeout_seconds=10, ca_file=real.authority, token_file=token_file
    ) as client:
        return await client.get(path)


@pytest.mark.usefixtures("account")
async def test_a_service_account_comes_in_with_the_right_audience_and_permission(
    real: ControlPlane, service: Service, tmp_path: Path
) -> None:
    allow(real, "/plan")
    ours = a_token(real, tmp_path, "inferno-autoscaler")
    assert (await get(service, real, "/plan", ours)).json()["caller"] == USER
    elsewhere = await get(service, real, "/docs", ours)
    assert elsewhere.status_code == 403
    assert elsewhere.json()["detail"].startswith(f"{USER} may not get /docs")
    assert (await get(service, real, "/metrics", ours)).status_code == 401


@pytest.mark.usefixtures("account")
async def test_metrics_take_the_token_that_prometheus_has(
    real: ControlPlane, service: Service, tmp_path: Path
) -> None:
    allow(real, "/metrics")
    token = a_token(real, tmp_path)
    answer = await get(service, real, "/metrics", token)
    assert answer.status_code == 200
    assert "inferno_tls_certificate_expiration_timestamp_seconds" in answer.text
    assert (await get(service, real, "/plan", token)).status_code == 401


@pytest.mark.usefixtures("account")
async def test_without_a_permission_or_a_token_nobody_comes_in(
    real: ControlPlane, service: Service, tmp_path: Path
) -> None:
    assert (
        await get(service, real, "/plan", a_token(real, tmp_path, "inferno-autoscaler"))
    ).status_code == 403
    assert (await get(service, real, "/plan")).status_code == 401
    forged = tmp_path / "forged"
    forged.write_text("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.")
    assert (await get(service, real, "/plan", forged)).status_code == 401


@pytest.fixture
def aggregated(real: ControlPlane, service: Service) -> Iterator[None]:
    port = int(service.url.rpartition(":")[2])
    documents = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "access-test", "namespace": "default"},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"v1.{GROUP}"},
            "spec": {
                "group": GROUP,
                "version": "v1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "insecureSkipTLSVerify": True,
                "service": {"namespace": "default", "name": "access-test", "port": port},
            },
        },
    ]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
    real.kubectl("apply", "-f", "-", stdin=listed)
    yield
    real.kubectl("delete", "-f", "-", stdin=listed)


@pytest.mark.usefixtures("aggregated")
async def test_an_aggregated_api_answers_the_aggregator_for_the_user_who_asks_it(real: ControlPlane) -> None:
    await asyncio.to_thread(
        real.kubectl, "wait", f"apiservice/v1.{GROUP}", "--for=condition=Available", "--timeout=30s"
    )

    async def asked(*options: str) -> str:
        answer = await asyncio.to_thread(real.kubectl, "get", "--raw", PATH, *options)
        return str(json.loads(answer)["caller"])

    assert await asked() == "admin"
    assert await asked("--as=jane", "--as-group=system:authenticated") == "jane"


async def test_an_aggregated_api_answers_nobody_else(real: ControlPlane, service: Service) -> None:
    spoofed = {"x-remote-user": "admin", "x-remote-group": "system:masters"}
    async with http_client(
        base_url=service.url, timeout_seconds=10, ca_file=real.authority, headers=spoofed
    ) as client:
        answer = await client.get(PATH)
    assert answer.status_code == 403
    admin = real.identities.admin
    async with http_client(
        base_url=service.url,
        timeout_seconds=10,
        ca_file=real.authority,
        cert_file=admin.certificate,
        key_file=admin.key,
        headers=spoofed,
    ) as client:
        with pytest.raises(httpx.HTTPError):
            await client.get(PATH)


@pytest.mark.usefixtures("account")
async def test_the_authority_is_read_with_the_role_that_the_cluster_has_for_it(
    real: ControlPlane,
) -> None:
    kubeconfig = await asyncio.to_thread(real.account_kubeconfig, "default", ACCOUNT)
    async with KubernetesClient.connect(kubeconfig=str(kubeconfig)) as client:
        found: list[FrontProxy | None] = []
        watch = FrontProxyWatch(client, found.append)
        following = asyncio.create_task(watch.run())
        await until_true(lambda: "grant apiGroups" in (watch.problem or ""))
        real.kubectl(
            "create",
            "rolebinding",
            ACCOUNT,
            "--namespace=kube-system",
            "--role=extension-apiserver-authentication-reader",
            f"--serviceaccount=default:{ACCOUNT}",
        )
        await until_true(lambda: watch.problem is None)
        following.cancel()
        real.kubectl("delete", "rolebinding", ACCOUNT, "--namespace=kube-system")
    (trusted,) = found
    assert trusted is not None
    assert trusted.allowed_names == {"front-proxy"}
    assert trusted.username_headers == ("X-Remote-User",)
    assert trusted.authority_pem.strip() == real.identities.front_proxy_authority.file.read_text().strip()
