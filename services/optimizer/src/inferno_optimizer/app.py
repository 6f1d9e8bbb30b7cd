"""The optimizer over HTTP: POST /optimize, /analyze, /optimizeOne. Stateless: same request, same answer."""

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from inferno_optimizer.endpoint import Answer, Endpoint
from inferno_optimizer.endpoints import ENDPOINTS
from inferno_optimizer.process import WorkerProcess
from inferno_optimizer.serving import Line, OwnProcess, Solver, WorkerProcesses
from inferno_optimizer.settings import OptimizerSettings
from inferno_shared.service import create_app

PLAN_SECONDS_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class OptimizerMetrics:
    """What the optimizer says about its plans and its workers; counted here, wherever they were made."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "inferno_optimizer_plan_seconds",
            "Time from snapshot to plan, waiting for a turn not included",
            buckets=PLAN_SECONDS_BUCKETS,
            registry=registry,
        )
        self._plans = Counter(
            "inferno_optimizer_plans_total",
            "Plans by how good they are proven to be",
            ["status", "verified"],
            registry=registry,
        )
        self._cpu_seconds = Counter(
            "inferno_optimizer_worker_cpu_seconds_total",
            "Processor time that worker processes spent on requests",
            registry=registry,
        )
        self.workers = Gauge("inferno_optimizer_workers", "Worker processes running", registry=registry)
        self.busy = Gauge("inferno_optimizer_workers_busy", "Worker processes that solve", registry=registry)
        self.worker_deaths = Counter(
            "inferno_optimizer_worker_deaths_total",
            "Worker processes that ended unasked, such as for lack of memory",
            registry=registry,
        )

    def count(self, answer: Answer) -> None:
        """Count one answer's plans by their certificates."""
        self._cpu_seconds.inc(answer.cpu_seconds)
        for plan in answer.plans:
            self._seconds.observe(plan.seconds)
            self._plans.labels(plan.status, str(plan.verified).lower()).inc()


class UnreadRoute(APIRoute):
    """Gives the endpoint the request as it came: the body is read by a worker.

    The endpoint's signature says what the body is, for the OpenAPI document.
    """

    def get_route_handler(self) -> Handler:  # noqa: D102 - FastAPI's
        return self.endpoint


def create_optimizer_app(settings: OptimizerSettings) -> FastAPI:
    """The service: its endpoints and the service kit's.

    Worker processes start and end with the app's lifespan; without one, at the first request.
    """
    processes: list[WorkerProcesses] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for workers in processes:
            workers.grow()
        yield
        for workers in processes:
            await workers.close()

    def not_ready() -> Sequence[str]:
        return [workers.trouble for workers in processes if not workers]

    app = create_app(title="inferno-optimizer", settings=settings, lifespan=lifespan, ready=not_ready)
    metrics = OptimizerMetrics(app.state.registry)
    solver: Solver = OwnProcess(settings.max_solve_seconds)
    most = settings.worker_processes()
    if most:
        processes.append(_processes(settings, most, metrics))
        solver = processes[0]
    line = Line(solver, max(1, most) + settings.waiting_solves)
    router = APIRouter(route_class=UnreadRoute)
    for number, endpoint in enumerate(ENDPOINTS):
        router.add_api_route(
            endpoint.path,
            _handler(line, number, endpoint, metrics),
            methods=["POST"],
            summary=endpoint.summary,
            tags=[endpoint.tag],
            name=endpoint.path.strip("/"),
            responses={200: {"model": endpoint.answers}},
        )
    app.include_router(router)
    return app


def _processes(settings: OptimizerSettings, most: int, metrics: OptimizerMetrics) -> WorkerProcesses:
    workers = WorkerProcesses(
        most,
        lambda: WorkerProcess.start(settings.max_solve_seconds, settings.log_level),
        metrics.worker_deaths.inc,
    )
    metrics.workers.set_function(lambda: len(workers))
    metrics.busy.set_function(lambda: workers.busy)
    return workers


def _handler(line: Line, number: int, endpoint: Endpoint[Any], metrics: OptimizerMetrics) -> Handler:
    async def handle(request: Request) -> Response:
        answer = await line.answer(request, number)
        metrics.count(answer)
        return Response(answer.content, answer.status, media_type=answer.media_type)

    body = inspect.Parameter(
        "document", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=endpoint.document
    )
    vars(handle)["__signature__"] = inspect.Signature([body])
    return handle
