"""Running the API over HTTP on loopback, and the kubeconfig that leads to it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
import yaml

from devcluster.apiserver.app import ApiServer, create_api

_START_SECONDS = 10.0
_GRACE_SECONDS = 2
_BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class RunningApi:
    """A served API: its address, the kubeconfig file for it, and the application itself."""

    url: str
    kubeconfig: Path
    api: ApiServer


class Server(uvicorn.Server):
    """A uvicorn server that ends the open watches first, so that shutting down does not wait for them."""

    def __init__(self, api: ApiServer, *, handle_signals: bool) -> None:
        config = uvicorn.Config(
            api,
            log_level="warning",
            access_log=False,
            lifespan="on",
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        super().__init__(config)
        self._api = api
        self._handle_signals = handle_signals

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End watches, then everything else."""
        self._api.watches.close()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone when the server is only a part of its process."""
        if not self._handle_signals:
            yield
            return
        with super().capture_signals():
            yield


def listen(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A listening socket; port 0 lets the system choose."""
    # The protocol is named because asyncio sends small answers without delay (TCP_NODELAY) only then.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket) -> str:
    """The address of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"


def write_kubeconfig(path: Path, url: str) -> None:
    """A kubeconfig file with one context for the API; written whole or not at all."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "devcluster",
        "clusters": [{"name": "devcluster", "cluster": {"server": url}}],
        "contexts": [{"name": "devcluster", "context": {"cluster": "devcluster", "user": "devcluster"}}],
        "users": [{"name": "devcluster", "user": {}}],
    }
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    draft.replace(path)


@asynccontextmanager
async def running_api(
    *, history_size: int = 10_000, bookmark_seconds: float = 60, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[RunningApi]:
    """An empty cluster's API in this event loop, with a kubeconfig file that lasts as long as it does."""
    api = create_api(history_size=history_size, bookmark_seconds=bookmark_seconds)
    with TemporaryDirectory(prefix="devcluster-") as folder, listen(host, port) as listener:
        url, kubeconfig = url_of(listener), Path(folder) / "kubeconfig"
        write_kubeconfig(kubeconfig, url)
        server = Server(api, handle_signals=False)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await _wait_until_started(server, serving)
            yield RunningApi(url, kubeconfig, api)
        finally:
            server.should_exit = True
            await serving


async def _wait_until_started(server: Server, serving: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(_START_SECONDS):
        while not server.started:
            if serving.done():
                serving.result()
                raise RuntimeError("the API server ended while it was starting")
            await asyncio.sleep(0.005)
