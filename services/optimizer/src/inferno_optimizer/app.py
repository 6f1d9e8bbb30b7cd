"""The optimizer over HTTP: POST /optimize, /analyze, /optimizeOne. Stateless: same request, same answer."""

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response
from ortools.util.python.solve_interrupter import SolveInterrupter
from prometheus_client import CollectorRegistry, Counter, Histogram

from inferno_optimizer.allocation import Problem
from inferno_optimizer.analysis import analyze
from inferno_optimizer.choosing import Chosen, Refused, choose
from inferno_optimizer.compat.router import optimize_one_router
from inferno_optimizer.plan import make_plan
from inferno_optimizer.serving import JsonRoute
from inferno_optimizer.settings import OptimizerSettings
from inferno_optimizer.whatif.router import optimize_router
from inferno_optimizer.work import Workers
from inferno_shared.contracts import AnalysisRequest, AnalysisResult, Plan, Snapshot
from inferno_shared.service import create_app

PLAN_SECONDS_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class PlanMetrics:
    """What the optimizer says about its own plans."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
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

    def count(self, plan: Plan) -> None:
        """Count one plan by its certificate."""
        certificate = plan.certificate
        self._plans.labels(certificate.status, str(certificate.verified).lower()).inc()


def create_optimizer_app(settings: OptimizerSettings) -> FastAPI:
    """The service: its endpoints and the service kit's."""
    app = create_app(title="inferno-optimizer", settings=settings)
    workers = Workers(settings.concurrent_solves, settings.waiting_solves)
    metrics = PlanMetrics(app.state.registry)

    def plan(snapshot: Snapshot, limit_seconds: float, interrupter: SolveInterrupter) -> Plan:
        with metrics.seconds.time():
            made = make_plan(snapshot, limit_seconds, interrupter=interrupter)
        metrics.count(made)
        return made

    def solve(problem: Problem, interrupter: SolveInterrupter) -> Chosen | Refused:
        return choose(problem, settings.max_solve_seconds, interrupter)

    app.include_router(optimize_router(workers, plan, settings.max_solve_seconds))
    app.include_router(_analyze_router(workers))
    app.include_router(optimize_one_router(workers, solve))
    return app


def _analyze_router(workers: Workers) -> APIRouter:
    router = APIRouter(tags=["optimizer"], route_class=JsonRoute)

    @router.post(
        "/analyze",
        summary="How one profile carries one load under one SLO",
        responses={200: {"model": AnalysisResult}},
    )
    async def analyze_profile(request: AnalysisRequest) -> Response:
        text = await workers.run(lambda: analyze(request).model_dump_json())
        return Response(text, media_type="application/json")

    return router
