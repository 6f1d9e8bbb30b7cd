"""llm-inferno's `SystemData`, all three generations of it, as pydantic models with upstream's field names.

| generation | profile | target | load |
|---|---|---|---|
| 1 | `alpha`, `beta` | `slo-ttw`, in a flat list of (class, model) | `avgLength` |
| 2 | `decodeParms`, `prefillParms` | `slo-ttft`, in `modelTargets` | `avgInTokens`, `avgOutTokens` |
| 3 | `perfParms` of `alpha`, `beta`, `gamma` | as 2 | as 2 |

The forms may be mixed: each profile, class and load is read by itself.
"""

from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from inferno_optimizer.compat.catalogue import (
    AcceleratorData,
    BatchSize,
    CapacityData,
    ModelData,
    ServiceClassData,
    refuse_twice,
)
from inferno_optimizer.compat.fields import ForeignModel
from inferno_shared.contracts import SaturationPolicy
from inferno_shared.contracts.wire import MAX_VARIANTS, Count, Name, NonNegative

DEFAULT_CLASS = "Free"

Tokens = Annotated[float, Field(ge=0, le=1e9)]


class ServerLoad(ForeignModel):
    """Load of a server. Without a rate it is unknown, which is not 0."""

    arrival_rate: NonNegative | None = Field(None, description="Requests per minute")
    avg_length: Tokens | None = Field(None, description="Output tokens, as the first generation says it")
    avg_in_tokens: Tokens | None = None
    avg_out_tokens: Tokens | None = None
    arrival_cov: Any = Field(None, alias="arrivalCOV", description="Ignored, given back")
    service_cov: Any = Field(None, alias="serviceCOV", description="Ignored, given back")

    @property
    def output_tokens(self) -> float:
        """Mean output tokens, by either name; 0 when not given."""
        return self.avg_out_tokens or self.avg_length or 0.0


class CurrentAlloc(ForeignModel):
    """What runs now, and under which load."""

    accelerator: Annotated[str, Field(max_length=253)] = ""
    num_replicas: Count = 0
    max_batch: Any = Field(None, description="Ignored")
    cost: NonNegative = Field(0, description="Cents per hour; 0: by the accelerator's price")
    itl_average: Any = Field(None, description="Ignored")
    wait_average: Any = Field(None, description="Ignored")
    ttft_average: Any = Field(None, description="Ignored")
    load: ServerLoad = Field(default_factory=lambda: ServerLoad.model_validate({}))


class ServerSpec(ForeignModel):
    """One server: a class's load of one model, on one accelerator."""

    name: Name
    service_class: Annotated[str, Field(max_length=253)] = Field("", alias="class")
    model: Name
    keep_accelerator: bool = False
    min_num_replicas: Count = 0
    max_batch_size: BatchSize = Field(0, description="0: by the profile")
    max_queue_size: Count | None = Field(
        None, description="Waiting room per replica; left out: 10 N (9 N in the first generation)"
    )
    current_alloc: CurrentAlloc = Field(default_factory=lambda: CurrentAlloc.model_validate({}))
    desired_alloc: Any = Field(None, description="Ignored")

    @property
    def class_name(self) -> str:
        """Its class; upstream's default when none is named."""
        return self.service_class or DEFAULT_CLASS


class ServerData(ForeignModel):
    """All servers."""

    servers: Annotated[list[ServerSpec], Field(max_length=MAX_VARIANTS)]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        refuse_twice("server", (s.name for s in self.servers))
        return self


class OptimizerSpec(ForeignModel):
    """How scarcity is dealt with."""

    unlimited: bool = False
    delayed_best_effort: bool = False
    saturation_policy: SaturationPolicy = SaturationPolicy.NONE
    heterogeneous: bool = Field(False, description="Ignored: a server has one accelerator")
    milp_solver: Any = Field(None, description="Ignored: this is always one")
    use_cplex: Any = Field(None, description="Ignored")

    @field_validator("saturation_policy", mode="before")
    @classmethod
    def _any_letter_case(cls, value: object) -> object:
        known = {policy.value.lower(): policy for policy in SaturationPolicy} | {"": SaturationPolicy.NONE}
        return known.get(value.lower(), value) if isinstance(value, str) else value


class OptimizerData(ForeignModel):
    """Holds the policy."""

    optimizer: OptimizerSpec = Field(default_factory=lambda: OptimizerSpec.model_validate({}))


class SystemSpec(ForeignModel):
    """Everything that a plan depends on."""

    accelerator_data: AcceleratorData
    model_data: ModelData
    service_class_data: ServiceClassData
    server_data: ServerData
    optimizer_data: OptimizerData = Field(default_factory=lambda: OptimizerData.model_validate({}))
    capacity_data: CapacityData = Field(default_factory=lambda: CapacityData.model_validate({}))


class SystemData(ForeignModel):
    """The document that `POST /optimizeOne` takes."""

    system: SystemSpec
