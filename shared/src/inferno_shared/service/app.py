"""The application that every service is: its endpoints plus health, readiness, metrics, problem documents.

Nothing is global: each app has its own metrics registry, so that two in one process never meet.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_fastapi_instrumentator import Instrumentator

from inferno_shared.access import Reviewer
from inferno_shared.service.authorization import AccessControl, Gate, gates_of
from inferno_shared.service.limits import RequestLimits
from inferno_shared.service.logs import get_logger
from inferno_shared.service.middleware import BoundedBody, FaultBarrier
from inferno_shared.service.problems import FieldError, ProblemError, add_problem_handlers, problem_response
from inferno_shared.service.settings import ServiceSettings
from inferno_shared.service.tls import Authorities
from inferno_shared.version import __version__

UNMEASURED = ["^/healthz$", "^/readyz$", "^/metrics$"]

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

log = get_logger(__name__)


def create_app(
    *,
    title: str,
    settings: ServiceSettings,
    lifespan: Lifespan | None = None,
    ready: Callable[[], Sequence[str]] = tuple,
    routers: Sequence[APIRouter] = (),
    reviewer: Callable[[], Reviewer | None] | None = None,
    gates: Mapping[str, Gate] | None = None,
) -> FastAPI:
    """Return an app with /healthz, /readyz, /metrics, /docs and the endpoints of `routers`.

    The metrics registry is `app.state.registry`, the settings are `app.state.settings`, and
    `app.state.client_authorities` takes authorities of client certificates that come from elsewhere than a
    file. Who asks is `request.state.caller`.

    Args:
        title: the service's name, as in `inferno-collector`.
        settings: with who may ask, and how much at once.
        lifespan: starts and stops what runs beside the requests; its end gets half of `shutdown_seconds`.
        ready: the reasons why the service cannot do its work yet; none means ready.
        routers: the service's endpoints.
        reviewer: who checks tokens, None until connected; left out by a service without a cluster.
        gates: path prefixes with a gate of their own.

    Raises:
        ConfigurationError: the settings want tokens checked and there is no `reviewer`.
    """
    app = FastAPI(
        title=title,
        version=__version__,
        lifespan=_bounded(lifespan or _nothing, settings.shutdown_seconds / 2),
        openapi_url="/openapi.json",
        redoc_url=None,
    )
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    build = Gauge(
        "inferno_build_info", "Version of the running service", ["service", "version"], registry=registry
    )
    build.labels(service=title, version=__version__).set(1)
    app.state.registry = registry
    app.state.settings = settings
    app.state.client_authorities = Authorities()
    add_problem_handlers(app)
    app.include_router(_probes(ready, registry))
    for router in routers:
        app.include_router(router)
    app.add_middleware(BoundedBody, max_bytes=settings.max_body_bytes)
    app.add_middleware(
        RequestLimits,
        max_concurrent=settings.max_concurrent_requests,
        seconds=settings.request_timeout_seconds,
        registry=registry,
    )
    app.add_middleware(AccessControl, gates=gates_of(settings, title, reviewer, gates), registry=registry)
    app.add_middleware(FaultBarrier)
    Instrumentator(
        registry=registry, excluded_handlers=UNMEASURED, should_group_status_codes=False
    ).instrument(app)
    return app


def _probes(ready: Callable[[], Sequence[str]], registry: CollectorRegistry) -> APIRouter:
    router = APIRouter(tags=["operation"])

    @router.get("/healthz", summary="Whether the process is alive")
    async def healthz() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @router.get("/readyz", summary="Whether the service can do its work, and if not, why")
    async def readyz() -> Response:
        reasons = list(ready())
        if not reasons:
            return JSONResponse({"status": "ok"})
        errors = [FieldError("ready", reason) for reason in reasons]
        return problem_response(
            ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "Not ready", "; ".join(reasons), errors)
        )

    @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    return router


@asynccontextmanager
async def _nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


def _bounded(lifespan: Lifespan, seconds: float) -> Lifespan:
    """Bound the end of `lifespan`, so that one stuck task cannot keep the process from leaving."""

    @asynccontextmanager
    async def bounded(app: FastAPI) -> AsyncIterator[None]:
        running = lifespan(app)
        await running.__aenter__()
        try:
            yield
        finally:
            try:
                async with asyncio.timeout(seconds):
                    await running.__aexit__(None, None, None)
            except TimeoutError:
                log.exception("shutdown not finished in time, leaving", seconds=seconds)

    return bounded
