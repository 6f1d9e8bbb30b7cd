"""From snapshot to plan: the seed's numbers, what is held and why, limits, shared demands."""

import itertools

import pytest

from builders import (
    H100_DEVICE,
    SEED_MODEL,
    SEED_NAMESPACE,
    a_load,
    a_node,
    a_profile,
    a_snapshot,
    a_variant,
)
from inferno_optimizer.plan import make_plan
from inferno_shared.contracts import (
    Allocation,
    LinearParameters,
    Outcome,
    PlanReason,
    Policy,
    Profile,
    SaturationPolicy,
    ServiceClass,
    SloTarget,
    Snapshot,
    Variant,
)

SLOW = LinearParameters(alpha=100, beta=0.41)
LIMITED = Policy(unlimited=False, saturation_policy=SaturationPolicy.PRIORITY_EXHAUSTIVE)


def planned(
    *variants: Variant, policy: Policy | None = None, units: int | None = None
) -> dict[str, Allocation]:
    """Allocations by name; `units` of H100 on one node instead of the seed's 32."""
    inventory = None if units is None else [a_node(allocatable=units)]
    plan = make_plan(a_snapshot(variants=variants, policy=policy, inventory=inventory))
    assert plan.certificate.verified
    return {allocation.name: allocation for allocation in plan.allocations}


def three_accelerators() -> list[Profile]:
    return [
        a_profile("H100"),
        a_profile("A100", parameters=LinearParameters(alpha=22, beta=0.41)),
        a_profile("G2", acc_count=2, parameters=LinearParameters(alpha=21, beta=0.5)),
    ]


def test_the_seed_gets_three_replicas_with_the_seeds_numbers() -> None:
    plan = make_plan(a_snapshot())
    [allocation] = plan.allocations
    predicted = allocation.predicted
    assert (allocation.outcome, allocation.accelerator, allocation.replicas) == (Outcome.SERVED, "H100", 3)
    assert (allocation.cost_per_hour, allocation.gpus) == (150, 3)
    assert predicted.itl_ms == pytest.approx(21.48383, rel=1e-4)
    assert predicted.wait_ms == pytest.approx(101.3704, rel=1e-4)
    assert predicted.utilization == pytest.approx(0.7103443, rel=1e-4)
    assert predicted.max_rate_rpm_per_replica == pytest.approx(14.308867, rel=1e-4)
    assert [(c.device, c.limit, c.used) for c in plan.capacity] == [(H100_DEVICE, 32, 3)]
    cost = next(stage for stage in plan.certificate.stages if stage.objective == "cost")
    assert (cost.value, cost.bound, cost.gap, cost.status) == (150, 150, 0, "optimal")


def test_the_message_says_what_binds_and_what_one_replica_less_would_do() -> None:
    [allocation] = planned(a_variant()).values()
    assert allocation.reason is PlanReason.SLO_BINDS
    assert "takes 14.3089 (the TTFT target binds), so that 3 replicas will do" in allocation.message
    assert "At 12.5 per replica ITL is 21.48 ms of 24 and TTFT 303.7 ms of 500" in allocation.message
    assert "With one replica less ITL is 21.7 ms of 24 and TTFT 1379 ms of 500" in allocation.message


def test_an_idle_variant_gets_its_minimum_and_the_latencies_of_a_lonely_request() -> None:
    [allocation] = planned(a_variant(rate_rpm=0, replicas=4)).values()
    assert (allocation.replicas, allocation.cost_per_hour, allocation.reason) == (1, 50, "MinimumReplicas")
    assert allocation.predicted.itl_ms == pytest.approx(20.99)


def test_an_idle_variant_may_go_to_zero_and_its_infeasible_slo_does_not_hold_it() -> None:
    profiles = [a_profile(parameters=SLOW)]
    [allocation] = planned(a_variant(rate_rpm=0, replicas=4, min_replicas=0, profiles=profiles)).values()
    assert (allocation.replicas, allocation.outcome, allocation.accelerator) == (0, Outcome.SERVED, "H100")


def test_an_unknown_load_holds_the_current_replicas_and_says_why() -> None:
    [allocation] = planned(a_variant(rate_rpm=None, replicas=4)).values()
    assert (allocation.outcome, allocation.replicas, allocation.reason) == (Outcome.HELD, 4, "UnknownLoad")
    assert "no series" in allocation.message
    assert allocation.gpus == 4


def test_an_unknown_load_without_replicas_gets_the_minimum_so_that_there_can_be_metrics() -> None:
    [allocation] = planned(a_variant(rate_rpm=None, replicas=0, min_replicas=2)).values()
    assert (allocation.outcome, allocation.replicas) == (Outcome.HELD, 2)


def test_a_demand_that_is_known_in_part_may_grow_but_not_shrink() -> None:
    doubtful = a_variant("a", rate_rpm=None, replicas=2)
    shrinking = planned(doubtful, a_variant("b", rate_rpm=10, replicas=3))["b"]
    assert (shrinking.replicas, shrinking.reason) == (3, "UnknownLoad")
    growing = planned(doubtful, a_variant("b", rate_rpm=50, replicas=3))["b"]
    assert growing.replicas == 4


def test_other_demands_do_not_feel_an_unknown_load() -> None:
    other = a_variant("other", model="llama0-70b", rate_rpm=None, replicas=7)
    assert planned(a_variant("v"), other)["v"].replicas == 3


def test_an_infeasible_slo_holds_its_variant_alone_and_names_the_number_that_misses() -> None:
    bad = a_variant("bad", model="llama0-70b", profiles=[a_profile(parameters=SLOW)], replicas=2)
    allocations = planned(bad, a_variant("good"))
    held = allocations["bad"]
    assert (held.outcome, held.replicas, held.reason) == (Outcome.HELD, 2, "InfeasibleSLO")
    assert "ITL target 80 ms cannot be met" in held.message
    assert "100.41" in held.message
    assert held.predicted.itl_ms is not None
    assert allocations["good"].replicas == 3


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        (
            a_variant(service_class="Gold"),
            "service_class Gold is not among the service classes (Freemium, Premium)",
        ),
        (a_variant(model="gpt"), "service class Premium has no targets for model gpt"),
        (
            a_variant(accelerator="A100"),
            "profiles has no entry for A100, the accelerator in use (there is H100)",
        ),
        (a_variant(accelerator="B9", profiles=[a_profile("B9")]), "accelerators has no entry for B9"),
    ],
)
def test_a_configuration_that_does_not_hold_together_holds_its_variant_and_names_the_field(
    variant: Variant, words: str
) -> None:
    allocations = planned(variant.model_copy(update={"name": "bad"}), a_variant("good", namespace="other"))
    held = allocations["bad"]
    assert (held.outcome, held.reason) == (Outcome.HELD, "InvalidConfiguration")
    assert words in held.message
    assert allocations["good"].replicas == 3


def test_an_accelerator_without_a_catalogue_entry_is_skipped_and_reported() -> None:
    variant = a_variant(profiles=[a_profile("B9"), a_profile("H100")], keep_accelerator=False)
    plan = make_plan(a_snapshot(variants=[variant]))
    assert plan.allocations[0].replicas == 3
    [problem] = plan.problems
    assert problem.reason == "InvalidConfiguration"
    assert "profile for B9" in problem.message


def test_the_accelerator_is_kept_unless_the_variant_may_change_it() -> None:
    kept = planned(a_variant("v", profiles=three_accelerators()))["v"]
    free = planned(a_variant("v", profiles=three_accelerators(), keep_accelerator=False))["v"]
    assert (kept.accelerator, kept.cost_per_hour) == ("H100", 150)
    assert (free.accelerator, free.cost_per_hour) == ("A100", 120)
    assert "Moves from H100 to A100: 120 cents/h and 8.5 for switching" in free.message


def test_a_variant_whose_accelerator_is_not_known_may_go_anywhere() -> None:
    variant = a_variant("v", profiles=three_accelerators(), accelerator=None, replicas=0)
    assert planned(variant)["v"].accelerator == "A100"


def test_a_variants_own_price_replaces_the_catalogues_where_it_runs() -> None:
    """30 cents per replica on the H100 in use make 3 of them cheaper than 3 A100 at 40."""
    variant = a_variant("v", profiles=three_accelerators(), keep_accelerator=False)
    allocation = planned(variant.model_copy(update={"cost_per_replica_hour": 30.0}))["v"]
    assert (allocation.accelerator, allocation.cost_per_hour) == ("H100", 90)


def test_variants_of_one_model_share_its_demand() -> None:
    """60 rpm together: 1 H100 (14.31) and 4 A100 (13.21 each) carry 67.2 for 210, the cheapest cover."""
    allocations = planned(
        a_variant("a", rate_rpm=50),
        a_variant("b", rate_rpm=10, profiles=three_accelerators(), accelerator="A100"),
    )
    assert {name: a.replicas for name, a in allocations.items()} == {"a": 1, "b": 4}
    assert sum(a.rate_rpm or 0 for a in allocations.values()) == pytest.approx(60)
    waits = [a.predicted.wait_ms for a in allocations.values()]
    assert waits[0] == pytest.approx(waits[1], rel=0.01)


def test_tokens_of_a_shared_demand_are_weighted_by_rate() -> None:
    """30 rpm of 100 tokens and 10 of 500 are 40 rpm of 200: as one variant with that load."""
    both = planned(
        a_variant("a", load=a_load(30, output_tokens=100), max_replicas=1),
        a_variant("b", load=a_load(10, output_tokens=500)),
    )
    one = planned(a_variant("a", load=a_load(40, output_tokens=200)))["a"]
    assert both["b"].predicted.max_rate_rpm_per_replica == one.predicted.max_rate_rpm_per_replica


def test_headroom_is_provided_for_but_predictions_are_for_what_arrives() -> None:
    [allocation] = planned(a_variant(), policy=Policy(headroom=1.5)).values()
    assert allocation.replicas == 4
    assert "56.25 are provided for (head-room 1.5)" in allocation.message
    assert allocation.rate_rpm == 37.5


def test_a_throughput_target_is_provided_for() -> None:
    """279 tokens/s are 60 requests/min of 279 tokens."""
    service_class = ServiceClass(
        name="Premium", priority=1, targets=[SloTarget(model=SEED_MODEL, itl_ms=24, tokens_per_second=279)]
    )
    plan = make_plan(a_snapshot(service_classes=[service_class]))
    [allocation] = plan.allocations
    assert "60 are provided for (a target of 279 tokens/s)" in allocation.message
    most = allocation.predicted.max_rate_rpm_per_replica
    assert most is not None
    assert (allocation.replicas - 1) * most < 60 <= allocation.replicas * most


def test_a_maximum_caps_and_the_overload_is_told() -> None:
    [allocation] = planned(a_variant(max_replicas=2)).values()
    assert (allocation.outcome, allocation.replicas) == (Outcome.PARTIAL, 2)
    assert allocation.reason is PlanReason.MAXIMUM_REPLICAS
    assert "Raise maxReplicas" in allocation.message
    assert "All that arrives is 18.75 per replica" in allocation.message
    assert allocation.rate_rpm == pytest.approx(28.6177, rel=1e-4)


def test_limits_give_partial_service_and_name_who_holds_the_devices() -> None:
    free = a_variant("free", model="granite-13b", service_class="Freemium", rate_rpm=100, min_replicas=0)
    allocations = planned(a_variant("premium"), free, policy=LIMITED, units=4)
    assert allocations["premium"].replicas == 3
    partial = allocations["free"]
    assert (partial.outcome, partial.replicas, partial.reason) == (Outcome.PARTIAL, 1, "InsufficientCapacity")
    assert f"has 4 units, of which 3 by {SEED_NAMESPACE}/premium (priority 1) are used" in partial.message


def test_devices_of_unmanaged_pods_are_not_given_out() -> None:
    plan = make_plan(a_snapshot(policy=LIMITED, inventory=[a_node(allocatable=8, unmanaged=6)]))
    assert plan.allocations[0].replicas == 2
    assert plan.capacity[0].limit == 2


def test_held_variants_are_charged_first() -> None:
    allocations = planned(a_variant("v"), a_variant("held", model="llama0-70b", rate_rpm=None, replicas=3),
                          policy=LIMITED, units=5)  # fmt: skip
    assert (allocations["held"].replicas, allocations["v"].replicas) == (3, 2)


def test_what_is_running_on_doubt_may_exceed_the_limit_and_is_reported() -> None:
    plan = make_plan(
        a_snapshot(
            variants=[a_variant(rate_rpm=None, replicas=5)], policy=LIMITED, inventory=[a_node(allocatable=2)]
        )
    )
    assert plan.allocations[0].replicas == 5
    [problem] = plan.problems
    assert (problem.subject, problem.reason) == (f"Device {H100_DEVICE}", "InsufficientCapacity")


def test_an_accelerator_without_any_device_gives_no_replica() -> None:
    [allocation] = planned(a_variant(), policy=LIMITED, units=0).values()
    assert (allocation.replicas, allocation.outcome) == (0, Outcome.UNSERVED)
    assert allocation.predicted.itl_ms is None


def test_an_empty_snapshot_has_an_empty_plan() -> None:
    plan = make_plan(a_snapshot(variants=[]))
    assert plan.allocations == []
    assert plan.certificate.status == "optimal"


def test_unknown_fields_are_reported_with_the_name_that_was_meant() -> None:
    snapshot = Snapshot.model_validate(
        {**a_snapshot().model_dump(mode="json"), "polcy": {"unlimited": False}}
    )
    [problem] = make_plan(snapshot).problems
    assert (problem.reason, problem.subject) == ("UnknownField", "Snapshot polcy")
    assert "did you mean policy?" in problem.message


def a_crowd() -> Snapshot:
    """Eleven variants of six models in two classes, some shared, some doubtful, on too few devices."""
    models = [(f"model-{n}", "Premium" if n % 2 else "Freemium") for n in range(6)]
    classes = [
        ServiceClass(
            name=name,
            priority=priority,
            targets=[SloTarget(model=m, itl_ms=24 + priority, ttft_ms=500) for m, c in models if c == name],
        )
        for name, priority in (("Premium", 1), ("Freemium", 10))
    ]
    rates = [40, 12, None, 75, 0, 33, 20, 51, 8, None, 27]
    variants = [
        a_variant(
            f"v{number}",
            model=models[number % 6][0],
            service_class=models[number % 6][1],
            rate_rpm=rate,
            profiles=three_accelerators(),
            accelerator=["H100", "A100", "G2"][number % 3],
            replicas=number % 4,
            keep_accelerator=number % 2 == 0,
            min_replicas=number % 2,
        )
        for number, rate in enumerate(rates)
    ]
    inventory = [
        a_node("n1", allocatable=8),
        a_node("n2", device="NVIDIA-A100-PCIE-80GB", allocatable=4, unmanaged=1),
        a_node("n3", device="Intel-Gaudi-2-96GB", allocatable=8),
    ]
    return a_snapshot(variants=variants, policy=LIMITED, inventory=inventory, service_classes=classes)


def test_a_crowd_uses_no_more_than_there_is() -> None:
    plan = make_plan(a_crowd())
    assert plan.certificate.verified
    assert all(entry.limit is not None and entry.used <= entry.limit for entry in plan.capacity)
    assert any(allocation.outcome is Outcome.PARTIAL for allocation in plan.allocations)


def test_a_limit_that_sizing_has_used_up_leaves_the_plan_that_needs_no_solver() -> None:
    """Each look at the clock is 1.5 s later: of 2 s nothing is left to solve in, and the plan says so."""
    ticks = itertools.count(0, 1.5)
    crowd = a_crowd()
    policy = crowd.policy.model_copy(update={"time_limit_seconds": 2.0})
    plan = make_plan(crowd.model_copy(update={"policy": policy}), clock=lambda: next(ticks))
    assert plan.certificate.verified
    assert plan.certificate.status == "fallback"
    assert any("not proven optimal within 2 s" in problem.message for problem in plan.problems)
    assert next(ticks) < 60
