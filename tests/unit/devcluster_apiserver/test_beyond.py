"""Requests that end at another server: aggregated APIs and kubelets, over real HTTPS on loopback."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from devcluster.apiserver import RunningApi, running_api

METRICS = "/apis/external.metrics.k8s.io/v1beta1"
LIMIT_SECONDS = 10
DISCOVERY = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": "external.metrics.k8s.io/v1beta1",
    "resources": [
        {
            "name": "inferno_desired_replicas",
            "singularName": "",
            "namespaced": True,
            "kind": "ExternalMetricValueList",
            "verbs": ["get"],
        }
    ],
}


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate and its key."""

    certificate_file: Path
    key_file: Path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def make_certificate(folder: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "metrics.default.svc")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("metrics.default.svc")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(folder / "tls.crt", folder / "tls.key")
    made.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made


@asynccontextmanager
async def https_server(
    certificate: Certificate, answer: Callable[[str, asyncio.StreamWriter], Awaitable[None]]
) -> AsyncIterator[int]:
    """A small HTTPS server that gives each request line to `answer`; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await answer(head.split(b"\r\n")[0].decode(), writer)
        writer.close()
        await writer.wait_closed()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate_file, certificate.key_file)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def send(writer: asyncio.StreamWriter, body: bytes, content_type: str = "application/json") -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n"
    writer.write(f"{head}connection: close\r\n\r\n".encode() + body)
    await writer.drain()


@pytest.fixture
async def cluster() -> AsyncIterator[RunningApi]:
    async with running_api() as running:
        yield running


@pytest.fixture
async def client(cluster: RunningApi) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=cluster.url, timeout=LIMIT_SECONDS, trust_env=False) as http:
        yield http


async def register(client: httpx.AsyncClient, port: int, **spec: Any) -> None:  # noqa: ANN401 - any field
    service = {"metadata": {"name": "metrics"}, "spec": {"type": "ExternalName", "externalName": "127.0.0.1"}}
    assert (await client.post("/api/v1/namespaces/default/services", json=service)).status_code == 201
    body = {
        "metadata": {"name": "v1beta1.external.metrics.k8s.io"},
        "spec": {
            "group": "external.metrics.k8s.io",
            "version": "v1beta1",
            "service": {"namespace": "default", "name": "metrics", "port": port},
            **spec,
        },
    }
    made = await client.post("/apis/apiregistration.k8s.io/v1/apiservices", json=body)
    assert made.status_code == 201, made.text


async def availability(client: httpx.AsyncClient, status: str) -> dict[str, Any]:
    """The Available condition, once it has the status."""
    path = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.external.metrics.k8s.io"
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            found = (await client.get(path)).json().get("status", {}).get("conditions", [])
            if found and found[0]["status"] == status:
                return dict(found[0])
            await asyncio.sleep(0.01)


async def metrics_answer(line: str, writer: asyncio.StreamWriter) -> None:
    path = line.split()[1]
    body = httpx.Response(200, json=DISCOVERY).content if path == METRICS else f'"{path}"'.encode()
    await send(writer, body)


@pytest.mark.parametrize("verified", [True, False])
async def test_an_api_service_sends_its_group_to_its_server(
    client: httpx.AsyncClient,
    certificate: Certificate,
    verified: bool,  # noqa: FBT001 - a parameter of a table
) -> None:
    bundle = b64encode(certificate.certificate_file.read_bytes()).decode()
    spec: dict[str, Any] = {"caBundle": bundle} if verified else {"insecureSkipTLSVerify": True}
    async with https_server(certificate, metrics_answer) as port:
        await register(client, port, **spec)
        await availability(client, "True")
        path = f"{METRICS}/namespaces/llm-d-sim/inferno_desired_replicas?labelSelector=a%3Db"
        answer = await client.get(path)
        assert (answer.status_code, answer.json()) == (200, path)
        accept = {"accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
        groups = (await client.get("/apis", headers=accept)).json()["items"]
        (version,) = next(
            item["versions"] for item in groups if item["metadata"]["name"] == "external.metrics.k8s.io"
        )
        assert version["freshness"] == "Current"
        assert version["resources"][0]["resource"] == "inferno_desired_replicas"


async def test_a_certificate_that_is_not_trusted_is_refused(
    client: httpx.AsyncClient, certificate: Certificate, tmp_path: Path
) -> None:
    other = make_certificate(tmp_path).certificate_file.read_bytes()
    async with https_server(certificate, metrics_answer) as port:
        await register(client, port, caBundle=b64encode(other).decode())
        await availability(client, "False")
        answer = await client.get(f"{METRICS}/namespaces/x/y")
        assert answer.status_code == 503
        assert "CERTIFICATE_VERIFY_FAILED" in answer.json()["message"]


async def test_a_server_that_is_away_is_unavailable_and_harms_nobody_else(client: httpx.AsyncClient) -> None:
    await register(client, 1, insecureSkipTLSVerify=True)
    condition = await availability(client, "False")
    assert condition["reason"] == "FailedDiscoveryCheck"
    answer = await client.get(f"{METRICS}/namespaces/x/y")
    assert (answer.status_code, answer.json()["reason"]) == (503, "ServiceUnavailable")
    assert (await client.get("/apis")).status_code == 200
    assert (await client.get("/api/v1/pods")).status_code == 200


async def make_pod(client: httpx.AsyncClient, kubelet_port: int | None) -> None:
    container = {"name": "c", "image": "busybox"}
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [container]}}
    await client.post("/api/v1/namespaces/default/pods", json=pod)
    if kubelet_port is None:
        return
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet_port}},
    }
    await client.post("/api/v1/nodes", json={"metadata": {"name": "n"}, "status": status})
    binding = {"target": {"name": "n"}}
    await client.post("/api/v1/namespaces/default/pods/p/binding", json=binding)


async def test_logs_come_from_the_kubelet_of_the_pods_node(
    client: httpx.AsyncClient, certificate: Certificate
) -> None:
    async def kubelet(line: str, writer: asyncio.StreamWriter) -> None:
        await send(writer, line.split()[1].encode(), "text/plain")

    async with https_server(certificate, kubelet) as port:
        await make_pod(client, port)
        answer = await client.get("/api/v1/namespaces/default/pods/p/log?tailLines=5")
        assert answer.text == "/containerLogs/default/p/c?tailLines=5"
        wrong = await client.get("/api/v1/namespaces/default/pods/p/log?container=x")
        assert (wrong.status_code, wrong.json()["message"]) == (400, "container x is not valid for pod p")


async def test_followed_logs_arrive_while_they_are_written(
    client: httpx.AsyncClient, certificate: Certificate
) -> None:
    seen = asyncio.Event()

    async def kubelet(line: str, writer: asyncio.StreamWriter) -> None:
        assert "follow=true" in line
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nfirst\n")
        await writer.drain()
        await asyncio.wait_for(seen.wait(), LIMIT_SECONDS)
        writer.write(b"second\n")
        await writer.drain()

    async with https_server(certificate, kubelet) as port:
        await make_pod(client, port)
        path = "/api/v1/namespaces/default/pods/p/log?follow=true"
        async with client.stream("GET", path) as answer:
            lines = answer.aiter_lines()
            assert await anext(lines) == "first"
            seen.set()
            assert await anext(lines) == "second"


async def test_logs_of_a_pod_without_node_or_with_a_dead_kubelet(client: httpx.AsyncClient) -> None:
    await make_pod(client, None)
    path = "/api/v1/namespaces/default/pods/p/log"
    assert (await client.get(path)).json()["message"] == "pod p does not have a host assigned"
    await client.delete("/api/v1/namespaces/default/pods/p")
    await make_pod(client, 1)
    assert (await client.get(path)).status_code == 503


@pytest.mark.parametrize("subresource", ["portforward", "exec"])
async def test_a_connection_in_both_directions_is_refused_with_what_to_do_instead(
    client: httpx.AsyncClient, subresource: str
) -> None:
    await make_pod(client, None)
    answer = await client.post(f"/api/v1/namespaces/default/pods/p/{subresource}")
    assert answer.status_code == 400
    assert f"does not serve {subresource}" in answer.json()["message"]
    assert "kubectl get --raw /api/v1/namespaces/default/pods/p:PORT/proxy/" in answer.json()["message"]
