"""Small systems of our own in llm-inferno's format: what a test does not name is the plainest that works."""

from collections.abc import Mapping, Sequence
from typing import Any

from inferno_optimizer.allocation import Problem
from inferno_optimizer.choosing import Chosen, Refused, choose
from inferno_optimizer.compat import AllocationSolution, SystemData, optimize_one

Json = dict[str, Any]

SEED_PROFILE: Json = {"alpha": 20.58, "beta": 0.41, "maxBatchSize": 4}
SECOND_PROFILE: Json = {
    "decodeParms": {"alpha": 20.58, "beta": 0.41},
    "prefillParms": {"gamma": 200, "delta": 0.01},
    "maxBatchSize": 4,
}
THIRD_PROFILE: Json = {"perfParms": {"alpha": 12, "beta": 0.05, "gamma": 0.0005}, "maxBatchSize": 48}


def an_accelerator(name: str = "H100", cost: float = 50, **more: object) -> Json:
    return {"name": name, "type": name, "cost": cost, **more}


def a_profile(
    model: str = "llama", acc: str = "H100", form: Mapping[str, object] = SEED_PROFILE, **more: object
) -> Json:
    return {"name": model, "acc": acc, "accCount": 1, **form, **more}


def a_class(name: str = "Premium", priority: int = 1, model: str = "llama", **targets: float) -> Json:
    """A class in the newer form; targets by keyword: itl=24, ttft=500."""
    named = {f"slo-{key}": value for key, value in (targets or {"itl": 24, "ttft": 500}).items()}
    return {"name": name, "priority": priority, "modelTargets": [{"model": model, **named}]}


def a_server(
    name: str = "s1",
    *,
    rate: float | None = 37.5,
    service_class: str = "Premium",
    model: str = "llama",
    load: Mapping[str, object] | None = None,
    current: Mapping[str, object] | None = None,
    **more: object,
) -> Json:
    if load is None:
        load = {"arrivalRate": rate, "avgInTokens": 128, "avgOutTokens": 279}
    return {
        "name": name,
        "class": service_class,
        "model": model,
        "currentAlloc": {"load": dict(load), **(current or {})},
        **more,
    }


def a_system(
    *,
    servers: Sequence[Json] | None = None,
    profiles: Sequence[Json] | None = None,
    accelerators: Sequence[Json] | None = None,
    classes: Sequence[Json] | None = None,
    capacity: Mapping[str, int] | None = None,
    **optimizer: object,
) -> Json:
    """The whole document; unlimited unless a capacity is given."""
    counts = [{"type": name, "count": count} for name, count in (capacity or {}).items()]
    return {
        "system": {
            "acceleratorData": {"accelerators": list(accelerators or [an_accelerator()])},
            "modelData": {"models": list(profiles or [a_profile()])},
            "serviceClassData": {"serviceClasses": list(classes or [a_class()])},
            "serverData": {"servers": [a_server()] if servers is None else list(servers)},
            "capacityData": {"count": counts},
            "optimizerData": {"optimizer": {"unlimited": capacity is None, **optimizer}},
        }
    }


def solve(problem: Problem, seconds: float) -> Chosen | Refused:
    return choose(problem, min(30.0, seconds))


def answered(system: Json) -> AllocationSolution:
    return optimize_one(SystemData.model_validate(system), solve)


def on_the_wire(system: Json) -> Json:
    """The answer as a client reads it."""
    return answered(system).model_dump(mode="json", by_alias=True, exclude_none=True)
