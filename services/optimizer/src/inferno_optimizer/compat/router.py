"""`POST /optimizeOne` over HTTP."""

from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from ortools.util.python.solve_interrupter import SolveInterrupter

from inferno_optimizer.allocation import Problem
from inferno_optimizer.choosing import Chosen, Refused
from inferno_optimizer.compat.optimize_one import optimize_one
from inferno_optimizer.compat.solution import AllocationSolution
from inferno_optimizer.compat.system import SystemData
from inferno_optimizer.serving import Handler, JsonRoute, answer
from inferno_optimizer.work import Workers

InterruptibleChoose = Callable[[Problem, SolveInterrupter], Chosen | Refused]


class _AnyLetterCase(JsonRoute):
    """Names wrong fields as upstream spells them: the body's own spelling is of no use for finding them."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_spelled(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                raise RequestValidationError(error.errors()) from error

        return handle_spelled


def optimize_one_router(workers: Workers, choose: InterruptibleChoose) -> APIRouter:
    """The endpoint; `choose` solves and verifies."""
    router = APIRouter(tags=["llm-inferno"], route_class=_AnyLetterCase)

    @router.post(
        "/optimizeOne",
        summary="Allocations for llm-inferno's SystemData, of any generation",
        responses={200: {"model": AllocationSolution}},
    )
    async def optimize_system(system_data: SystemData, request: Request) -> Response:
        def compute(interrupter: SolveInterrupter) -> str:
            solution = optimize_one(system_data, lambda problem: choose(problem, interrupter))
            return solution.model_dump_json(by_alias=True, exclude_none=True)

        return Response(await answer(request, workers, compute), media_type="application/json")

    return router
