"""One profile, one load, one SLO: the request and the answer of `POST /analyze`."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from inferno_shared.contracts.plan import Prediction
from inferno_shared.contracts.snapshot import Parameters, Policy
from inferno_shared.contracts.wire import MAX_BATCH_SIZE, Count, NonNegative, Positive, WireModel


class AnalysisLoad(WireModel):
    """The load to be served."""

    arrival_rate_rpm: NonNegative
    input_tokens: NonNegative = 0
    output_tokens: NonNegative = 0

    @model_validator(mode="after")
    def _tokens_when_requests_arrive(self) -> Self:
        if self.arrival_rate_rpm and not self.output_tokens:
            raise ValueError("output_tokens must be above 0 when requests arrive")
        return self


class AnalysisSlo(WireModel):
    """The promise; a target left out is not promised."""

    itl_ms: Positive | None = None
    ttft_ms: Positive | None = None
    tokens_per_second: Positive | None = None


class AnalysisRequest(WireModel):
    """What a capacity planner asks about one accelerator."""

    parameters: Parameters
    acc_count: Annotated[int, Field(ge=1, le=1024)] = 1
    cost_per_hour: NonNegative = 0
    max_batch_size: Annotated[int, Field(ge=1, le=MAX_BATCH_SIZE)]
    max_queue_size: Count | None = None
    min_replicas: Count = 1
    load: AnalysisLoad
    slo: AnalysisSlo = AnalysisSlo()
    policy: Policy = Policy()


class RateLimits(WireModel):
    """Largest rate per replica that meets each target by itself; null: not promised or never met."""

    itl: float | None
    ttft: float | None
    tokens_per_second: float | None


class CurvePoint(WireModel):
    """The model's latencies at one rate per replica."""

    rate_rpm: float
    itl_ms: float
    wait_ms: float
    ttft_ms: float
    utilization: float
    blocking: float


class AnalysisResult(WireModel):
    """Sizing of one accelerator for one load."""

    feasible: bool
    message: str = Field(description="Which target binds, or which one cannot be met and by how much")
    replicas: int | None
    cost_per_hour: float | None
    max_rate_rpm_per_replica: float | None
    limits_rpm: RateLimits
    predicted: Prediction | None
    curve: list[CurvePoint]
