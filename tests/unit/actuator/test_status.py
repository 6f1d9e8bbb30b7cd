"""The status in upstream's field names, written only when it tells something."""

from builders import a_profile, a_snapshot, a_variant
from inferno_actuator.decisions import Decision
from inferno_actuator.status import Prices, render, render_failure
from inferno_shared.contracts import ObservedLatency, Snapshot
from unit.actuator.world import NOON, JsonObject, a_held_allocation, a_plan, decided, persisted


def rendered(
    snapshot: Snapshot | None = None, before: JsonObject | None = None, *, decision: Decision | None = None
) -> JsonObject:
    snapshot = snapshot or a_snapshot()
    return render(
        decision or decided(snapshot), before or {}, prices=Prices.of(snapshot), generation=7, now=NOON
    )


def test_the_seeds_variant_is_rendered_as_the_guide_shows_it() -> None:
    variant = a_variant().model_copy(update={"observed": ObservedLatency(itl_ms=7.82, wait_ms=0.03)})
    status = rendered(a_snapshot(variants=[variant]))
    assert status["currentAlloc"] == {
        "accelerator": "H100",
        "numReplicas": 1,
        "maxBatch": 4,
        "variantCost": "50.00",
        "itlAverage": "7.82",
        "waitAverage": "0.03",
        "load": {
            "arrivalRate": "37.50",
            "avgLength": "279.00",
            "avgInputTokens": "0.00",
            "avgOutputTokens": "279.00",
        },
    }
    assert status["desiredOptimizedAlloc"] == {
        "lastRunTime": "2025-09-04T12:00:00Z",
        "accelerator": "H100",
        "numReplicas": 3,
    }
    assert status["actuation"] == {"applied": False}
    assert [c["type"] for c in status["conditions"]] == [
        "TargetResolved",
        "MetricsAvailable",
        "OptimizationReady",
    ]


def test_the_cost_counts_units_and_replicas() -> None:
    variant = a_variant(replicas=3, profiles=[a_profile(acc_count=2)])
    assert rendered(a_snapshot(variants=[variant]))["currentAlloc"]["variantCost"] == "300.00"


def test_applied_is_true_once_the_current_replicas_are_the_desired_ones() -> None:
    assert rendered(a_snapshot(variants=[a_variant(replicas=3)]))["actuation"] == {"applied": True}


def test_numbers_that_are_no_longer_known_go() -> None:
    before = rendered()
    assert "arrivalRate" in before["currentAlloc"]["load"]
    after = rendered(a_snapshot(variants=[a_variant(rate_rpm=None)]), before)
    assert after["currentAlloc"]["load"] == {}


def test_fields_that_are_not_ours_stay() -> None:
    before = {"upstreamsNewField": {"x": 1}, "currentAlloc": {"power": "3"}}
    after = rendered(before=before)
    assert after["upstreamsNewField"] == {"x": 1}
    assert after["currentAlloc"]["power"] == "3"


def test_a_failed_cycle_touches_nothing_but_the_condition() -> None:
    before = rendered()
    after = render_failure("Stage optimize failed", before, generation=7, now=NOON)
    assert {**after, "conditions": []} == {**before, "conditions": []}
    assert [c["status"] for c in after["conditions"]] == ["True", "True", "False"]


def test_a_variant_left_out_keeps_what_its_status_says() -> None:
    before = {**persisted(4), "currentAlloc": {"numReplicas": 4}}
    empty = a_snapshot(variants=[])
    after = rendered(empty, before, decision=decided(empty))
    assert after["currentAlloc"] == {"numReplicas": 4}
    assert after["desiredOptimizedAlloc"]["numReplicas"] == 4


def test_a_held_variant_is_rendered_with_the_replicas_that_are_kept() -> None:
    snapshot = a_snapshot(variants=[a_variant(replicas=3, rate_rpm=None)])
    decision = decided(snapshot, a_plan(snapshot, [a_held_allocation()]))
    assert rendered(snapshot, decision=decision)["desiredOptimizedAlloc"]["numReplicas"] == 3
