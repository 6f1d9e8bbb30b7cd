"""Placeable plans from snapshot to document: what has no node is not planned, and the nodes are shown."""

from collections.abc import Callable

import pytest

from builders import H100_DEVICE, a_node, a_profile, a_snapshot, a_variant
from inferno_optimizer.audit import audit
from inferno_optimizer.plan import make_plan
from inferno_shared.contracts import (
    Allocation,
    LinearParameters,
    NodeInventory,
    Outcome,
    Plan,
    Policy,
    ReplicaGroup,
    SaturationPolicy,
    Snapshot,
    Variant,
)

A100_DEVICE = "NVIDIA-A100-PCIE-80GB"
LIMITED = Policy(unlimited=False, saturation_policy=SaturationPolicy.PRIORITY_EXHAUSTIVE)


def nodes(*free: int, device: str = H100_DEVICE) -> list[NodeInventory]:
    return [
        a_node(f"{device}-{number}", device=device, allocatable=units) for number, units in enumerate(free)
    ]


def a_world(*variants: Variant, inventory: list[NodeInventory]) -> Snapshot:
    return a_snapshot(variants=variants, inventory=inventory, policy=LIMITED)


def planned(*variants: Variant, inventory: list[NodeInventory]) -> tuple[Plan, dict[str, Allocation]]:
    plan = make_plan(a_world(*variants, inventory=inventory))
    assert plan.certificate.verified
    return plan, {allocation.name: allocation for allocation in plan.allocations}


def wide(name: str = "v", *, units: int = 4, **fields: object) -> Variant:
    return a_variant(name, profiles=[a_profile("H100", acc_count=units)], **fields)  # type: ignore[arg-type]


def test_eight_units_scattered_over_four_nodes_place_no_replica_of_four_and_the_plan_says_so() -> None:
    plan, found = planned(wide(), inventory=nodes(2, 2, 2, 2))
    assert (found["v"].replicas, found["v"].outcome) == (0, Outcome.UNSERVED)
    [problem] = plan.problems
    assert problem.subject == f"Device {H100_DEVICE}"
    assert "a replica of 4 units needs one node with 4 free" in problem.message
    assert "the largest of 4 nodes with free units has 2, of 8 in all" in problem.message
    assert "v on H100 cannot be placed" in problem.message
    message = found["v"].message
    assert f"{H100_DEVICE} has 8 units. A replica takes 4 units of one node: the largest of 4" in message
    [placement] = plan.placement
    assert (placement.free_units, placement.largest_free) == (8, 2)
    assert [(s.free_units, s.nodes, s.used_nodes) for s in placement.shapes] == [(2, 4, 0)]


def test_units_that_are_free_on_too_many_nodes_are_told_apart_from_units_that_are_missing() -> None:
    """Replicas of 4 on nodes of 6 and 6: two of three, and 2 + 2 units are left."""
    _, found = planned(wide(), inventory=nodes(6, 6))
    assert found["v"].replicas == 2
    assert (
        "4 units are free, but a replica takes 4 of one node, and none has more than 2" in found["v"].message
    )
    _, found = planned(wide(), inventory=nodes(8, 1))
    assert "of one node" not in found["v"].message


def test_the_only_accelerator_that_packs_is_chosen_although_it_is_dearer() -> None:
    profiles = [
        a_profile("A100", acc_count=4, parameters=LinearParameters(alpha=20.58, beta=0.41)),
        a_profile("H100", acc_count=4),
    ]
    variant = a_variant("v", profiles=profiles, keep_accelerator=False, accelerator=None, replicas=0)
    scattered = nodes(2, 2, 2, 2, 2, 2, 2, 2, device=A100_DEVICE)
    plan, found = planned(variant, inventory=[*scattered, *nodes(8, 8)])
    assert (found["v"].accelerator, found["v"].replicas, found["v"].outcome) == ("H100", 3, Outcome.SERVED)
    assert [p.subject for p in plan.problems] == [f"Device {A100_DEVICE}"]
    gathered, chosen = planned(variant, inventory=[*nodes(8, 8, device=A100_DEVICE), *nodes(8, 8)])
    assert chosen["v"].accelerator == "A100"
    assert gathered.problems == []


def test_the_plan_shows_which_nodes_hold_what() -> None:
    plan, _ = planned(wide(), wide("w", units=2, model="llama0-70b"), inventory=nodes(8, 8, 8))
    [placement] = plan.placement
    [shape] = placement.shapes
    assert [(p.nodes, [(g.units_per_replica, g.replicas) for g in p.holds]) for p in shape.patterns] == [
        (1, [(4, 2)]),
        (1, [(4, 1), (2, 2)]),
        (1, [(2, 1)]),
    ]
    assert (shape.nodes, shape.used_nodes, placement.free_units, placement.largest_free) == (3, 3, 6, 6)


def test_units_of_unmanaged_pods_are_taken_from_the_node_that_they_are_on() -> None:
    busy = [a_node("a", allocatable=8, unmanaged=6), a_node("b", allocatable=8, unmanaged=6)]
    _, found = planned(wide(), inventory=busy)
    assert found["v"].replicas == 0
    _, found = planned(wide(), inventory=[busy[0], a_node("b", allocatable=8, unmanaged=2)])
    assert found["v"].replicas == 1


def test_held_replicas_keep_a_node_and_others_get_what_is_left() -> None:
    """A held replica of 4 and one of 2 on 4 + 4: room for two of 2 more, but none of 4."""
    held = wide("held", rate_rpm=None, replicas=1)
    plan, found = planned(held, wide("v", units=2, model="llama0-70b", replicas=1), inventory=nodes(4, 4))
    assert (found["held"].replicas, found["v"].replicas) == (1, 2)
    assert plan.placement[0].unplaced == []
    assert plan.placement[0].free_units == 0


def test_held_replicas_without_a_node_are_kept_and_told_and_nobody_else_suffers() -> None:
    """A node was lost: of two held replicas of 4 one has its node, and the node of 2 goes to others."""
    held = wide("held", rate_rpm=None, replicas=2)
    plan, found = planned(held, wide("v", units=2, model="llama0-70b", replicas=0), inventory=nodes(4, 2, 2))
    assert (found["held"].outcome, found["held"].replicas) == (Outcome.HELD, 2)
    assert found["v"].replicas == 2
    assert plan.placement[0].unplaced == [ReplicaGroup(units_per_replica=4, replicas=1)]
    assert any("12 units are in use" in p.message or "fit on no node" in p.message for p in plan.problems)


def test_replicas_that_must_not_shrink_are_kept_without_a_node() -> None:
    """The load of another variant of the demand is unknown, and the nodes are too small for what runs."""
    doubtful = wide("doubtful", rate_rpm=None, replicas=0, min_replicas=0)
    plan, found = planned(doubtful, wide("v", rate_rpm=10, replicas=3), inventory=nodes(6, 6, 3))
    assert found["v"].replicas == 3
    assert plan.placement[0].unplaced == [ReplicaGroup(units_per_replica=4, replicas=1)]
    [problem] = plan.problems
    assert (
        "of the replicas that variants keep, 1 of 4 units fit on no node beside the others" in problem.message
    )


def test_a_held_variant_is_raised_to_its_minimum_only_on_a_node_with_room() -> None:
    new = wide("new", rate_rpm=None, replicas=0, min_replicas=2)
    _, found = planned(new, inventory=nodes(6, 2))
    assert found["new"].replicas == 1


def test_a_held_variant_is_not_raised_to_a_minimum_that_empty_nodes_cannot_hold() -> None:
    """Six replicas of 4 have room on the nodes: a minimum of 6 is kept, one of 7 counts as one."""
    for minimum, replicas in ((6, 6), (7, 1)):
        new = wide("new", rate_rpm=None, replicas=0, min_replicas=minimum)
        _, found = planned(new, inventory=nodes(8, 8, 8))
        assert found["new"].replicas == replicas


def test_a_plan_without_limits_shows_no_placement() -> None:
    assert make_plan(a_snapshot()).placement == []


def a_plan() -> tuple[Snapshot, Plan]:
    """3 of 4 units and 3 of 2 on nodes of 8, 8 and 4; 2 held of 4 have one node of 4 on A100."""
    held = a_variant(
        "held", profiles=[a_profile("A100", acc_count=4)], accelerator="A100", rate_rpm=None, replicas=2
    )
    snapshot = a_world(
        wide(),
        wide("w", units=2, model="llama0-70b"),
        held,
        inventory=[*nodes(8, 8, 4), *nodes(5, 3, device=A100_DEVICE)],
    )
    return snapshot, make_plan(snapshot)


def test_a_right_placement_passes_the_audit() -> None:
    snapshot, plan = a_plan()
    assert audit(snapshot, plan) == []
    assert [p.device for p in plan.placement] == [A100_DEVICE, H100_DEVICE]
    assert plan.placement[0].unplaced == [ReplicaGroup(units_per_replica=4, replicas=1)]


def pattern(plan: Plan, shape: int = 0) -> ReplicaGroup:
    return plan.placement[1].shapes[shape].patterns[0].holds[0]


def edit(target: object, **fields: object) -> None:
    """Change what is frozen, and unchecked: a corrupted document."""
    vars(target).update(fields)


def take_all_away(plan: Plan) -> None:
    """Both held replicas are called unplaced, while the node of 5 has room for one."""
    plan.placement[0].shapes[0].patterns.clear()
    edit(plan.placement[0].shapes[0], used_nodes=0)
    edit(plan.placement[0].unplaced[0], replicas=2)


@pytest.mark.parametrize(
    ("corrupt", "words"),
    [
        (lambda p: p.placement.clear(), "the placement is about no device"),
        (lambda p: p.placement.pop(), "not every device once"),
        (lambda p: p.placement.reverse(), "not every device once"),
        (lambda p: edit(pattern(p), replicas=1), "the allocations have 3"),
        (lambda p: edit(pattern(p), replicas=3), "are filled with 12"),
        (lambda p: edit(pattern(p), units_per_replica=8), "are filled with 16"),
        (lambda p: edit(pattern(p), replicas=0), "are filled with"),
        (lambda p: edit(p.placement[1].shapes[0].patterns[0], nodes=2), "filled"),
        (lambda p: edit(p.placement[1].shapes[0], used_nodes=1), "called used"),
        (lambda p: edit(p.placement[1].shapes[0], nodes=3), "the inventory has {8: 2, 4: 1}"),
        (lambda p: edit(p.placement[1].shapes[0], free_units=9), "the inventory has {8: 2, 4: 1}"),
        (lambda p: p.placement[1].shapes.append(p.placement[1].shapes[0]), "nodes by free units"),
        (lambda p: edit(p.placement[1], free_units=3), "units are called free"),
        (lambda p: edit(p.placement[1], largest_free=8), "on one node"),
        (lambda p: p.placement[0].unplaced.clear(), "the allocations have 2"),
        (lambda p: edit(p.placement[0].unplaced[0], replicas=2), "the allocations have 2"),
        (take_all_away, "replicas of 4 units have no node although one has room"),
        (
            lambda p: p.placement[1].unplaced.append(ReplicaGroup(units_per_replica=2, replicas=1)),
            "not all run yet",
        ),
    ],
)
def test_a_corrupted_placement_in_the_document(corrupt: Callable[[Plan], object], words: str) -> None:
    snapshot, plan = a_plan()
    corrupt(plan)
    assert any(words in violation for violation in audit(snapshot, plan)), audit(snapshot, plan)


def test_a_placement_in_a_plan_without_limits() -> None:
    snapshot, plan = a_plan()
    unlimited = snapshot.model_copy(update={"policy": Policy(unlimited=True)})
    assert "there is a placement although the plan is unlimited" in audit(unlimited, plan)


def test_nodes_too_large_for_exact_packing_are_named_as_the_reason_why_nothing_is_proven() -> None:
    """Nodes of 50,001: two replicas of 3 and twos for the rest fit if the threes are on a node each."""
    threes = wide("threes", units=3, rate_rpm=20).model_copy(update={"min_replicas": 2})
    twos = wide("twos", units=2, namespace="other", rate_rpm=1_400_000)
    plan, _ = planned(threes, twos, inventory=nodes(50_001, 50_001))
    assert plan.certificate.status == "feasible"
    [problem] = plan.problems
    assert (problem.subject, problem.reason) == (f"Device {H100_DEVICE}", "PackingNotExact")
    assert problem.message.startswith("replicas of 2, 3 units are packed so that up to 2 units may stay free")
