"""An app of the kit behind its real server, on loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI

from inferno_shared.service import ServiceSettings
from inferno_shared.service.server import server_config
from unit.shared.certificates import Pair
from unit.shared.waiting import until


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """Serve `app` with its settings on a free port; yield its address."""
    settings: ServiceSettings = app.state.settings
    server = uvicorn.Server(server_config(app, settings))
    task = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started or task.done())
        if task.done():
            task.result()
        port = server.servers[0].sockets[0].getsockname()[1]
        scheme = "https" if settings.tls_cert_file else "http"
        yield f"{scheme}://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        async with asyncio.timeout(10):
            await task


def trusting(authority: Path, shown: Pair | None = None) -> ssl.SSLContext:
    """A client's context."""
    context = ssl.create_default_context(cafile=authority)
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key)
    return context


async def fresh_get(
    url: str, context: ssl.SSLContext | None = None, headers: dict[str, str] | None = None
) -> httpx.Response:
    """Ask over a new connection."""
    async with httpx.AsyncClient(verify=context or ssl.create_default_context(), trust_env=False) as client:
        return await client.get(url, headers=headers)
