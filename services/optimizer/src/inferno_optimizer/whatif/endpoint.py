"""`POST /optimize`: a plan for a snapshot, or plans side by side for one with scenarios."""

from http import HTTPStatus
from typing import Final

from inferno_optimizer.endpoint import Endpoint, Solving
from inferno_optimizer.whatif.apply import ScenarioError
from inferno_optimizer.whatif.what_if import what_if
from inferno_shared.contracts import OptimizeRequest, Plan, WhatIf
from inferno_shared.service import FieldError, ProblemError


def optimize(request: OptimizeRequest, solving: Solving) -> str:
    """The JSON text of a Plan or a WhatIf."""
    snapshot = request.snapshot()
    if not request.scenarios:
        return solving.plan(snapshot, solving.limit_seconds).model_dump_json()
    try:
        return what_if(snapshot, request.scenarios, solving.plan, solving.limit_seconds).model_dump_json()
    except ScenarioError as error:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "Scenario does not fit the snapshot",
            str(error),
            [FieldError(complaint.field, complaint.message) for complaint in error.complaints],
        ) from error


OPTIMIZE: Final = Endpoint(
    path="/optimize",
    summary="The cheapest plan that keeps every SLO; with scenarios, one for each and the differences",
    tag="optimizer",
    document=OptimizeRequest,
    answers=Plan | WhatIf,
    compute=optimize,
)
