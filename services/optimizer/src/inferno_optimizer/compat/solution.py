"""What `POST /optimizeOne` answers: upstream's `allocations`, and beside its fields why each came about."""

from typing import Any

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from inferno_shared.contracts import Certificate, Outcome, Problem, WireModel


class AnswerModel(WireModel):
    """Base of every object of the answer: upstream's spelling outside, ours inside."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class AnsweredLoad(AnswerModel):
    """The load that the allocation is for, in the words that it came in."""

    arrival_rate: float | None = None
    avg_length: float | None = None
    avg_in_tokens: float | None = None
    avg_out_tokens: float | None = None
    arrival_cov: Any = Field(None, alias="arrivalCOV")
    service_cov: Any = Field(None, alias="serviceCOV")


class AnsweredAllocation(AnswerModel):
    """One server's allocation; the fields after `load` are ours.

    The first generation knows `waitAverage`, later ones `ttftAverage`. What no model can tell is left out.
    """

    accelerator: str = Field(description="Empty without replicas")
    num_replicas: int
    max_batch: int | None = None
    cost: float = Field(description="Cents per hour")
    itl_average: float | None = Field(None, description="ms")
    wait_average: float | None = Field(None, description="ms")
    ttft_average: float | None = Field(None, description="ms, waiting included")
    load: AnsweredLoad
    outcome: Outcome
    message: str
    served_rate: float | None = Field(None, description="Requests per minute within the targets")
    max_rate_per_replica: float | None = Field(None, description="Requests per minute within the targets")
    utilization: float | None = None
    blocking: float | None = Field(None, description="Share of requests turned away by a full queue")


class TypeUse(AnswerModel):
    """Cards of one type: given out, and at most there."""

    type: str
    limit: int | None = Field(None, description="Left out: unlimited")
    used: int


class AllocationSolution(AnswerModel):
    """The whole answer; every server of the request is in `allocations`."""

    allocations: dict[str, AnsweredAllocation]
    total_cost: float = Field(description="Cents per hour")
    capacity: list[TypeUse]
    certificate: Certificate
    problems: list[Problem]
