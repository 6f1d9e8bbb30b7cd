"""The actuator's HTTP face: `/plan`, `/invoke`, the external metrics API, the kit's probes and metrics."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final

import httpx
from fastapi import APIRouter, Depends, FastAPI, Request

from inferno_actuator.actuator import Actuator
from inferno_actuator.clock import Clock, SystemClock
from inferno_actuator.external_metrics import Exported, external_metrics_router
from inferno_actuator.scheduler import NotLeadingError
from inferno_actuator.settings import ActuatorSettings
from inferno_actuator.views import CycleView, PlanView, VariantDetailView
from inferno_shared.contracts import Problem
from inferno_shared.kubernetes import ClusterAccess, KubernetesClient
from inferno_shared.service import (
    FRONT_PROXY,
    FrontProxyGate,
    OpenGate,
    ProblemError,
    create_app,
    http_client,
)

Connect = Callable[[], AbstractAsyncContextManager[KubernetesClient]]

TITLE: Final = "inferno-actuator"
EXTERNAL_METRICS_PATH: Final = "/apis"


def create_actuator_app(
    settings: ActuatorSettings,
    *,
    connect: Connect = KubernetesClient.connect,
    collector_transport: httpx.AsyncBaseTransport | None = None,
    optimizer_transport: httpx.AsyncBaseTransport | None = None,
    clock: Clock | None = None,
) -> FastAPI:
    """The application; transports, connection and clock are the seams through which tests enter."""
    access = ClusterAccess()
    aggregator_only = settings.external_metrics_authorization == "aggregator"

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            connect() as kubernetes,
            access.through(
                kubernetes,
                trust_front_proxy=partial(app.state.client_authorities.put, FRONT_PROXY)
                if aggregator_only
                else None,
            ),
            _client(
                settings,
                settings.collector_url,
                settings.collector_timeout_seconds,
                collector_transport,
                # To the collector only, which checks it: whoever sees a token can use it.
                token_file=settings.client_token_file,
            ) as collector,
            _client(
                settings, settings.optimizer_url, settings.optimizer_timeout_seconds, optimizer_transport
            ) as optimizer,
        ):
            actuator = Actuator(
                settings,
                kubernetes=kubernetes,
                collector=collector,
                optimizer=optimizer,
                registry=app.state.registry,
                clock=clock or SystemClock(),
            )
            app.state.actuator = actuator
            async with actuator.running():
                yield

    routers = [_plan_router()]
    if settings.external_metrics:
        routers.append(external_metrics_router(_exported))
    app = create_app(
        title=TITLE,
        settings=settings,
        lifespan=lifespan,
        ready=lambda: app.state.actuator.unready_reasons(),  # noqa: PLW0108 - the actuator comes with the lifespan
        routers=routers,
        reviewer=access.reviewer,
        gates={EXTERNAL_METRICS_PATH: FrontProxyGate(access.front_proxy) if aggregator_only else OpenGate()},
    )
    return app


def _client(
    settings: ActuatorSettings,
    url: str,
    timeout_seconds: float,
    transport: httpx.AsyncBaseTransport | None,
    *,
    token_file: Path | None = None,
) -> httpx.AsyncClient:
    return http_client(
        base_url=url,
        # Below the stage's own limit, so that the error which names the address comes first.
        timeout_seconds=0.9 * timeout_seconds,
        ca_file=settings.client_ca_file,
        cert_file=settings.client_cert_file,
        key_file=settings.client_key_file,
        token_file=token_file,
        transport=transport,
    )


def _actuator(request: Request) -> Actuator:
    actuator: Actuator = request.app.state.actuator
    return actuator


def _exported(request: Request) -> Exported:
    return _actuator(request).exported


def _standing_by(actuator: Actuator) -> list[Problem]:
    leader = actuator.scheduler.stands_by
    return [Problem(subject="Actuator", reason="NotLeading", message=f"{leader}: ask it")] if leader else []


Running = Annotated[Actuator, Depends(_actuator)]


def _plan_router() -> APIRouter:
    router = APIRouter(tags=["plan"])

    @router.get("/plan", summary="The plan in force, its snapshot's id, and why")
    async def plan(actuator: Running) -> PlanView:
        in_force, now = actuator.journal.in_force, actuator.clock.monotonic()
        return PlanView.of(
            in_force,
            actuator.journal.cycles,
            age_seconds=now - in_force.planned_at if in_force else None,
            fresh=in_force is not None and actuator.gauges.shown.is_fresh(in_force.planned_at, now),
            problems=[*actuator.cluster.problems(), *_standing_by(actuator)],
        )

    @router.get("/plan/{namespace}/{name}", summary="The decision for one variant, explained")
    async def variant(namespace: str, name: str, actuator: Running) -> VariantDetailView:
        in_force = actuator.journal.in_force
        decision = in_force.decisions.get((namespace, name)) if in_force else None
        if decision is None and (leader := actuator.scheduler.stands_by):
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "Not the leader", f"{leader}: ask it")
        if in_force is None or decision is None:
            known = ", ".join("/".join(key) for key in in_force.decisions) if in_force else ""
            detail = f"no decision about {namespace}/{name}; decided on: {known or 'nothing yet'}"
            raise ProblemError(HTTPStatus.NOT_FOUND, "No decision", detail)
        return VariantDetailView.explained(decision, in_force.targets.get(decision.key))

    @router.post("/invoke", summary="Run the loop now and answer with what it did")
    async def invoke(actuator: Running) -> CycleView:
        if not actuator.cluster.synced:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE, "Not ready", "; ".join(actuator.unready_reasons())
            )
        try:
            return CycleView.of(await actuator.scheduler.turn_now())
        except NotLeadingError as error:
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "Not the leader", str(error)) from error

    return router
