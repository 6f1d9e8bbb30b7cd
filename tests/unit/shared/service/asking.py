"""An app of the kit, asked without a network."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI

from inferno_shared.service import ServiceSettings, create_app


def an_app(router: APIRouter | None = None, **settings: Any) -> FastAPI:  # noqa: ANN401 - each setting has its type
    return create_app(
        title="inferno-test", settings=ServiceSettings(**settings), routers=[router] if router else []
    )


@asynccontextmanager
async def asking(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
