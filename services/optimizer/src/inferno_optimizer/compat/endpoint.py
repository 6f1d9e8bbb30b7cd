"""`POST /optimizeOne`: llm-inferno's own document in, its own field names out."""

from typing import Final

from inferno_optimizer.compat.optimize_one import optimize_one
from inferno_optimizer.compat.solution import AllocationSolution
from inferno_optimizer.compat.system import SystemData
from inferno_optimizer.endpoint import Endpoint, Solving


def optimize_system(system_data: SystemData, solving: Solving) -> str:
    """The JSON text of an AllocationSolution."""
    solution = optimize_one(system_data, solving.choose, solving.limit_seconds)
    return solution.model_dump_json(by_alias=True, exclude_none=True)


OPTIMIZE_ONE: Final = Endpoint(
    path="/optimizeOne",
    summary="Allocations for llm-inferno's SystemData, of any generation",
    tag="llm-inferno",
    document=SystemData,
    answers=AllocationSolution,
    compute=optimize_system,
    spelled_freely=True,
)
