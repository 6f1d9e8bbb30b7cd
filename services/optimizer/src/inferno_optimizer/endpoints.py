"""Every POST of the optimizer; a worker process knows them by their place in this list."""

from typing import Any, Final

from inferno_optimizer.analysis import analyze
from inferno_optimizer.compat.endpoint import OPTIMIZE_ONE
from inferno_optimizer.endpoint import Endpoint
from inferno_optimizer.whatif.endpoint import OPTIMIZE
from inferno_shared.contracts import AnalysisRequest, AnalysisResult

ANALYZE: Final = Endpoint(
    path="/analyze",
    summary="How one profile carries one load under one SLO",
    tag="optimizer",
    document=AnalysisRequest,
    answers=AnalysisResult,
    compute=lambda request, _: analyze(request).model_dump_json(),
)

ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (OPTIMIZE, ANALYZE, OPTIMIZE_ONE)
