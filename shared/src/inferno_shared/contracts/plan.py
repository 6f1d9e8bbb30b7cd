"""The Plan: for every variant an accelerator and a number of replicas, why, and a certificate.

There is no clock in it: the same snapshot gives the same bytes.
"""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from inferno_shared.contracts.placement import Placement
from inferno_shared.contracts.wire import SCHEMA_VERSION, Problem, WireModel


class Outcome(StrEnum):
    """What became of a variant."""

    SERVED = "served"
    PARTIAL = "partial"
    UNSERVED = "unserved"
    HELD = "held"


class PlanReason(StrEnum):
    """Why a variant got what it got; the message next to it says it in a sentence with the numbers."""

    SLO_BINDS = "SloBinds"
    MINIMUM_REPLICAS = "MinimumReplicas"
    MAXIMUM_REPLICAS = "MaximumReplicas"
    INSUFFICIENT_CAPACITY = "InsufficientCapacity"
    SHARED_DEMAND = "SharedDemand"
    UNKNOWN_LOAD = "UnknownLoad"
    INFEASIBLE_SLO = "InfeasibleSLO"
    INVALID_CONFIGURATION = "InvalidConfiguration"
    OPTIMIZATION_FAILED = "OptimizationFailed"


class Prediction(WireModel):
    """What the queueing model says of one replica at the rate that it will get."""

    itl_ms: float | None
    wait_ms: float | None
    ttft_ms: float | None
    utilization: float | None
    max_rate_rpm_per_replica: float | None = Field(
        description="Largest rate per replica that meets every target"
    )
    blocking: float | None = Field(description="Share of requests turned away by a full queue")


class Allocation(WireModel):
    """The decision for one variant."""

    namespace: str
    name: str
    outcome: Outcome
    accelerator: str | None
    replicas: int
    gpus: int = Field(description="Devices used: replicas * acc_count * multiplicity")
    cost_per_hour: float = Field(description="Cents per hour")
    rate_rpm: float | None = Field(None, description="Share of the demand that this variant is to serve")
    reason: PlanReason
    message: str
    predicted: Prediction


class Demand(WireModel):
    """The load of one (namespace, model, service class), shared by all its variants."""

    namespace: str
    model: str
    service_class: str
    priority: int
    rate_rpm: float | None = Field(description="null when the load is unknown")
    served_rpm: float | None


class OneMore(WireModel):
    """What more units of a scarce device would change."""

    units: int = Field(
        description="Units added: 1 to a node where it helps most; where that changes nothing, a new node of"
        " the fewest that a replica takes"
    )
    serves_rpm: float = Field(description="Requests/min served in addition, all demands together")
    saves_cents_per_hour: float | None = Field(
        description="Below 0: what serving more would cost; null where a price tells only what is served"
    )
    basis: Literal["re-solve", "price"] = Field(
        "re-solve",
        description="re-solve: the difference between two plans proven optimal. price: an estimate, what the"
        " linear relaxation gains per unit; one unit alone may change nothing, as replicas are whole",
    )
    message: str


class DeviceCapacity(WireModel):
    """Use of one device against its limit."""

    device: str
    limit: int | None = Field(description="null when unlimited and no inventory was given")
    used: int
    one_more: OneMore | None = Field(
        None, description="null where the device is not scarce, or it was not found out: policy.one_more_unit"
    )


class Totals(WireModel):
    """Sums over all allocations."""

    cost_per_hour: float
    gpus: int


class Stage(WireModel):
    """One solved objective of the lexicographic sequence."""

    objective: str
    value: float
    bound: float | None
    gap: float | None = Field(description="Relative; 0 is proven optimal")
    status: Literal["optimal", "feasible", "fallback"]


class Certificate(WireModel):
    """How good the plan is, and that an independent check agrees with it."""

    status: Literal["optimal", "feasible", "fallback"]
    verified: bool
    stages: list[Stage] = Field(default_factory=list)


class Plan(WireModel):
    """The answer to one snapshot."""

    schema_version: Literal["1"] = SCHEMA_VERSION
    snapshot_id: str
    allocations: list[Allocation]
    demands: list[Demand]
    capacity: list[DeviceCapacity]
    placement: list[Placement] = Field(
        default_factory=list,
        description="How the replicas fit on the nodes of every device; empty when unlimited",
    )
    totals: Totals
    certificate: Certificate
    problems: list[Problem] = Field(default_factory=list)
