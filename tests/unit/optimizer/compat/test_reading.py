"""What of a document is read, and how its mistakes are told."""

from typing import Any

import pytest
from pydantic import ValidationError

from inferno_optimizer.compat import SystemData
from unit.optimizer.compat.systems import (
    SECOND_PROFILE,
    THIRD_PROFILE,
    Json,
    a_class,
    a_profile,
    a_server,
    a_system,
    an_accelerator,
    on_the_wire,
)


def spelled(value: Any, spelling: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {spelling(key): spelled(inner, spelling) for key, inner in value.items()}
    return [spelled(inner, spelling) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("spelling", [str.upper, str.lower, str.capitalize, str.swapcase])
@pytest.mark.parametrize("form", [SECOND_PROFILE, THIRD_PROFILE])
def test_keys_match_in_any_letter_case(spelling: Any, form: Json) -> None:  # noqa: ANN401
    system = a_system(profiles=[a_profile(form=form)], capacity={"H100": 64}, saturationPolicy="RoundRobin")
    assert on_the_wire(spelled(system, spelling)) == on_the_wire(system)


def test_null_means_left_out() -> None:
    system = a_system(servers=[a_server(maxQueueSize=None, minNumReplicas=None)])
    assert on_the_wire(system) == on_the_wire(a_system())


def test_a_saturation_policy_matches_in_any_letter_case_and_may_be_empty() -> None:
    read = SystemData.model_validate(a_system(saturationPolicy="priorityroundrobin"))
    assert read.system.optimizer_data.optimizer.saturation_policy == "PriorityRoundRobin"
    read = SystemData.model_validate(a_system(saturationPolicy=""))
    assert read.system.optimizer_data.optimizer.saturation_policy == "None"


def edited(path: str, value: object) -> Json:
    system = a_system()
    place: Any = system
    *parents, last = path.split(".")
    for name in parents:
        place = place[int(name)] if name.isdigit() else place[name]
    place[int(last) if last.isdigit() else last] = value
    return system


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        (
            "system.acceleratorData.accelerators.0.cost",
            -1,
            "accelerators.0.cost",
            "greater than or equal to 0",
        ),
        ("system.acceleratorData.accelerators.0.cost", None, "accelerators.0.cost", "required"),
        (
            "system.acceleratorData.accelerators.0.COST",
            3,
            "accelerators.0",
            "given twice, as cost and as COST",
        ),
        ("system.acceleratorData.accelerators.0.multiplicity", 0, "0.multiplicity", "equal to 1"),
        ("system.modelData.models.0.alpha", "fast", "models.0.alpha", "valid number"),
        ("system.modelData.models.0.alpha", None, "models.0", "exactly one form of parameters, in full"),
        ("system.modelData.models.0.perfParms", {"alpha": 1}, "models.0", "exactly one form of parameters"),
        ("system.modelData.models.0.perfParms", {}, None, None),
        ("system.modelData", None, "system.modelData", "required"),
        ("system.serverData.servers.0.model", 7, "servers.0.model", "valid string"),
        ("system.serverData.servers.0.maxQueueSize", -1, "maxQueueSize", "equal to 0"),
        ("system.serverData.servers.0.currentAlloc.load.arrivalRate", -5, "load.arrivalRate", "equal to 0"),
        ("system.capacityData.count", [{"type": "A", "count": -1}], "count.0.count", "equal to 0"),
        ("system.capacityData.count", [{"type": "A", "count": 1}] * 2, "capacityData", "A appears more than"),
        ("system.optimizerData.optimizer.saturationPolicy", "Most", "saturationPolicy", "RoundRobin"),
        ("system.serviceClassData.serviceClasses.0.priority", 101, "0.priority", "equal to 100"),
        ("system.serverData.servers", 5, "serverData.servers", "valid list"),
        ("system", [], "system", "valid dictionary"),
    ],
)
def test_a_wrong_field_is_named(path: str, value: object, where: str | None, message: str | None) -> None:
    if where is None or message is None:
        SystemData.model_validate(edited(path, value))
        return
    with pytest.raises(ValidationError) as error:
        SystemData.model_validate(edited(path, value))
    [found] = error.value.errors()
    assert ".".join(str(part) for part in found["loc"]).endswith(where)
    assert message in found["msg"]


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (a_system(servers=[a_server(), a_server()]), "server s1 appears more than once"),
        (a_system(accelerators=[an_accelerator()] * 2), "accelerator H100 appears more than once"),
        (a_system(profiles=[a_profile()] * 2), "model and accelerator llama on H100 appears more than once"),
        (
            a_system(classes=[a_class(), a_class()]),
            "class and model Premium for llama appears more than once",
        ),
        (
            a_system(classes=[a_class(), a_class(model="granite", priority=2)]),
            "class Premium has priority 1 and priority 2",
        ),
        (
            a_system(classes=[a_class(ttft=500, ttw=400)]),
            "llama has slo-ttft and slo-ttw: they name the same target, keep one",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(system: Json, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SystemData.model_validate(system)


def test_fields_that_are_not_read_are_named_with_the_closest_one() -> None:
    system = a_system(servers=[a_server(minReplicas=2)], heterogeneous=True)
    found = {p["subject"]: p["message"] for p in on_the_wire(system)["problems"]}
    assert found == {
        "Optimizer heterogeneous": "a server has one accelerator here; the flag is ignored",
        "Field system.serverData.servers[0].minReplicas": "it is ignored; did you mean minNumReplicas?",
    }


def test_upstreams_other_fields_are_accepted_in_silence() -> None:
    power = {"idle": 25, "full": 75, "midPower": 65, "midUtil": 0.6}
    system = a_system(
        accelerators=[an_accelerator(memSize=80, memBW=2000, power=power, multiplicity=1)],
        servers=[a_server(desiredAlloc={"accelerator": "", "numReplicas": 0})],
        milpsolver=False,
        useCplex=False,
        heterogeneous=False,
    )
    assert on_the_wire(system)["problems"] == []
