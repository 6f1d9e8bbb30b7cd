"""The Snapshot: everything that a plan may depend on, and nothing else (no clock, no cluster)."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from inferno_shared.contracts.wire import (
    MAX_BATCH_SIZE,
    MAX_NODES,
    MAX_PROFILES_PER_VARIANT,
    MAX_VARIANTS,
    SCHEMA_VERSION,
    Count,
    Name,
    NonNegative,
    Positive,
    Problem,
    WireModel,
)


class SaturationPolicy(StrEnum):
    """How GPUs are shared when they do not suffice for every demand."""

    NONE = "None"
    PRIORITY_EXHAUSTIVE = "PriorityExhaustive"
    PRIORITY_ROUND_ROBIN = "PriorityRoundRobin"
    ROUND_ROBIN = "RoundRobin"


class TtftReading(StrEnum):
    """How a TTFT target is compared with the model's wait: see `domain` in the documentation."""

    EXPONENTIAL = "exponential"
    MEAN = "mean"
    EXACT = "exact"


class ItlReading(StrEnum):
    """How an ITL target is compared with the model's decode step."""

    MEAN = "mean"
    QUANTILE = "quantile"


class Policy(WireModel):
    """How a plan is chosen; every field has the seed's default."""

    unlimited: bool = Field(True, description="Ignore GPU limits")
    saturation_policy: SaturationPolicy = SaturationPolicy.NONE
    delayed_best_effort: bool = Field(False, description="Partial service only after all full allocations")
    ttft_reading: TtftReading = TtftReading.EXPONENTIAL
    ttft_percentile: Annotated[float, Field(gt=0, lt=1)] = 0.95
    itl_reading: ItlReading = ItlReading.MEAN
    itl_percentile: Annotated[float, Field(gt=0, lt=1)] = 0.95
    headroom: Annotated[float, Field(ge=1, le=10)] = Field(
        1.0, description="Demand is sized times this factor"
    )
    time_limit_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        30.0,
        description="For the whole request: sizing, solving, all scenarios and their explanations; what is"
        " found by then is answered, with its gap",
    )
    one_more_unit: bool | None = Field(
        None,
        description="Find out what one more unit of each scarce device would save or serve: by solving again"
        " where at most 10 variants compete for it (null) or 500 (true), in up to a quarter of the budget; by"
        " its price in a linear relaxation, an estimate, up to 4,000 variants; false: not at all",
    )


class Accelerator(WireModel):
    """A named choice of device, with its price."""

    name: Name
    device: Name = Field(description="Node label value, such as NVIDIA-H100-80GB-HBM3")
    cost_per_hour: NonNegative = Field(description="Cents per hour and unit")
    multiplicity: Annotated[int, Field(ge=1, le=1024)] = Field(1, description="Devices per unit")


class NodeInventory(WireModel):
    """The accelerators of one node."""

    node: Name
    device: Name
    allocatable: Count = Field(description="Units that pods can request on this node; 0 when unschedulable")
    unmanaged: Count = Field(
        0, description="Units requested by pods that no variant of this snapshot manages"
    )
    memory_mib: Count | None = Field(None, description="Memory of one device")


class SloTarget(WireModel):
    """The latency promise of one service class for one model; a target left out is not promised."""

    model: Name
    itl_ms: Positive | None = Field(None, description="Inter-token latency (TPOT)")
    ttft_ms: Positive | None = Field(None, description="Time to first token")
    tokens_per_second: Positive | None = Field(None, description="Throughput to be able to sustain")


class ServiceClass(WireModel):
    """A class of demand: how important, and which latencies were promised."""

    name: Name
    priority: Annotated[int, Field(ge=1, le=100)] = Field(description="1 is the most important")
    targets: list[SloTarget] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_promise_per_model(self) -> Self:
        _refuse_twice("targets: model", [target.model for target in self.targets])
        return self


class LinearParameters(WireModel):
    """Model A: a decode step with n requests in the batch takes alpha + beta n ms."""

    model: Literal["linear"] = "linear"
    alpha: Positive
    beta: NonNegative


class PrefillDecodeParameters(WireModel):
    """Model B: as model A, and a prefill of gamma + delta * input_tokens * n ms."""

    model: Literal["prefill-decode"] = "prefill-decode"
    alpha: Positive
    beta: NonNegative
    gamma: NonNegative
    delta: NonNegative


class ChunkedPrefillParameters(WireModel):
    """Model C: chunked prefill under a token budget (alpha, beta, gamma in ms)."""

    model: Literal["chunked-prefill"] = "chunked-prefill"
    alpha: Positive
    beta: NonNegative
    gamma: NonNegative


Parameters = Annotated[
    LinearParameters | PrefillDecodeParameters | ChunkedPrefillParameters, Field(discriminator="model")
]


class Profile(WireModel):
    """Measured performance of the variant's model on one accelerator."""

    accelerator: Name
    acc_count: Annotated[int, Field(ge=1, le=1024)] = Field(1, description="Units per replica")
    max_batch_size: Annotated[int, Field(ge=1, le=MAX_BATCH_SIZE)]
    at_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(
        None, description="Mean output tokens that max_batch_size was measured at; the batch scales with it"
    )
    max_queue_size: Count | None = Field(None, description="Waiting room; left out: 9 N (linear) or 10 N")
    parameters: Parameters


class CurrentAllocation(WireModel):
    """What runs now."""

    accelerator: Name | None = None
    replicas: Count = 0
    ready_replicas: Count = 0


class LoadState(StrEnum):
    """Unknown is not zero: it never scales anything down."""

    OBSERVED = "observed"
    IDLE = "idle"
    UNKNOWN = "unknown"


class Load(WireModel):
    """Demand of one variant, with its provenance."""

    state: LoadState
    arrival_rate_rpm: NonNegative | None = Field(
        None, description="Requests per minute; required when observed"
    )
    input_tokens: NonNegative | None = Field(None, description="Mean per request; required when observed")
    output_tokens: NonNegative | None = Field(None, description="Mean per request; required when observed")
    running: NonNegative | None = None
    waiting: NonNegative | None = None
    observed_at: datetime | None = Field(None, description="Time of the newest sample used")
    window_seconds: NonNegative | None = Field(None, description="Time span that the rate was measured over")
    source: str | None = Field(None, description="prometheus, scrape, or whoever wrote the snapshot")
    message: str | None = Field(None, description="How the rate came about; when unknown: why")

    @model_validator(mode="after")
    def _rate_as_the_state_says(self) -> Self:
        if self.state is LoadState.OBSERVED:
            missing = [
                name
                for name in ("arrival_rate_rpm", "input_tokens", "output_tokens")
                if getattr(self, name) is None
            ]
            if missing:
                raise ValueError(f"state 'observed' needs {', '.join(missing)}")
            if self.arrival_rate_rpm and not self.output_tokens:
                raise ValueError("output_tokens must be above 0 when requests arrive")
        if self.state is LoadState.IDLE and self.arrival_rate_rpm:
            raise ValueError(
                f"state 'idle' means that nothing arrives, but arrival_rate_rpm is {self.arrival_rate_rpm:g}"
            )
        return self


class ObservedLatency(WireModel):
    """Latencies measured by the server itself over the load's window; null when nobody completed."""

    itl_ms: NonNegative | None = None
    wait_ms: NonNegative | None = None
    ttft_ms: NonNegative | None = None


class ScaleTarget(WireModel):
    """The workload that runs the variant."""

    api_version: str = "apps/v1"
    kind: str = "Deployment"
    name: Name


class Variant(WireModel):
    """One workload serving one model on one accelerator type at a time."""

    namespace: Name
    name: Name
    model: Name
    service_class: Name = Field(description="Name of a service class that holds the model")
    keep_accelerator: bool = True
    min_replicas: Count = 1
    max_replicas: Count | None = None
    max_batch_size: Annotated[int, Field(ge=1, le=MAX_BATCH_SIZE)] | None = Field(
        None, description="Batch size that the server was started with, when known; overrides the profile's"
    )
    startup_seconds: NonNegative | None = Field(None, description="From a replica's creation to ready")
    cost_per_replica_hour: NonNegative | None = Field(
        None,
        description="Cents per hour and replica on the accelerator in use, instead of the catalogue's price",
    )
    scale_target: ScaleTarget | None = Field(
        None, description="Left out: the Deployment of the variant's name"
    )
    profiles: Annotated[list[Profile], Field(min_length=1, max_length=MAX_PROFILES_PER_VARIANT)]
    current: CurrentAllocation = CurrentAllocation()
    load: Load
    observed: ObservedLatency = ObservedLatency()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_replicas is not None and self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas {self.max_replicas} is below min_replicas {self.min_replicas}")
        names = [profile.accelerator for profile in self.profiles]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"profiles name accelerator {twice[0]} more than once")
        return self

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name): unique within a snapshot."""
        return self.namespace, self.name


class Snapshot(WireModel):
    """The world at one moment. Same snapshot, same plan, byte for byte."""

    schema_version: Literal["1"] = SCHEMA_VERSION
    id: str | None = Field(None, description="Hash of the content; `content_id` computes it")
    taken_at: datetime | None = None
    policy: Policy = Policy()
    accelerators: Annotated[list[Accelerator], Field(max_length=1_000)]
    inventory: Annotated[list[NodeInventory], Field(max_length=MAX_NODES)] = Field(default_factory=list)
    service_classes: Annotated[list[ServiceClass], Field(max_length=1_000)]
    variants: Annotated[list[Variant], Field(max_length=MAX_VARIANTS)]
    problems: list[Problem] = Field(default_factory=list)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        _refuse_twice("accelerators: name", [a.name for a in self.accelerators])
        _refuse_twice("service_classes: name", [c.name for c in self.service_classes])
        _refuse_twice("variants: namespace/name", [f"{v.namespace}/{v.name}" for v in self.variants])
        return self

    def content_id(self) -> str:
        """16 hex digits of the SHA-256 of the content, whatever its `id` and `taken_at` say.

        Every wire field takes part except those two, so an edited copy has another id.
        """
        text = self.model_dump_json(exclude={"id", "taken_at"})
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _refuse_twice(what: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what} {name} appears more than once")
        seen.add(name)
