"""`POST /optimize` over HTTP: a plan for a snapshot, or plans side by side for one with scenarios."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import Response
from ortools.util.python.solve_interrupter import SolveInterrupter

from inferno_optimizer.serving import JsonRoute, answer
from inferno_optimizer.whatif.apply import ScenarioError
from inferno_optimizer.whatif.what_if import what_if
from inferno_optimizer.work import Workers
from inferno_shared.contracts import OptimizeRequest, Plan, Snapshot, WhatIf
from inferno_shared.service import FieldError, ProblemError

InterruptiblePlanner = Callable[[Snapshot, SolveInterrupter], Plan]


def optimize_router(workers: Workers, plan: InterruptiblePlanner) -> APIRouter:
    """The endpoint; `plan` makes one plan, and raises when it was interrupted."""
    router = APIRouter(tags=["optimizer"], route_class=JsonRoute)

    @router.post(
        "/optimize",
        summary="The cheapest plan that keeps every SLO; with scenarios, one for each and the differences",
        responses={200: {"model": Plan | WhatIf}},
    )
    async def optimize(snapshot: OptimizeRequest, request: Request) -> Response:
        def compute(interrupter: SolveInterrupter) -> str:
            return _answer(snapshot, lambda world: plan(world, interrupter)).model_dump_json()

        return Response(await answer(request, workers, compute), media_type="application/json")

    return router


def _answer(request: OptimizeRequest, plan: Callable[[Snapshot], Plan]) -> Plan | WhatIf:
    snapshot = request.snapshot()
    if not request.scenarios:
        return plan(snapshot)
    try:
        return what_if(snapshot, request.scenarios, plan)
    except ScenarioError as error:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "Scenario does not fit the snapshot",
            str(error),
            [FieldError(complaint.field, complaint.message) for complaint in error.complaints],
        ) from error
