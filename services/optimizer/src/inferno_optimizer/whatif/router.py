"""`POST /optimize` over HTTP: a plan for a snapshot, or plans side by side for one with scenarios."""

import math
from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import Response
from ortools.util.python.solve_interrupter import SolveInterrupter

from inferno_optimizer.serving import JsonRoute, answer
from inferno_optimizer.whatif.apply import ScenarioError
from inferno_optimizer.whatif.what_if import Planner, what_if
from inferno_optimizer.work import Workers
from inferno_shared.contracts import OptimizeRequest, Plan, Snapshot, WhatIf
from inferno_shared.service import FieldError, ProblemError

InterruptiblePlanner = Callable[[Snapshot, float, SolveInterrupter], Plan]


def optimize_router(
    workers: Workers, plan: InterruptiblePlanner, limit_seconds: float = math.inf
) -> APIRouter:
    """The endpoint; `plan` makes one plan within seconds, and raises when it was interrupted."""
    router = APIRouter(tags=["optimizer"], route_class=JsonRoute)

    @router.post(
        "/optimize",
        summary="The cheapest plan that keeps every SLO; with scenarios, one for each and the differences",
        responses={200: {"model": Plan | WhatIf}},
    )
    async def optimize(snapshot: OptimizeRequest, request: Request) -> Response:
        def compute(interrupter: SolveInterrupter) -> str:
            def planner(world: Snapshot, seconds: float) -> Plan:
                return plan(world, seconds, interrupter)

            return _answer(snapshot, planner, limit_seconds).model_dump_json()

        return Response(await answer(request, workers, compute), media_type="application/json")

    return router


def _answer(request: OptimizeRequest, plan: Planner, limit_seconds: float) -> Plan | WhatIf:
    snapshot = request.snapshot()
    if not request.scenarios:
        return plan(snapshot, limit_seconds)
    try:
        return what_if(snapshot, request.scenarios, plan, limit_seconds)
    except ScenarioError as error:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "Scenario does not fit the snapshot",
            str(error),
            [FieldError(complaint.field, complaint.message) for complaint in error.complaints],
        ) from error
