"""What-if: a snapshot with scenarios beside it, and the answer that compares each one's plan with the base.

`POST /optimize` takes a snapshot; with a list `scenarios` in the same document it answers a `WhatIf` instead
of a `Plan`. A scenario names only what it changes. Changes of different kinds do not depend on each other;
several of one kind apply one after the other.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from inferno_shared.contracts.plan import Outcome, Plan
from inferno_shared.contracts.snapshot import Policy, Snapshot
from inferno_shared.contracts.wire import SCHEMA_VERSION, Name, NonNegative, Positive, WireModel

MAX_SCENARIOS: Final = 20
MAX_CHANGES: Final = 100
MAX_VARIANTS_PLANNED: Final = 50_000
"""Variants times plans of one request: 20 scenarios of 2,380 variants, or 4 of 10,000."""

MAX_UNITS: Final = 1_000_000

Factor = Annotated[float, Field(ge=0, le=1_000)]
LatencyFactor = Annotated[float, Field(ge=0.001, le=1_000)]


class LoadChange(WireModel):
    """Load times a factor; variants whose load is unknown or idle stay as they are, and a note says so."""

    factor: Factor
    model: Name | None = Field(None, description="Left out: every model")
    namespace: Name | None = Field(None, description="Left out: every namespace")


class CapacityChange(WireModel):
    """Units more or, below zero, fewer: on one node, or of a device wherever they are.

    Added units of a device come as nodes like the largest that has it; units are taken from the last node by
    name first, and never those that unmanaged pods use.
    """

    change: Annotated[int, Field(ge=-MAX_UNITS, le=MAX_UNITS)]
    device: Name | None = Field(None, description="Required unless the node has one device only")
    node: Name | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.device is None and self.node is None:
            raise ValueError("give device or node")
        return self


class PriceChange(WireModel):
    """A new price of an accelerator, or a factor on its price."""

    accelerator: Name
    cost_per_hour: NonNegative | None = Field(None, description="Cents per hour and unit")
    factor: Factor | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.cost_per_hour is None) == (self.factor is None):
            raise ValueError("give either cost_per_hour or factor")
        return self


class SloChange(WireModel):
    """New targets, or a factor on the targets that were promised; tokens_per_second has no factor."""

    service_class: Name | None = Field(None, description="Left out: every class")
    model: Name | None = Field(None, description="Left out: every model")
    itl_ms: Positive | None = None
    ttft_ms: Positive | None = None
    tokens_per_second: Positive | None = None
    latency_factor: LatencyFactor | None = Field(
        None, description="Times itl_ms and ttft_ms; below 1 is tighter"
    )

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        targets = (self.itl_ms, self.ttft_ms, self.tokens_per_second)
        if all(value is None for value in (*targets, self.latency_factor)):
            raise ValueError("give itl_ms, ttft_ms, tokens_per_second or latency_factor")
        if self.latency_factor is not None and (self.itl_ms, self.ttft_ms) != (None, None):
            raise ValueError("give either latency_factor or itl_ms and ttft_ms")
        return self


class PriorityChange(WireModel):
    """Another priority of a service class."""

    service_class: Name
    priority: Annotated[int, Field(ge=1, le=100)]


class Scenario(WireModel):
    """One world that might be, told by how it differs from the snapshot."""

    name: Name
    load: Annotated[list[LoadChange], Field(max_length=MAX_CHANGES)] = Field(default_factory=list)
    capacity: Annotated[list[CapacityChange], Field(max_length=MAX_CHANGES)] = Field(default_factory=list)
    prices: Annotated[list[PriceChange], Field(max_length=MAX_CHANGES)] = Field(default_factory=list)
    slos: Annotated[list[SloChange], Field(max_length=MAX_CHANGES)] = Field(default_factory=list)
    priorities: Annotated[list[PriorityChange], Field(max_length=MAX_CHANGES)] = Field(default_factory=list)
    policy: Policy | None = Field(None, description="Only the fields that are given replace the snapshot's")


class OptimizeRequest(Snapshot):
    """A snapshot, and the scenarios to set beside it; without any, the answer is the plan alone."""

    scenarios: Annotated[list[Scenario], Field(max_length=MAX_SCENARIOS)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        names = [scenario.name for scenario in self.scenarios]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"scenarios: name {twice[0]} appears more than once")
        plans = len(self.scenarios) + 1
        if self.scenarios and len(self.variants) * plans > MAX_VARIANTS_PLANNED:
            raise ValueError(
                f"scenarios: {len(self.variants)} variants in {plans} plans are more than"
                f" {MAX_VARIANTS_PLANNED:,} in all; send fewer scenarios at once"
            )
        return self

    def snapshot(self) -> Snapshot:
        """The snapshot alone: with the identity that it has without any scenarios."""
        fields = {name: getattr(self, name) for name in Snapshot.model_fields}
        return Snapshot.model_construct(_fields_set=set(fields), **fields, **(self.model_extra or {}))


class VariantState(WireModel):
    """What a plan gives one variant, in short."""

    outcome: Outcome
    accelerator: str | None
    replicas: int
    gpus: int
    cost_per_hour: float
    itl_ms: float | None
    ttft_ms: float | None


class VariantDifference(WireModel):
    """One variant whose accelerator, replicas, cost or outcome differ."""

    namespace: str
    name: str
    before: VariantState
    after: VariantState


class DemandDifference(WireModel):
    """One demand whose rate or served part differ; null when a load is unknown."""

    namespace: str
    model: str
    service_class: str
    rate_rpm_before: float | None
    rate_rpm_after: float | None
    served_rpm_before: float | None
    served_rpm_after: float | None


class DeviceDifference(WireModel):
    """One device whose use or limit differ."""

    device: str
    used_before: int
    used_after: int
    limit_before: int | None
    limit_after: int | None


class Difference(WireModel):
    """What a scenario changes against the base plan: only what differs, and the totals."""

    summary: str = Field(description="The difference in one sentence")
    cost_per_hour_before: float
    cost_per_hour_after: float
    gpus_before: int
    gpus_after: int
    variants: list[VariantDifference]
    demands: list[DemandDifference]
    devices: list[DeviceDifference]


class ScenarioPlan(WireModel):
    """One scenario's plan and how it differs from the base plan."""

    name: str
    notes: list[str] = Field(description="What of the scenario had no effect, and why")
    plan: Plan
    difference: Difference


class WhatIf(WireModel):
    """The answer to a snapshot with scenarios, in the order of the request."""

    schema_version: Literal["1"] = SCHEMA_VERSION
    base: Plan
    scenarios: list[ScenarioPlan]
