"""The kubelet's HTTPS endpoint, from which an API server fetches the log of a container."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from devcluster.kubelet.logs import ContainerLog, parse_log_options

FindLog = Callable[[str, str, str], ContainerLog | None]
START_TIMEOUT_SECONDS = 10.0
_VALID = dt.timedelta(days=365)
_POLL_SECONDS = 0.02
# A kept-alive TLS connection would hold up the end of the kubelet until its peer hangs up.
_ONE_ANSWER = {"Connection": "close"}


class _Server(uvicorn.Server):
    """Leaves signals to the program that runs the kubelet."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serve_logs(
    find_log: FindLog, clock: Callable[[], dt.datetime], *, host: str, port: int
) -> AsyncIterator[int]:
    """Serve until the context ends; the value is the port."""
    with tempfile.TemporaryDirectory(prefix="kubelet-") as folder:
        certificate, key = _write_certificate(Path(folder), host, clock())
        config = uvicorn.Config(
            log_app(find_log, clock),
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            ssl_certfile=str(certificate),
            ssl_keyfile=str(key),
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve())
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                while not server.started:  # uvicorn has no event for it
                    if serving.done():
                        serving.result()
                    await asyncio.sleep(_POLL_SECONDS)
            yield int(server.servers[0].sockets[0].getsockname()[1])
        finally:
            server.should_exit = True
            await serving


def log_app(find_log: FindLog, clock: Callable[[], dt.datetime]) -> Starlette:
    """The application: logs and health."""

    async def container_logs(request: Request) -> Response:
        place = (
            request.path_params["namespace"],
            request.path_params["pod"],
            request.path_params["container"],
        )
        found = find_log(*place)
        if found is None:
            return PlainTextResponse(f"container {'/'.join(place)} does not run here", status_code=404)
        try:
            options = parse_log_options(dict(request.query_params), clock())
        except ValueError as error:
            return PlainTextResponse(str(error), status_code=400)
        return StreamingResponse(found.read(options), media_type="text/plain", headers=_ONE_ANSWER)

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(
        routes=[
            Route("/containerLogs/{namespace}/{pod}/{container}", container_logs),
            Route("/healthz", healthz),
        ]
    )


def _write_certificate(folder: Path, host: str, now: dt.datetime) -> tuple[Path, Path]:
    """A self-signed certificate for `host`, as a kubelet without a signed one makes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "devcluster-kubelet")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + _VALID)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "kubelet.crt", folder / "kubelet.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_file, key_file
