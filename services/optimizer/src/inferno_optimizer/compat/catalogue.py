"""What llm-inferno's document says about accelerators, capacities, profiles and service classes.

What upstream reads as 0 when it is left out (a target, a batch size) counts as not given, whether it is left
out or 0.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from inferno_optimizer.compat.fields import ForeignModel
from inferno_shared.contracts.wire import MAX_BATCH_SIZE, Count, Name, NonNegative

LOWEST_PRIORITY = 100

BatchSize = Annotated[int, Field(ge=0, le=MAX_BATCH_SIZE)]
Units = Annotated[int, Field(ge=1, le=1024)]
Priority = Annotated[int, Field(ge=0, le=LOWEST_PRIORITY)]


class AcceleratorSpec(ForeignModel):
    """A choice of accelerator: one or several cards of a type, and the price of all of them together."""

    name: Name
    type: Name | None = Field(None, description="Type that capacities are counted in; left out: the name")
    multiplicity: Units = Field(1, description="Cards of the type")
    cost: NonNegative = Field(description="Cents per hour")
    mem_size: Any = Field(None, description="Ignored")
    mem_bw: Any = Field(None, alias="memBW", description="Ignored")
    power: Any = Field(None, description="Ignored")

    @property
    def device(self) -> str:
        """What capacities are counted in."""
        return self.type or self.name


class AcceleratorData(ForeignModel):
    """All accelerators."""

    accelerators: Annotated[list[AcceleratorSpec], Field(max_length=1_000)]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        refuse_twice("accelerator", (a.name for a in self.accelerators))
        return self


class AcceleratorCount(ForeignModel):
    """Cards of one type."""

    type: Name
    count: Count


class CapacityData(ForeignModel):
    """How many cards there are; a type that is not named has none."""

    count: Annotated[list[AcceleratorCount], Field(max_length=1_000)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _types_are_unique(self) -> Self:
        refuse_twice("type", (c.type for c in self.count))
        return self


class DecodeParms(ForeignModel):
    """A decode step with n requests takes alpha + beta n ms."""

    alpha: NonNegative
    beta: NonNegative


class PrefillParms(ForeignModel):
    """A prefill takes gamma + delta * input tokens * n ms."""

    gamma: NonNegative
    delta: NonNegative


class PerfParms(ForeignModel):
    """The third generation's three parameters, or the second's two pairs (as custom resources have them)."""

    alpha: NonNegative | None = None
    beta: NonNegative | None = None
    gamma: NonNegative | None = None
    decode_parms: DecodeParms | None = None
    prefill_parms: PrefillParms | None = None


class ModelPerf(ForeignModel):
    """Measured performance of one model on one accelerator; exactly one form of parameters."""

    name: Name = Field(description="The model's name")
    acc: Name = Field(description="The accelerator's name")
    acc_count: Units = Field(1, description="Accelerators per replica")
    max_batch_size: BatchSize = 0
    at_tokens: Annotated[int, Field(ge=0, le=10_000_000)] = Field(
        0, description="Output tokens that maxBatchSize was measured at; 0: it does not depend on them"
    )
    alpha: NonNegative | None = None
    beta: NonNegative | None = None
    decode_parms: DecodeParms | None = None
    prefill_parms: PrefillParms | None = None
    perf_parms: PerfParms | None = None

    @model_validator(mode="after")
    def _one_form_of_parameters(self) -> Self:
        inner = self.perf_parms or PerfParms()
        forms = (
            (self.alpha, self.beta),
            (self.decode_parms, self.prefill_parms),
            (inner.decode_parms, inner.prefill_parms),
            (inner.alpha, inner.beta, inner.gamma),
        )
        begun = [form for form in forms if any(part is not None for part in form)]
        if len(begun) != 1 or None in begun[0]:
            raise ValueError(
                f"{self.name} on {self.acc} needs exactly one form of parameters, in full: alpha and beta;"
                f" decodeParms and prefillParms; or perfParms with alpha, beta and gamma"
            )
        return self


class ModelData(ForeignModel):
    """All profiles."""

    models: Annotated[list[ModelPerf], Field(max_length=100_000)]

    @model_validator(mode="after")
    def _pairs_are_unique(self) -> Self:
        refuse_twice("model and accelerator", (f"{m.name} on {m.acc}" for m in self.models))
        return self


class ModelTarget(ForeignModel):
    """A class's promise for one model; 0 or left out: not promised."""

    model: Name
    slo_itl: NonNegative = Field(0, alias="slo-itl", description="ms")
    slo_ttft: NonNegative = Field(0, alias="slo-ttft", description="ms")
    slo_ttw: NonNegative = Field(0, alias="slo-ttw", description="ms; the first generation's slo-ttft")
    slo_tps: NonNegative = Field(0, alias="slo-tps", description="Output tokens per second")

    @model_validator(mode="after")
    def _one_target_of_the_wait(self) -> Self:
        if self.slo_ttft and self.slo_ttw:
            raise ValueError(f"{self.model} has slo-ttft and slo-ttw: they name the same target, keep one")
        return self


class ServiceClassSpec(ForeignModel):
    """A class with its targets; the first generation repeats the class for each model."""

    name: Name
    priority: Priority = Field(LOWEST_PRIORITY, description="1 is the most important")
    model_targets: Annotated[list[ModelTarget], Field(max_length=10_000)] = Field(default_factory=list)
    model: Name | None = None
    slo_itl: NonNegative = Field(0, alias="slo-itl")
    slo_ttft: NonNegative = Field(0, alias="slo-ttft")
    slo_ttw: NonNegative = Field(0, alias="slo-ttw")
    slo_tps: NonNegative = Field(0, alias="slo-tps")

    @property
    def targets(self) -> list[ModelTarget]:
        """Its targets, in whichever form they came."""
        if self.model is None:
            return self.model_targets
        flat = {f"slo-{name}": getattr(self, f"slo_{name}") for name in ("itl", "ttft", "ttw", "tps")}
        return [*self.model_targets, ModelTarget.model_validate({"model": self.model, **flat})]

    @model_validator(mode="after")
    def _targets_are_possible(self) -> Self:
        if self.slo_ttft and self.slo_ttw:
            raise ValueError(f"{self.name} has slo-ttft and slo-ttw: they name the same target, keep one")
        return self


class ServiceClassData(ForeignModel):
    """All classes."""

    service_classes: Annotated[list[ServiceClassSpec], Field(max_length=10_000)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        refuse_twice(
            "class and model", (f"{c.name} for {t.model}" for c in self.service_classes for t in c.targets)
        )
        priorities: dict[str, int] = {}
        for spec in self.service_classes:
            if priorities.setdefault(spec.name, spec.priority) != spec.priority:
                raise ValueError(
                    f"class {spec.name} has priority {priorities[spec.name]} and priority {spec.priority}"
                )
        return self


def refuse_twice(what: str, names: Iterable[str]) -> None:
    """Raise ValueError when a name appears more than once."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what} {name} appears more than once")
        seen.add(name)
