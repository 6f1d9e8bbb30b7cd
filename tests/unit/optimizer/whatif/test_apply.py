import pytest

from builders import H100_DEVICE, SEED_MODEL, a_load, a_node, a_snapshot, a_variant
from inferno_optimizer.whatif.apply import ScenarioError, apply, notes
from inferno_shared.contracts import LoadState, Scenario, Snapshot

OTHER = "granite-13b"


def a_scenario(**changes: object) -> Scenario:
    return Scenario.model_validate({"name": "test", **changes})


def two_models() -> Snapshot:
    return a_snapshot(
        variants=[
            a_variant("one", rate_rpm=30),
            a_variant("two", model=OTHER, service_class="Freemium", rate_rpm=40, namespace="other"),
        ]
    )


def rates(snapshot: Snapshot) -> dict[str, float | None]:
    return {v.name: v.load.arrival_rate_rpm for v in snapshot.variants}


def test_a_load_factor_scales_every_observed_rate() -> None:
    edited = apply(two_models(), a_scenario(load=[{"factor": 2}]))
    assert rates(edited) == {"one": 60, "two": 80}


def test_a_load_factor_may_be_narrowed_to_a_model_or_a_namespace() -> None:
    assert rates(apply(two_models(), a_scenario(load=[{"factor": 2, "model": OTHER}]))) == {
        "one": 30,
        "two": 80,
    }
    assert rates(apply(two_models(), a_scenario(load=[{"factor": 3, "namespace": "llm-d-sim"}]))) == {
        "one": 90,
        "two": 40,
    }


def test_load_changes_apply_one_after_the_other() -> None:
    edited = apply(two_models(), a_scenario(load=[{"factor": 2}, {"factor": 0.5, "model": OTHER}]))
    assert rates(edited) == {"one": 60, "two": 40}


def test_unknown_and_idle_loads_stay_and_a_note_says_so() -> None:
    snapshot = a_snapshot(
        variants=[a_variant("blind", rate_rpm=None), a_variant("idle", rate_rpm=0), a_variant("busy")]
    )
    scenario = a_scenario(load=[{"factor": 2}])
    edited = apply(snapshot, scenario)
    assert [v.load.state for v in edited.variants[:2]] == [LoadState.UNKNOWN, LoadState.IDLE]
    assert edited.variants[1].load == a_load(0)
    assert notes(snapshot, edited, scenario) == [
        "load does not change for llm-d-sim/blind: their load is unknown",
        "load does not change for llm-d-sim/idle: they are idle",
    ]


def test_a_price_is_set_or_multiplied() -> None:
    scenario = a_scenario(
        prices=[{"accelerator": "H100", "cost_per_hour": 30}, {"accelerator": "A100", "factor": 0.5}]
    )
    edited = apply(a_snapshot(), scenario)
    prices = {a.name: a.cost_per_hour for a in edited.accelerators}
    assert prices == {"A100": 20, "G2": 23, "H100": 30, "MI300X": 65}


def test_a_price_of_a_variants_own_follows_while_it_runs_there() -> None:
    own = a_variant("own").model_copy(update={"cost_per_replica_hour": 40.0})
    elsewhere = a_variant("elsewhere", accelerator="A100").model_copy(update={"cost_per_replica_hour": 40.0})

    def prices(**change: float) -> list[float | None]:
        snapshot = a_snapshot(variants=[own, elsewhere])
        edited = apply(snapshot, a_scenario(prices=[{"accelerator": "H100", **change}]))
        return [v.cost_per_replica_hour for v in edited.variants]

    assert prices(factor=0.5) == [20, 40]
    assert prices(cost_per_hour=30) == [None, 40]


def test_targets_are_set_for_the_class_and_model_that_are_meant() -> None:
    scenario = a_scenario(slos=[{"service_class": "Premium", "model": SEED_MODEL, "itl_ms": 22}])
    edited = apply(a_snapshot(), scenario)
    premium = {t.model: (t.itl_ms, t.ttft_ms) for t in edited.service_classes[0].targets}
    assert premium == {SEED_MODEL: (22, 500), "llama0-70b": (80, 500)}
    assert edited.service_classes[1] == a_snapshot().service_classes[1]


def test_a_latency_factor_tightens_every_promise() -> None:
    edited = apply(a_snapshot(), a_scenario(slos=[{"latency_factor": 0.5}]))
    promised = [(t.itl_ms, t.ttft_ms, t.tokens_per_second) for c in edited.service_classes for t in c.targets]
    assert promised == [(12, 250, None), (40, 250, None), (100, 1000, None), (75, 750, None)]


def test_a_class_gets_another_priority() -> None:
    edited = apply(a_snapshot(), a_scenario(priorities=[{"service_class": "Freemium", "priority": 1}]))
    assert [c.priority for c in edited.service_classes] == [1, 1]


def test_a_policy_replaces_only_what_it_names() -> None:
    snapshot = a_snapshot()
    policy = apply(
        snapshot, a_scenario(policy={"unlimited": False, "saturation_policy": "RoundRobin"})
    ).policy
    expected = snapshot.policy.model_copy(
        update={"unlimited": False, "saturation_policy": policy.saturation_policy}
    )
    assert policy == expected
    assert policy.saturation_policy == "RoundRobin"


def test_capacity_without_limits_has_no_effect_and_a_note_says_so() -> None:
    scenario = a_scenario(capacity=[{"device": H100_DEVICE, "change": 8}])
    edited = apply(a_snapshot(), scenario)
    assert notes(a_snapshot(), edited, scenario) == [
        "capacity has no effect: policy.unlimited is true; set it to false in the scenario's policy"
    ]
    limited = a_scenario(capacity=[{"device": H100_DEVICE, "change": 8}], policy={"unlimited": False})
    assert notes(a_snapshot(), apply(a_snapshot(), limited), limited) == []


def test_a_misspelt_field_is_noted() -> None:
    scenario = a_scenario(load=[{"factor": 2, "modell": SEED_MODEL}])
    assert notes(a_snapshot(), a_snapshot(), scenario) == ["load[0].modell is not read: did you mean model?"]


def test_the_edited_snapshot_has_its_own_identity_and_the_first_is_untouched() -> None:
    snapshot = a_snapshot()
    before = snapshot.model_dump_json()
    edited = apply(snapshot, a_scenario(load=[{"factor": 2}]))
    assert edited.id == edited.content_id() != snapshot.id
    assert snapshot.model_dump_json() == before
    assert apply(snapshot, a_scenario()).id == snapshot.id


def test_all_that_does_not_fit_is_told_at_once_with_what_there_is() -> None:
    scenario = a_scenario(
        load=[{"factor": 2}, {"factor": 2, "model": "gpt"}],
        capacity=[{"node": "n9", "change": -1}, {"device": "H200", "change": 1}],
        prices=[{"accelerator": "B200", "factor": 2}],
        slos=[{"service_class": "Gold", "itl_ms": 20}],
        priorities=[{"service_class": "Gold", "priority": 2}],
    )
    with pytest.raises(ScenarioError) as error:
        apply(a_snapshot(inventory=[a_node("n1")]), scenario)
    assert {c.field: c.message for c in error.value.complaints} == {
        "load[1].model": f"gpt is not in the snapshot (there is {SEED_MODEL})",
        "capacity[0].node": "n9 is not in the snapshot (there is n1)",
        "capacity[1].device": (
            "H200 is not in the snapshot (there is AMD-MI300X-192GB, Intel-Gaudi-2-96GB,"
            f" NVIDIA-A100-PCIE-80GB, {H100_DEVICE})"
        ),
        "prices[0].accelerator": "B200 is not in the snapshot (there is A100, G2, H100, MI300X)",
        "slos[0].service_class": "Gold is not in the snapshot (there is Freemium, Premium)",
        "priorities[0].service_class": "Gold is not in the snapshot (there is Freemium, Premium)",
    }


def test_a_model_that_only_another_class_holds_is_not_in_the_meant_one() -> None:
    with pytest.raises(ScenarioError, match="granite-13b is not in the snapshot"):
        apply(a_snapshot(), a_scenario(slos=[{"service_class": "Premium", "model": OTHER, "itl_ms": 9}]))
