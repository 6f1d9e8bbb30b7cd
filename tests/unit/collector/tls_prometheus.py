"""A Prometheus behind real TLS on loopback, and the authorities and certificates that a test rotates."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


class Authority:
    """A certificate authority of its own."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = self._signed(self._name, self._key, authority=True)

    @property
    def pem(self) -> str:
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, folder: Path, name: str, *, address: str | None = "127.0.0.1") -> tuple[Path, Path]:
        """Write a certificate of DNS name `name` and its key, each replaced whole, as the kubelet does."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names: list[x509.GeneralName] = [x509.DNSName(name)]
        if address is not None:
            names.append(x509.IPAddress(ip_address(address)))
        certificate = self._signed(subject, key, names=names)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        files = folder / f"{name}.crt", folder / f"{name}.key"
        put(files[1], private.decode())
        put(files[0], certificate.public_bytes(serialization.Encoding.PEM).decode())
        return files

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        names: list[x509.GeneralName] | None = None,
        authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())


class TlsPrometheus:
    """Answers every query with `series`; remembers tokens, and how often a connection was made."""

    def __init__(self, token: str | None = None) -> None:
        self.token = token
        self.series: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.connections = 0
        self.url = ""
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while await self._answer(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other side, or the test, has closed the connection
        finally:
            self._writers.discard(writer)
            writer.close()

    def drop_connections(self) -> None:
        """As a server that restarts."""
        for writer in self._writers:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        headers = dict(
            line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:] if ": " in line
        )
        await reader.readexactly(int(headers.get("content-length", "0")))
        token = headers.get("authorization", "").removeprefix("bearer ")
        self.tokens.append(token)
        body = json.dumps({"data": {"resultType": "matrix", "result": self.series}}).encode()
        refused = self.token is not None and token != self.token
        status = "401 Unauthorized" if refused else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        return True


@asynccontextmanager
async def serving(
    prometheus: TlsPrometheus,
    certificate: tuple[Path, Path],
    *,
    clients: Authority | None = None,
    port: int = 0,
) -> AsyncIterator[TlsPrometheus]:
    """Serve on loopback; with `clients`, only to those with a certificate of that authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients.pem)
    server = await asyncio.start_server(prometheus.serve, "127.0.0.1", port, ssl=context)
    prometheus.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield prometheus
    finally:
        prometheus.drop_connections()
        server.close()
        await server.wait_closed()


def put(file: Path, text: str) -> None:
    """Write a file whole, or replace it."""
    draft = file.with_name(f".{file.name}.draft")
    draft.write_text(text)
    draft.replace(file)
