"""What a plan says to people, in worlds small enough to work out by hand.

The seed's profile takes 14.3089 requests/min per replica, so 25 requests/min take two.
"""

from typing import Any

import pytest

from builders import (
    H100_DEVICE,
    SEED_ACCELERATORS,
    SEED_SERVICE_CLASSES,
    a_node,
    a_profile,
    a_snapshot,
    a_variant,
)
from inferno_optimizer.explain import Growth, growth_sentence
from inferno_optimizer.plan import make_plan
from inferno_shared.contracts import (
    Accelerator,
    Allocation,
    ItlReading,
    LinearParameters,
    OneMore,
    Plan,
    PlanReason,
    Policy,
    SaturationPolicy,
    TtftReading,
    Variant,
)

A100_DEVICE = "NVIDIA-A100-PCIE-80GB"
EXPLAINED = Policy(
    unlimited=False, saturation_policy=SaturationPolicy.PRIORITY_EXHAUSTIVE, one_more_unit=True
)


def world(*variants: Variant, h100: int, a100: int = 0, policy: Policy = EXPLAINED) -> Plan:
    nodes = [a_node("h", allocatable=h100), a_node("a", device=A100_DEVICE, allocatable=a100)]
    return make_plan(a_snapshot(variants=variants, inventory=nodes, policy=policy))


def message(plan: Plan, name: str) -> str:
    return next(a.message for a in plan.allocations if a.name == name)


def one_more(plan: Plan, device: str) -> OneMore:
    found = next(c.one_more for c in plan.capacity if c.device == device)
    assert found is not None
    return found


def mobile(name: str, **changes: object) -> Variant:
    """25 requests/min on either H100 (two for 100 cents/h) or A100 (two for 80); nothing runs yet."""
    variant = a_variant(
        name,
        model="llama0-70b",
        namespace=name,
        rate_rpm=25,
        profiles=[a_profile("H100"), a_profile("A100")],
        accelerator=None,
        replicas=0,
        keep_accelerator=False,
    )
    return variant.model_copy(update=changes)


def planned(variant: Variant, policy: Policy, accelerators: tuple[Accelerator, ...]) -> Allocation:
    [allocation] = make_plan(
        a_snapshot(variants=[variant], policy=policy, accelerators=accelerators)
    ).allocations
    return allocation


def test_a_variant_that_got_too_few_replicas_is_told_what_they_cost_and_what_one_more_unit_would_serve() -> (
    None
):
    """4 units: three go to the more important 37.5, one is left for 100 requests/min, which need five."""
    free = a_variant("free", model="granite-13b", service_class="Freemium", rate_rpm=100, min_replicas=0)
    plan = world(a_variant("premium"), free, h100=4)
    rate_rpm = next(a.rate_rpm for a in plan.allocations if a.name == "free")
    assert rate_rpm is not None
    told = message(plan, "free")
    assert f"There is room for 1 replica, 4 too few: {rate_rpm:.6g} requests/min are served" in told
    assert f"within the SLO, {100 - rate_rpm:.6g} are not." in told
    assert f"{H100_DEVICE} has 4 units, of which 3 by llm-d-sim/premium (priority 1) are used." in told
    more = one_more(plan, H100_DEVICE)
    assert (more.units, more.saves_cents_per_hour) == (1, -50)
    assert more.serves_rpm == pytest.approx(rate_rpm, rel=1e-6)
    assert more.message == (
        f"One more unit of {H100_DEVICE} would serve {rate_rpm:.6g} requests/min more for 50 cents/h."
    )
    assert more.message in told


def test_a_variant_on_a_dearer_accelerator_is_told_who_holds_the_cheaper_one_and_what_it_costs() -> None:
    """3 A100 serve one of two alike on A100 for 80; the other takes H100 for 100. A fourth would save 20."""
    plan = world(mobile("first"), mobile("second"), h100=8, a100=3)
    cheap, dear = sorted(plan.allocations, key=lambda a: a.cost_per_hour)
    assert [(a.accelerator, a.cost_per_hour) for a in (cheap, dear)] == [("A100", 80), ("H100", 100)]
    told = dear.message
    assert "With enough devices 2 replicas on A100 would cost 80 cents/h instead of 100" in told
    assert "scarcity costs 20 cents/h" in told
    assert (
        f"{A100_DEVICE} has 3 units, of which 2 by {cheap.namespace}/{cheap.name} (priority 1) are used."
        in told
    )
    assert f"One more unit of {A100_DEVICE} would save 20 cents/h." in told
    assert "scarcity" not in cheap.message
    more = one_more(plan, A100_DEVICE)
    assert (more.serves_rpm, more.saves_cents_per_hour, more.units) == (0, 20, 1)


def test_where_one_unit_serves_nothing_a_node_for_one_replica_is_tried() -> None:
    """A replica takes 4: the 5 units there hold one of the three that 37.5 requests/min need."""
    variant = a_variant(profiles=[a_profile(acc_count=4)])
    more = one_more(world(variant, h100=5), H100_DEVICE)
    assert more.units == 4
    assert more.serves_rpm == pytest.approx(14.308867, rel=1e-4)
    assert "would change nothing, a new node with 4 of them would serve 14.3089" in more.message


def test_one_unit_comes_to_the_node_where_it_completes_a_replica() -> None:
    """5 and 3 units hold one replica of 4; the node of 3 holds another with one unit more, that of 5 none."""
    nodes = [a_node("five", allocatable=5), a_node("three", allocatable=3)]
    variant = a_variant(profiles=[a_profile(acc_count=4)])
    more = one_more(make_plan(a_snapshot(variants=[variant], inventory=nodes, policy=EXPLAINED)), H100_DEVICE)
    assert more.units == 1
    assert more.serves_rpm == pytest.approx(14.308867, rel=1e-4)


def test_one_unit_comes_to_the_node_where_it_does_most() -> None:
    """Replicas of 2 and of 3 units: neither fills 5 units alone, both together do, and 4 hold one of them."""
    small = a_variant(
        "two", namespace="x", model="llama0-70b", rate_rpm=10, profiles=[a_profile(acc_count=2)]
    )
    large = a_variant("three", rate_rpm=10, profiles=[a_profile(acc_count=3)])
    nodes = [a_node("four", allocatable=4)]
    more = one_more(
        make_plan(a_snapshot(variants=[small, large], inventory=nodes, policy=EXPLAINED)), H100_DEVICE
    )
    assert (more.units, more.serves_rpm) == (1, 10)
    assert "would give 1 replica more of the minimums and serve 10 requests/min more for" in more.message


def test_many_competitors_are_asked_about_only_on_request() -> None:
    """Each of twelve wants two units. Of three on four, two get one: a second serves 25 - 14.3089 more."""
    crowd = [mobile(f"v{n:02}").model_copy(update={"keep_accelerator": False}) for n in range(12)]
    unasked = EXPLAINED.model_copy(update={"one_more_unit": None})
    assert [c.one_more for c in world(*crowd, h100=6, a100=4, policy=unasked).capacity] == [None, None]
    assert all(c.one_more for c in world(*crowd, h100=6, a100=4).capacity)
    few = world(*crowd[:3], h100=2, a100=2, policy=unasked)
    assert (
        "One more unit of NVIDIA-A100-PCIE-80GB would serve 10.6911 requests/min more"
        in few.allocations[2].message
    )


def test_what_changes_is_told_by_priority_where_somebody_loses() -> None:
    said = growth_sentence("G", Growth(1, {1: 14.5, 10: -8.0}, -12.0))
    assert said == (
        "One more unit of G would serve 14.5 requests/min more of priority 1"
        " and 8 requests/min fewer of priority 10 for 12 cents/h."
    )
    assert growth_sentence("G", Growth(1, {1: 0.0}, -50.0, 1)) == (
        "One more unit of G would give 1 replica more of the minimums for 50 cents/h."
    )
    assert growth_sentence("G", Growth(1, {10: -8.0}, -14.0, 1)) == (
        "One more unit of G would give 1 replica more of the minimums"
        " and serve 8 requests/min fewer of priority 10 for 14 cents/h."
    )
    assert growth_sentence("G", Growth(1, {}, 0.0, 2)) == (
        "One more unit of G would give 2 replicas more of the minimums."
    )
    assert growth_sentence("G", Growth(4, {1: 0.0}, 0.0)) == (
        "One more unit of G would change nothing, nor would a new node with 4 of them."
    )


def test_devices_that_are_not_scarce_or_not_asked_about_have_no_price() -> None:
    enough = world(mobile("first"), mobile("second"), h100=8, a100=4)
    assert [c.one_more for c in enough.capacity] == [None, None]
    silent = EXPLAINED.model_copy(update={"one_more_unit": False})
    plan = world(mobile("first"), mobile("second"), h100=8, a100=3, policy=silent)
    assert [c.one_more for c in plan.capacity] == [None, None]
    assert "One more unit" not in message(plan, "second")


def test_an_unlimited_plan_speaks_of_no_scarcity() -> None:
    plan = make_plan(a_snapshot(policy=Policy(one_more_unit=True)))
    assert [c.one_more for c in plan.capacity] == [None]
    assert "unit" not in plan.allocations[0].message


def test_held_variants_and_the_more_important_ones_are_named_first() -> None:
    """Of 9 units 4 are held, 3 have priority 1, and the two of priority 10 get one each."""
    free: dict[str, Any] = {"model": "granite-13b", "service_class": "Freemium", "min_replicas": 0}
    plan = world(
        a_variant("held", model="llama0-70b", rate_rpm=None, replicas=4),
        a_variant("premium"),
        a_variant("a-free", rate_rpm=60, namespace="x", **free),
        a_variant("b-free", rate_rpm=60, namespace="y", **free),
        h100=9,
    )
    told = message(plan, "b-free")
    assert "of which 4 by llm-d-sim/held (held), 3 by llm-d-sim/premium (priority 1), 1 by x/a-free" in told


def test_a_move_shows_the_charge_that_it_bears() -> None:
    """150 for staying; three A100 for 120, and 5 % of the 50 that runs now and of the 120: 8.5."""
    variant = mobile("v", rate_rpm=0).model_copy(
        update={"load": a_variant().load, "current": a_variant(replicas=1).current}
    )
    told = planned(variant, Policy(), SEED_ACCELERATORS).message
    assert "Moves from H100 to A100: 120 cents/h and 8.5 for switching" in told
    assert "against 150 for staying" in told


def test_staying_shows_what_the_next_best_would_cost() -> None:
    """Three A100 at 48 are 144, and 5 % of 150 and 144 are 14.7: more than the 150 of staying."""
    variant = mobile("v").model_copy(
        update={"load": a_variant().load, "current": a_variant(replicas=3).current}
    )
    prices = tuple(
        a.model_copy(update={"cost_per_hour": 48.0}) if a.name == "A100" else a for a in SEED_ACCELERATORS
    )
    told = planned(variant, Policy(), prices).message
    assert "Stays on H100 for 150 cents/h: A100, the next best, would cost 144 and 14.7 for switching" in told


def test_a_kept_accelerator_and_a_first_choice_are_told() -> None:
    profiles = [a_profile("H100"), a_profile("A100")]
    kept = planned(a_variant(profiles=profiles), Policy(), SEED_ACCELERATORS)
    assert "Stays on H100, as keepAccelerator asks." in kept.message
    first = planned(mobile("v"), Policy(), SEED_ACCELERATORS)
    assert "Goes to A100 for 80 cents/h: H100, the next best, would cost 100." in first.message


def test_a_move_for_want_of_devices_says_so() -> None:
    """Both run on A100, of which there are 3: two replicas have to move to H100 and pay 5 % of 80 and 100."""
    at_home = {"current": a_variant(accelerator="A100", replicas=2).current}
    plan = world(mobile("first", **at_home), mobile("second", **at_home), h100=8, a100=3)
    told = max(plan.allocations, key=lambda a: a.cost_per_hour).message
    assert f"Moves from A100 to H100 for want of {A100_DEVICE}: 100 cents/h and 9 for switching" in told
    assert "against 80 for staying" in told


def test_latencies_are_told_as_the_policy_reads_them() -> None:
    """At 12.5 a replica waits 101.37 ms: times ln 20 303.7; its own 95th percentile is above that."""
    told = planned(a_variant(), Policy(), SEED_ACCELERATORS).message
    assert "ITL is 21.48 ms of 24 and TTFT 303.7 ms of 500 (95th percentile; mean wait 101.4 ms)" in told
    assert "With one replica less ITL is 21.7 ms of 24 and TTFT 1379 ms of 500" in told
    assert told.endswith("TTFT would be missed.")
    mean = planned(a_variant(), Policy(ttft_reading=TtftReading.MEAN), SEED_ACCELERATORS).message
    assert "of 500 (mean; mean wait" in mean
    exact = Policy(ttft_reading=TtftReading.EXACT, itl_reading=ItlReading.QUANTILE)
    loose = a_variant(profiles=[a_profile(parameters=LinearParameters(alpha=15, beta=0.41))])
    told = planned(loose, exact, SEED_ACCELERATORS).message
    assert "of 24 (95th percentile) and TTFT" in told


def test_one_replica_less_of_a_shared_demand_leaves_its_load_to_all() -> None:
    """25 requests/min on two replicas of one variant and one of another, 8.33 each: with one less 12.5."""
    shared = [a_variant("a", rate_rpm=37.5, max_replicas=2), a_variant("b", rate_rpm=0, max_replicas=1)]
    told = message(make_plan(a_snapshot(variants=shared)), "a")
    assert "Of these, 25 go to 2 replicas here: 2 variants share the demand at least cost." in told
    assert "At 12.5 per replica ITL is 21.48 ms" in told
    assert "With one replica less ITL is 21.7 ms of 24 and TTFT 1379 ms of 500" in told


def test_the_reason_of_a_minimum_names_the_binding_target_too() -> None:
    told = planned(a_variant(min_replicas=5), Policy(), SEED_ACCELERATORS).message
    assert "takes 14.3089 (the TTFT target binds), so that 3 replicas will do." in told
    assert "The minimum of 5 replicas is kept." in told


def test_a_crowd_is_told_by_price_what_a_unit_would_serve_or_save() -> None:
    """Each of twelve gets one of the two units it wants, two of them both: the second serves 25 - 14.3089."""
    unasked = EXPLAINED.model_copy(update={"one_more_unit": None})
    crowd = [mobile(f"v{n:02}", profiles=[a_profile("H100")]) for n in range(12)]
    short = world(*crowd, h100=14, policy=unasked)
    more = one_more(short, H100_DEVICE)
    assert (more.basis, more.units, more.saves_cents_per_hour) == ("price", 1, None)
    assert more.serves_rpm == pytest.approx(10.6911, rel=1e-4)
    assert more.message == (
        f"One more unit of {H100_DEVICE} would serve about 10.69 requests/min more, by its price in the"
        " linear relaxation; one unit alone may change nothing, as replicas are whole."
    )
    assert sum(more.message in a.message for a in short.allocations) == 10
    exact = one_more(world(*crowd, h100=14), H100_DEVICE)
    assert exact.basis == "re-solve"
    assert exact.serves_rpm == pytest.approx(more.serves_rpm, rel=1e-4)
    minimums_missed = world(*crowd, h100=8, policy=unasked)
    assert [c.one_more for c in minimums_missed.capacity] == [None, None]
    fair = unasked.model_copy(update={"saturation_policy": SaturationPolicy.ROUND_ROBIN})
    assert [c.one_more for c in world(*crowd, h100=14, policy=fair).capacity] == [None, None]


@pytest.mark.parametrize("policy", list(SaturationPolicy))
def test_a_crowd_that_is_served_is_told_what_a_unit_would_save(policy: SaturationPolicy) -> None:
    """Twelve fit on H100 for 100 each; two units of A100 let one of them run for 80: 10 per unit."""
    unasked = EXPLAINED.model_copy(update={"one_more_unit": None, "saturation_policy": policy})
    crowd = [mobile(f"v{n:02}") for n in range(12)]
    plan = world(*crowd, h100=24, a100=6, policy=unasked)
    more = one_more(plan, A100_DEVICE)
    assert (more.basis, more.serves_rpm) == ("price", 0)
    assert more.saves_cents_per_hour == pytest.approx(10, rel=1e-6)
    assert f"One more unit of {A100_DEVICE} would save about 10 cents/h, by its price" in more.message
    assert plan.capacity[1].one_more is None


def test_a_minimum_that_does_not_fit_beside_others_is_named_and_no_other_accelerator_is_compared() -> None:
    """Minimums of three each on four units of which neither variant needs more than two."""
    plan = world(mobile("a", min_replicas=3), mobile("b", min_replicas=3), h100=4)
    assert [a.replicas for a in plan.allocations] == [2, 2]
    told = message(plan, "a")
    assert "There is room for 2 replicas, 1 too few for the minimum of 3." in told
    assert told.endswith("Add devices, free some, or lower minReplicas.")


def test_a_minimum_that_empty_nodes_cannot_hold_takes_nothing_from_others() -> None:
    """Free's minimum of nine on four units counts as one: Premium gets the three beside it."""
    premium = a_variant("premium")
    free = a_variant("free", namespace="x", model="granite-13b", service_class="Freemium", rate_rpm=20)
    plan = world(premium, free.model_copy(update={"min_replicas": 9}), h100=4)
    assert plan.allocations[0].message == world(premium, free, h100=4).allocations[0].message
    assert [a.replicas for a in plan.allocations] == [3, 1]
    told = message(plan, "free")
    assert "min_replicas 9 is more than all nodes have room for: it counts as 1, so that nobody else" in told
    [problem] = plan.problems
    assert problem.message.startswith("min_replicas 9 is more than the 4 for which all nodes have room:")
    running = free.model_copy(update={"min_replicas": 9, "current": a_variant(replicas=2).current})
    assert [a.replicas for a in world(premium, running, h100=4).allocations] == [2, 2]


def test_a_minimum_that_is_not_kept_says_so_where_the_load_is_served() -> None:
    told = message(world(a_variant(min_replicas=5), h100=4), a_variant().name)
    assert "so that 3 replicas will do. At 12.5 per replica ITL is 21.48" in told
    assert told.endswith("has 4 units. Add devices, or lower minReplicas.")


def test_the_policy_is_no_reason_for_a_minimum_that_is_missed() -> None:
    none = EXPLAINED.model_copy(update={"saturation_policy": SaturationPolicy.NONE})
    assert "as saturation policy None" in message(world(mobile("v"), h100=1, policy=none), "v")
    assert "as saturation policy None" not in message(world(mobile("v"), h100=0, policy=none), "v")


def test_a_short_demand_with_a_minimum_beyond_its_need_is_told_all_that_helps() -> None:
    told = message(world(a_variant(min_replicas=5), h100=2), a_variant().name)
    assert "There is room for 2 replicas, 1 too few: 28.6177 requests/min" in told
    assert "Add devices, free some, lower minReplicas, or relax the SLO." in told


def test_an_accelerator_on_which_the_maximum_does_not_suffice_is_no_next_best() -> None:
    """At most two replicas: A100 at half the speed would take four for 25 requests/min."""
    slow = a_profile("A100", parameters=LinearParameters(alpha=41.16, beta=0.82))
    bounded = mobile("v", profiles=[a_profile("H100"), slow], max_replicas=2)
    assert "next best" not in planned(bounded, Policy(), SEED_ACCELERATORS).message
    moved = bounded.model_copy(update={"current": a_variant(accelerator="A100", replicas=2).current})
    told = planned(moved, Policy(), SEED_ACCELERATORS).message
    assert "Moves from A100 to H100: A100 would take more replicas than the maximum of 2." in told


def test_a_move_to_where_the_maximum_serves_more_says_so() -> None:
    bounded = mobile(
        "v",
        profiles=[a_profile("A100"), a_profile("H100", max_batch_size=8)],
        max_replicas=1,
        current=a_variant(accelerator="A100", replicas=1).current,
    ).model_copy(update={"load": a_variant(rate_rpm=100).load})
    told = planned(bounded, Policy(), SEED_ACCELERATORS).message
    assert told.endswith("Moves from A100 to H100, where the maximum of 1 replica serves more.")


def test_an_slo_that_nothing_meets_says_what_to_do() -> None:
    told = planned(
        a_variant(profiles=[a_profile(parameters=LinearParameters(alpha=900, beta=1))]),
        Policy(),
        SEED_ACCELERATORS,
    ).message
    assert "a nearly idle replica already has" in told
    assert "Raise the target, or use a faster accelerator or profile. At 37.5 requests/min" in told


def test_head_room_and_a_throughput_target_say_what_one_replica_less_would_not_provide_for() -> None:
    """40 requests/min take three replicas of 14.3089, with head-room 2 six; a target of 300 tokens/s five."""
    busy = a_variant(rate_rpm=40)
    told = planned(busy, Policy(headroom=2), SEED_ACCELERATORS).message
    assert "40 requests/min arrive, 80 are provided for (head-room 2);" in told
    assert told.endswith(", but only 71.5444 of the 80 would be provided for.")
    target = SEED_SERVICE_CLASSES[0].targets[0].model_copy(update={"tokens_per_second": 300})
    fast = [SEED_SERVICE_CLASSES[0].model_copy(update={"targets": [target]})]
    plan = make_plan(a_snapshot(variants=[busy], service_classes=fast, policy=Policy(headroom=1.1)))
    assert "64.5161 are provided for (a target of 300 tokens/s);" in message(plan, busy.name)


def test_one_replica_less_than_the_minimum_of_a_shared_demand_says_so() -> None:
    shared = [a_variant("a", rate_rpm=10, min_replicas=2), a_variant("b", rate_rpm=10, min_replicas=2)]
    told = message(make_plan(a_snapshot(variants=shared)), "a")
    assert told.endswith("ms): the minimum of 2 would be missed.")


def test_what_a_shared_demand_is_served_is_told_as_its_variants_do_together() -> None:
    both = [a_variant(name, rate_rpm=30, min_replicas=0) for name in ("a", "b")]
    told = message(world(*both, h100=2), "a")
    assert (
        ": 28.6177 requests/min are served within the SLO by the 2 variants of this demand, 31.3823" in told
    )


def test_an_accelerator_that_cannot_keep_the_slo_is_named_to_a_variant_that_may_move() -> None:
    slow = a_profile("G2", parameters=LinearParameters(alpha=900, beta=1))
    told = planned(mobile("v", profiles=[a_profile("H100"), slow]), Policy(), SEED_ACCELERATORS).message
    assert told.endswith("G2 cannot keep the SLO, or has no price.")


def test_who_holds_devices_by_a_minimum_is_told_to_whom_more_important_goes_short() -> None:
    """The free variant's minimum of three leaves one of four units, 37.5 requests/min take three."""
    free = a_variant("free", namespace="x", model="granite-13b", service_class="Freemium", min_replicas=3)
    plan = world(a_variant("premium"), free, h100=4)
    assert "of which 3 by x/free (priority 10, its minimum) are used" in message(plan, "premium")


def test_a_maximum_of_none_is_the_variants_own_limit_and_no_lack_of_devices() -> None:
    [allocation] = world(a_variant(min_replicas=0, max_replicas=0, replicas=0), h100=4).allocations
    assert allocation.reason is PlanReason.MAXIMUM_REPLICAS
    assert "Add devices" not in allocation.message


def test_a_throughput_target_beyond_all_replicas_is_named() -> None:
    target = SEED_SERVICE_CLASSES[0].targets[0].model_copy(update={"tokens_per_second": 1e9})
    classes = [SEED_SERVICE_CLASSES[0].model_copy(update={"targets": [target]})]
    plan = make_plan(a_snapshot(variants=[a_variant()], service_classes=classes))
    told = message(plan, a_variant().name)
    assert "a target of 1e+09 tokens/s, 2.15" in told
    assert "check the target and the profile's parameters" in told
