"""Stabilisation windows and change policies over time."""

from typing import Any

from devcluster.controllers.hpa_limits import Memory, remember_rescale
from unit.devcluster_controllers.hpa_world import SEED_BEHAVIOR, after, an_hpa, decided, wanted_before


def rules(direction: str, **changes: object) -> dict[str, Any]:
    return {**SEED_BEHAVIOR, direction: {**SEED_BEHAVIOR[direction], **changes}}


def test_by_default_a_scale_down_waits_for_300_seconds() -> None:
    hpa = an_hpa(behavior={"scaleDown": {}})
    memory = wanted_before((0, 4))
    early = decided(1, replicas=4, hpa=hpa, memory=memory, at=299)
    assert not early.rescale
    assert early.conditions[0].reason == "ScaleDownStabilized"
    assert decided(1, replicas=4, hpa=hpa, memory=memory, at=300).replicas == 1


def test_without_behaviour_the_window_is_300_seconds_too() -> None:
    memory = wanted_before((0, 4))
    assert not decided(1, replicas=4, hpa=an_hpa(), memory=memory, at=299).rescale
    assert decided(1, replicas=4, hpa=an_hpa(), memory=memory, at=301).replicas == 1


def test_a_scale_down_goes_to_the_highest_recent_recommendation() -> None:
    hpa = an_hpa(behavior=rules("scaleDown", stabilizationWindowSeconds=60))
    memory = wanted_before((0, 5), (40, 3), (50, 2))
    assert decided(1, replicas=5, hpa=hpa, memory=memory, at=70).replicas == 3


def test_a_scale_up_window_takes_the_lowest_recent_recommendation() -> None:
    hpa = an_hpa(behavior=rules("scaleUp", stabilizationWindowSeconds=60))
    decision = decided(6, replicas=2, hpa=hpa, memory=wanted_before((0, 2), (30, 4)), at=61)
    assert decision.replicas == 4
    assert decided(6, replicas=2, hpa=hpa, memory=wanted_before((0, 2), (30, 4)), at=59).replicas == 2


def test_the_first_sync_remembers_the_present_size() -> None:
    hpa = an_hpa(behavior={"scaleDown": {}})
    assert not decided(1, replicas=4, hpa=hpa).rescale


def test_recommendations_older_than_the_window_are_forgotten() -> None:
    hpa = an_hpa(behavior=rules("scaleDown", stabilizationWindowSeconds=60))
    memory = wanted_before(*((second, 3) for second in range(0, 600, 15)))
    assert len(decided(3, replicas=3, hpa=hpa, memory=memory, at=600).memory.recommendations) <= 5


def test_a_pods_policy_counts_the_changes_of_its_period() -> None:
    policy = {"type": "Pods", "value": 2, "periodSeconds": 60}
    hpa = an_hpa(behavior=rules("scaleUp", policies=[policy]))
    first = decided(9, replicas=1, hpa=hpa)
    assert first.replicas == 3
    memory = remember_rescale(first.memory, hpa.behavior, 2, after(0))
    blocked = decided(9, replicas=3, hpa=hpa, memory=memory, at=30)
    assert not blocked.rescale
    assert blocked.conditions[-1].reason == "ScaleUpLimit"
    assert decided(9, replicas=3, hpa=hpa, memory=memory, at=61).replicas == 5


def test_a_percent_policy_grows_in_steps_and_rounds_up() -> None:
    policy = {"type": "Percent", "value": 50, "periodSeconds": 15}
    hpa = an_hpa(behavior=rules("scaleUp", policies=[policy]))
    assert decided(9, replicas=3, hpa=hpa).replicas == 5  # ceil(3 * 1.5)


def test_a_percent_policy_shrinks_and_rounds_down() -> None:
    policy = {"type": "Percent", "value": 10, "periodSeconds": 60}
    hpa = an_hpa(behavior=rules("scaleDown", policies=[policy]), maximum=100)
    assert decided(10, replicas=75, hpa=hpa).replicas == 67  # int(75 * 0.9)


def test_of_several_policies_the_largest_change_wins_unless_min_is_selected() -> None:
    policies = [
        {"type": "Pods", "value": 1, "periodSeconds": 60},
        {"type": "Percent", "value": 100, "periodSeconds": 60},
    ]
    largest = an_hpa(behavior=rules("scaleUp", policies=policies))
    assert decided(9, replicas=4, hpa=largest).replicas == 8
    smallest = an_hpa(behavior=rules("scaleUp", policies=policies, selectPolicy="Min"))
    assert decided(9, replicas=4, hpa=smallest).replicas == 5


def test_a_disabled_direction_does_not_move() -> None:
    hpa = an_hpa(behavior=rules("scaleDown", selectPolicy="Disabled"))
    decision = decided(1, replicas=4, hpa=hpa)
    assert not decision.rescale
    assert decision.conditions[-1].reason == "ScaleDownLimit"


def test_a_scale_down_within_the_period_gives_room_for_a_scale_up() -> None:
    policy = {"type": "Pods", "value": 1, "periodSeconds": 60}
    hpa = an_hpa(behavior=rules("scaleUp", policies=[policy]))
    memory = remember_rescale(Memory(), hpa.behavior, -3, after(0))
    # 15 s later, 15 s is the period of scaleDown: the event is still kept.
    assert decided(9, replicas=2, hpa=hpa, memory=memory, at=10).replicas == 6  # 2 + 3 deleted + 1


def test_without_behaviour_nothing_is_counted() -> None:
    assert remember_rescale(Memory(), None, 3, after(0)) == Memory()
