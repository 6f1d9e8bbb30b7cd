import pytest
from pydantic import ValidationError

from builders import a_snapshot, a_variant
from inferno_optimizer.plan import make_plan
from inferno_optimizer.whatif import ScenarioError, apply, what_if
from inferno_shared.contracts import OptimizeRequest, Plan, Scenario, Snapshot

DOUBLE = Scenario.model_validate({"name": "double", "load": [{"factor": 2}]})
CHEAP = Scenario.model_validate({"name": "cheap", "prices": [{"accelerator": "H100", "factor": 0.1}]})


def a_request(**changes: object) -> OptimizeRequest:
    return OptimizeRequest.model_validate({**a_snapshot().model_dump(mode="json"), **changes})


def test_every_scenario_is_planned_as_if_it_were_the_snapshot() -> None:
    snapshot = a_snapshot()
    found = what_if(snapshot, [DOUBLE, CHEAP], make_plan)
    assert found.base == make_plan(snapshot)
    assert [s.name for s in found.scenarios] == ["double", "cheap"]
    assert [s.plan for s in found.scenarios] == [
        make_plan(apply(snapshot, DOUBLE)),
        make_plan(apply(snapshot, CHEAP)),
    ]
    assert [s.difference.cost_per_hour_after for s in found.scenarios] == [300, 15]


def test_scenarios_do_not_add_up() -> None:
    alone = what_if(a_snapshot(), [CHEAP], make_plan).scenarios[0]
    after_another = what_if(a_snapshot(), [DOUBLE, CHEAP], make_plan).scenarios[1]
    assert alone == after_another


def test_all_plans_of_a_request_share_its_time_limit() -> None:
    """30 s for 3 plans: 10 for the first, which takes 20; 5 for the second, which takes none; then 10."""
    now, allowed = [100.0], []

    def planner(snapshot: Snapshot, seconds: float) -> Plan:
        allowed.append(seconds)
        now[0] += 20.0 if len(allowed) == 1 else 0.0
        return make_plan(snapshot)

    what_if(a_snapshot(), [DOUBLE, CHEAP], planner, clock=lambda: now[0])
    assert allowed == [10.0, 5.0, 10.0]


def test_a_request_may_take_no_longer_than_the_service_allows() -> None:
    allowed = []

    def planner(snapshot: Snapshot, seconds: float) -> Plan:
        allowed.append(seconds)
        return make_plan(snapshot)

    what_if(a_snapshot(), [DOUBLE], planner, limit_seconds=6.0, clock=lambda: 0.0)
    assert allowed == [3.0, 6.0]


def test_nothing_is_planned_when_a_scenario_does_not_fit() -> None:
    def never(_: Snapshot, __: float) -> Plan:
        raise AssertionError

    wrong = Scenario.model_validate({"name": "wrong", "load": [{"factor": 2, "model": "gpt"}]})
    with pytest.raises(ScenarioError) as error:
        what_if(a_snapshot(), [DOUBLE, wrong, wrong.model_copy(update={"name": "again"})], never)
    assert [c.field for c in error.value.complaints] == [
        "scenarios[1].load[0].model",
        "scenarios[2].load[0].model",
    ]


def test_a_request_holds_the_snapshot_unchanged() -> None:
    request = a_request(scenarios=[DOUBLE.model_dump(mode="json")])
    assert request.snapshot() == a_snapshot()
    assert request.snapshot().content_id() == a_snapshot().content_id()


def test_unknown_fields_of_the_snapshot_stay_with_it() -> None:
    [problem] = make_plan(a_request(polici={}).snapshot()).problems
    assert problem.reason == "UnknownField"
    assert "polici" in problem.message


@pytest.mark.parametrize(
    ("scenarios", "message"),
    [
        ([{"name": "a"}, {"name": "a"}], "name a appears more than once"),
        ([{"name": str(i)} for i in range(21)], "at most 20 items"),
        ([{"name": "a", "load": [{"factor": -1}]}], "greater than or equal to 0"),
        ([{"name": "a", "load": [{"factor": 1}] * 101}], "at most 100 items"),
        ([{"name": "a", "capacity": [{"change": 1}]}], "give device or node"),
        ([{"name": "a", "prices": [{"accelerator": "H100"}]}], "give either cost_per_hour or factor"),
        (
            [{"name": "a", "slos": [{"model": "m"}]}],
            "give itl_ms, ttft_ms, tokens_per_second or latency_factor",
        ),
        (
            [{"name": "a", "slos": [{"itl_ms": 1, "latency_factor": 2}]}],
            "give either latency_factor or itl_ms",
        ),
        ([{"name": "a", "priorities": [{"service_class": "Premium", "priority": 0}]}], "equal to 1"),
        ([{"name": "a", "policy": {"saturation_policy": "Nobody"}}], "PriorityExhaustive"),
    ],
)
def test_what_no_snapshot_could_fit_is_refused_at_the_door(scenarios: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        a_request(scenarios=scenarios)


def test_variants_times_plans_are_bounded() -> None:
    many = [a_variant(f"v{i}").model_dump(mode="json") for i in range(2_600)]
    scenarios = [{"name": str(i)} for i in range(20)]
    with pytest.raises(ValidationError, match=r"2600 variants in 21 plans are more than 50,000"):
        a_request(variants=many, scenarios=scenarios)
