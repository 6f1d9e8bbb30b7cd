"""Whatever a document says within its schema, it is answered: every server, finite numbers, within limits."""

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from unit.optimizer.compat.systems import (
    Json,
    a_class,
    a_profile,
    a_server,
    a_system,
    an_accelerator,
    on_the_wire,
)

ACCELERATORS = ("A", "B")
MODELS = ("m", "n")
wild = st.sampled_from([0, 1e-9, 0.01, 1, 20.5, 300, 1e6, 1e12])


@st.composite
def forms(draw: st.DrawFn) -> Json:
    first: Json = {"alpha": draw(wild), "beta": draw(wild)}
    pair: Json = {"gamma": draw(wild), "delta": draw(wild)}
    second: Json = {"decodeParms": first, "prefillParms": pair}
    third: Json = {"perfParms": {**first, "gamma": draw(wild)}}
    form = draw(st.sampled_from([first, second, third]))
    return {
        **form,
        "maxBatchSize": draw(st.sampled_from([0, 1, 4, 64])),
        "atTokens": draw(st.integers(0, 600)),
    }


@st.composite
def servers(draw: st.DrawFn, name: str) -> Json:
    tokens = st.sampled_from([0, 0.5, 1, 300, 1e9])
    current = {
        "accelerator": draw(st.sampled_from(["", *ACCELERATORS, "Z"])),
        "numReplicas": draw(st.integers(0, 5)),
    }
    model, service_class = draw(st.sampled_from([(MODELS[0], "Premium"), (MODELS[1], "Gold")]))
    return a_server(
        name,
        model=model,
        service_class=service_class,
        load={"arrivalRate": draw(wild), "avgInTokens": draw(tokens), "avgOutTokens": draw(tokens)},
        current=current,
        minNumReplicas=draw(st.integers(0, 3)),
        maxQueueSize=draw(st.sampled_from([None, 0, 7])),
        keepAccelerator=draw(st.booleans()),
    )


@st.composite
def systems(draw: st.DrawFn) -> Json:
    def targets() -> dict[str, Any]:
        return {name: draw(wild) for name in ("itl", "ttft", "tps")}

    names = draw(st.integers(1, 4))
    return a_system(
        accelerators=[
            an_accelerator(name, draw(wild), multiplicity=draw(st.integers(1, 3))) for name in ACCELERATORS
        ],
        profiles=[a_profile(model, acc, draw(forms())) for model in MODELS for acc in ACCELERATORS],
        classes=[a_class(model=MODELS[0], **targets()), a_class("Gold", 2, MODELS[1], **targets())],
        servers=[draw(servers(f"s{i}")) for i in range(names)],
        capacity=draw(st.none() | st.fixed_dictionaries({name: st.integers(0, 40) for name in ACCELERATORS})),
        saturationPolicy=draw(
            st.sampled_from(["None", "PriorityExhaustive", "PriorityRoundRobin", "RoundRobin"])
        ),
        delayedBestEffort=draw(st.booleans()),
    )


def numbers(value: object) -> list[float]:
    if isinstance(value, dict):
        return [number for inner in value.values() for number in numbers(inner)]
    if isinstance(value, list):
        return [number for inner in value for number in numbers(inner)]
    return [value] if isinstance(value, int | float) else []


@settings(max_examples=100, deadline=None)
@given(systems())
def test_every_document_is_answered(system: Json) -> None:
    answer = on_the_wire(system)
    asked = system["system"]["serverData"]["servers"]
    assert set(answer["allocations"]) == {server["name"] for server in asked}
    assert all(math.isfinite(number) for number in numbers(answer))
    held_units = any(a["outcome"] == "held" for a in answer["allocations"].values())
    for use in answer["capacity"]:
        assert held_units or use.get("limit") is None or use["used"] <= use["limit"]
    for server in asked:
        allocation = answer["allocations"][server["name"]]
        if allocation["outcome"] == "held":
            assert allocation["numReplicas"] == server["currentAlloc"]["numReplicas"]
