"""What becomes of each server: served, rationed, held with the reason, never in another one's way."""

import pytest

from inferno_optimizer.allocation import Problem
from inferno_optimizer.choosing import Refused
from inferno_optimizer.compat import SystemData, optimize_one
from unit.optimizer.compat.systems import (
    THIRD_PROFILE,
    Json,
    a_class,
    a_profile,
    a_server,
    a_system,
    an_accelerator,
    answered,
    on_the_wire,
)

RUNNING: Json = {"accelerator": "H100", "numReplicas": 2, "cost": 100}
TWO = [an_accelerator(), an_accelerator("G2", 23)]
ON_BOTH = [a_profile(), a_profile(acc="G2")]


def outcomes(system: Json) -> dict[str, tuple[str, str, int]]:
    allocations = on_the_wire(system)["allocations"]
    return {n: (a["outcome"], a["accelerator"], a["numReplicas"]) for n, a in allocations.items()}


def test_every_server_has_its_own_demand_even_of_one_model() -> None:
    assert outcomes(a_system(servers=[a_server("a"), a_server("b")])) == {
        "a": ("served", "H100", 3),
        "b": ("served", "H100", 3),
    }


def test_the_cheapest_accelerator_is_chosen_and_paid_by_unit() -> None:
    accelerators = [an_accelerator(), an_accelerator("2xG2", 46, type="G2", multiplicity=2)]
    profiles = [a_profile(), a_profile(acc="2xG2", accCount=1)]
    found = answered(a_system(accelerators=accelerators, profiles=profiles, capacity={"G2": 6, "H100": 9}))
    assert found.allocations["s1"].accelerator == "2xG2"
    assert found.total_cost == 3 * 46
    assert {(use.type, use.limit, use.used) for use in found.capacity} == {("G2", 6, 6), ("H100", 9, 0)}


def test_changing_the_accelerator_is_charged() -> None:
    # 3 H100 cost 150; moving to 3 at 48 would cost 144 + 5 % of 294: it stays. At 23 it moves.
    def chosen(cost: float) -> str:
        accelerators = [an_accelerator(), an_accelerator("G2", cost)]
        server = a_server(current={**RUNNING, "numReplicas": 3, "cost": 150})
        system = a_system(accelerators=accelerators, profiles=ON_BOTH, servers=[server])
        return answered(system).allocations["s1"].accelerator

    assert (chosen(48), chosen(23)) == ("H100", "G2")


def test_keep_accelerator_keeps_it() -> None:
    server = a_server(current=RUNNING, keepAccelerator=True)
    assert outcomes(a_system(accelerators=TWO, profiles=ON_BOTH, servers=[server])) == {
        "s1": ("served", "H100", 3)
    }
    free = a_server(keepAccelerator=True)
    assert outcomes(a_system(accelerators=TWO, profiles=ON_BOTH, servers=[free])) == {
        "s1": ("served", "G2", 3)
    }


def test_an_idle_server_keeps_its_minimum_on_the_cheapest() -> None:
    servers = [a_server("none", rate=0), a_server("two", rate=0, minNumReplicas=2)]
    system = a_system(accelerators=TWO, profiles=ON_BOTH, servers=servers)
    assert outcomes(system) == {"none": ("served", "", 0), "two": ("served", "G2", 2)}
    assert on_the_wire(system)["allocations"]["two"]["message"] == "no load: the minimum of 2 replicas on G2"


def test_a_minimum_above_the_need_is_kept() -> None:
    assert outcomes(a_system(servers=[a_server(minNumReplicas=5)])) == {"s1": ("served", "H100", 5)}


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (a_server("x", service_class="Gold"), "class Gold is not in serviceClassData (there is Premium)"),
        (a_server("x", service_class=""), "class Free is not in serviceClassData (there is Premium)"),
        (a_server("x", model="granite"), "class Premium has no target for model granite"),
        (a_server("x", model="bare"), "modelData has no profile for model bare"),
        (a_server("x", model="lost"), "no profile of model lost can be used (B200: acceleratorData has no"),
        (a_server("x", model="new"), "(H100: alpha is 0, so the profile has not been measured yet)"),
        (
            a_server("x", model="huge"),
            "(H100: maxBatchSize is given neither by the profile nor by the server)",
        ),
        (a_server("x", load={}), "currentAlloc.load has no arrivalRate"),
        (a_server("x", load={"arrivalRate": 5}), "5 requests/min but no avgOutTokens (or avgLength)"),
        (a_server("x", model="slow"), "H100: ITL target 1 ms cannot be met"),
    ],
)
def test_a_server_that_cannot_be_planned_for_is_held_with_the_reason_alone(server: Json, reason: str) -> None:
    models = ("bare", "lost", "new", "huge")
    targets = [{"model": model, "slo-itl": 24, "slo-ttft": 500} for model in ("llama", *models)]
    premium = {"name": "Premium", "priority": 1, "modelTargets": [*targets, {"model": "slow", "slo-itl": 1}]}
    profiles = [
        a_profile(),
        a_profile("lost", "B200"),
        a_profile("new", form={"perfParms": {"alpha": 0, "beta": 0, "gamma": 0}, "maxBatchSize": 4}),
        a_profile("huge", maxBatchSize=0),
        a_profile("slow"),
    ]
    held = {**server, "currentAlloc": {**server["currentAlloc"], **RUNNING}}
    system = a_system(classes=[premium], profiles=profiles, servers=[a_server("good"), held])
    assert outcomes(system) == {"good": ("served", "H100", 3), "x": ("held", "H100", 2)}
    answer = on_the_wire(system)
    assert reason in answer["allocations"]["x"]["message"]
    assert answer["allocations"]["x"]["message"].endswith("It keeps its 2 replicas")
    assert answer["allocations"]["x"]["cost"] == 100
    alone = a_system(classes=[premium], profiles=profiles, servers=[a_server("good")])
    assert on_the_wire(alone)["allocations"]["good"] == answer["allocations"]["good"]
    assert answer["problems"][0]["subject"] == "Server x"


@pytest.mark.parametrize(
    ("server", "capacity", "words"),
    [
        (a_server(minNumReplicas=9), 5, "(more of the 9 of minNumReplicas do not fit the capacity)"),
        (a_server(minNumReplicas=4), 5, "(the minimum of replicas suffices)"),
        (a_server(rate=0, minNumReplicas=9), 5, "no load: of the minimum of 9 replicas 5 fit the capacity"),
        (a_server(rate=0, minNumReplicas=9), 0, "no load: of the minimum of 9 replicas 0 fit the capacity"),
        (a_server(rate=0, minNumReplicas=2), 5, "no load: the minimum of 2 replicas on H100"),
        (a_server(service_class="Gold", current=RUNNING | {"numReplicas": 1}), 5, "It keeps its 1 replica"),
    ],
)
def test_a_minimum_and_what_is_kept_are_told_as_they_are(server: Json, capacity: int, words: str) -> None:
    told = on_the_wire(a_system(servers=[server], capacity={"H100": capacity}))["allocations"]["s1"][
        "message"
    ]
    assert told.endswith(words)


def test_who_is_turned_away_is_not_served() -> None:
    found = answered(a_system(servers=[a_server(rate=60, maxQueueSize=0)])).allocations["s1"]
    assert found.outcome == "served"
    assert found.blocking is not None
    assert found.blocking > 0.01
    assert found.served_rate == pytest.approx(60 * (1 - found.blocking), abs=1e-4)


def test_a_held_server_is_predicted_where_its_accelerator_is_known() -> None:
    server = a_server(current=RUNNING)
    found = answered(a_system(classes=[a_class(itl=1)], servers=[server])).allocations["s1"]
    assert found.outcome == "held"
    assert found.itl_average == pytest.approx(21.8, abs=0.3)


def test_what_held_servers_use_is_not_given_to_others() -> None:
    held = a_server("held", service_class="Gold", current=RUNNING)
    enough = a_system(servers=[a_server("good"), held], capacity={"H100": 5})
    short = a_system(servers=[a_server("good"), held], capacity={"H100": 4})
    assert outcomes(enough)["good"] == ("served", "H100", 3)
    assert outcomes(short)["good"] == ("unserved", "", 0)
    assert on_the_wire(enough)["capacity"] == [{"type": "H100", "limit": 5, "used": 5}]


def test_scarcity_is_told_with_what_it_would_take() -> None:
    system = a_system(accelerators=TWO, profiles=ON_BOTH, capacity={"H100": 2, "G2": 1})
    assert on_the_wire(system)["allocations"]["s1"]["message"] == (
        "the capacity does not suffice for 37.5 requests/min: it gets nothing. In full it would take"
        " 3 G2 as G2 (of 1); 3 H100 as H100 (of 2)"
    )


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("None", {"a": ("served", 3), "b": ("unserved", 0), "c": ("unserved", 0)}),
        ("PriorityExhaustive", {"a": ("served", 3), "b": ("partial", 2), "c": ("unserved", 0)}),
        ("PriorityRoundRobin", {"a": ("served", 3), "b": ("partial", 1), "c": ("partial", 1)}),
        ("RoundRobin", {"a": ("partial", 2), "b": ("partial", 2), "c": ("partial", 1)}),
    ],
)
def test_scarcity_follows_the_policy(policy: str, expected: dict[str, tuple[str, int]]) -> None:
    system = a_system(
        classes=[a_class(), a_class("Free", 10)],
        servers=[a_server("a"), a_server("b", service_class="Free"), a_server("c", service_class="Free")],
        capacity={"H100": 5},
        saturationPolicy=policy,
    )
    found = outcomes(system)
    assert {name: (outcome, replicas) for name, (outcome, _, replicas) in found.items()} == expected


def test_a_rationed_server_shows_the_latency_that_its_load_will_have() -> None:
    def allocation(limit: int) -> Json:
        system = a_system(capacity={"H100": limit}, saturationPolicy="PriorityExhaustive")
        found = on_the_wire(system)["allocations"]["s1"]
        assert isinstance(found, dict)
        return found

    full, part = allocation(3), allocation(2)
    assert part["servedRate"] == pytest.approx(2 * 14.308867, rel=1e-5)
    assert part["waitAverage"] > full["waitAverage"]


def test_an_allocation_that_fails_its_check_is_not_answered() -> None:
    def refuse(_: Problem, __: float) -> Refused:
        return Refused(("one unit too many",))

    data = SystemData.model_validate(a_system(servers=[a_server(current=RUNNING)]))
    found = optimize_one(data, refuse)
    assert found.allocations["s1"].outcome == "held"
    assert found.allocations["s1"].num_replicas == 2
    assert "no allocation passed the check: one unit too many" in found.allocations["s1"].message
    assert (found.certificate.status, found.certificate.verified) == ("fallback", False)


def test_the_order_of_lists_changes_nothing() -> None:
    def system(step: int) -> Json:
        return a_system(
            accelerators=TWO[::step],
            profiles=[*ON_BOTH, a_profile("new", form=THIRD_PROFILE)][::step],
            classes=[a_class(), a_class("Gold", 2, "new", itl=30)][::step],
            servers=[a_server("a"), a_server("b"), a_server("c", model="new", service_class="Gold")][::step],
            capacity={"G2": 3, "H100": 8},
            saturationPolicy="RoundRobin",
        )

    assert on_the_wire(system(1)) == on_the_wire(system(-1))


def test_the_certificate_states_the_whole_cost() -> None:
    held = a_server("held", service_class="Gold", current=RUNNING)
    answer = on_the_wire(a_system(servers=[a_server("good"), held]))
    stated = {stage["objective"]: stage["value"] for stage in answer["certificate"]["stages"]}
    assert stated["cost"] == answer["totalCost"] == 150 + 100


@pytest.mark.parametrize(
    ("minimum", "reason"), [(1, "the TTFT target binds"), (2, "the minimum of replicas suffices")]
)
def test_a_minimum_is_the_reason_only_when_fewer_would_do(minimum: int, reason: str) -> None:
    system = a_system(servers=[a_server(rate=10, minNumReplicas=minimum)])
    assert reason in on_the_wire(system)["allocations"]["s1"]["message"]


def test_no_servers_is_an_empty_answer() -> None:
    assert on_the_wire(a_system(servers=[]))["allocations"] == {}
