from builders import a_node, a_snapshot, a_variant
from inferno_optimizer.plan import make_plan
from inferno_optimizer.whatif import difference
from inferno_shared.contracts import Outcome, Policy, SaturationPolicy

LIMITED = Policy(unlimited=False)


def test_a_plan_does_not_differ_from_itself() -> None:
    plan = make_plan(a_snapshot())
    found = difference(plan, plan)
    assert (found.variants, found.demands, found.devices) == ([], [], [])
    assert found.summary == "cost 150 -> 150 cents/h (+0); 3 -> 3 units; 0 of 1 variants differ"


def test_twice_the_load_shows_replicas_cost_rate_and_use() -> None:
    base = make_plan(a_snapshot())
    other = make_plan(a_snapshot(variants=[a_variant(rate_rpm=75)]))
    found = difference(base, other)
    [variant] = found.variants
    assert (variant.before.replicas, variant.after.replicas) == (3, 6)
    assert (variant.before.cost_per_hour, variant.after.cost_per_hour) == (150, 300)
    assert (found.cost_per_hour_before, found.cost_per_hour_after) == (150, 300)
    assert (found.gpus_before, found.gpus_after) == (3, 6)
    [demand] = found.demands
    assert (demand.rate_rpm_before, demand.rate_rpm_after) == (37.5, 75)
    [device] = found.devices
    assert (device.used_before, device.used_after, device.limit_after) == (3, 6, 32)
    assert found.summary == "cost 150 -> 300 cents/h (+150); 3 -> 6 units; 1 of 1 variants differ"


def test_a_device_that_only_one_plan_has_counts_from_none() -> None:
    base = make_plan(a_snapshot(inventory=[], policy=LIMITED))
    other = make_plan(a_snapshot(inventory=[a_node()], policy=LIMITED))
    [device] = difference(base, other).devices
    assert (device.limit_before, device.limit_after, device.used_after) == (0, 8, 3)


def test_who_is_worse_or_better_off_is_named() -> None:
    base = make_plan(a_snapshot(policy=LIMITED))
    other = make_plan(a_snapshot(inventory=[a_node(allocatable=2)], policy=LIMITED))
    lost, won = difference(base, other), difference(other, base)
    assert lost.variants[0].after.outcome is Outcome.UNSERVED
    name = "llm-d-sim/ms-inference-scheduling-llm-d-modelservice-decode"
    assert lost.summary.endswith(f"; worse off: {name} (served -> unserved)")
    assert won.summary.endswith(f"; better off: {name} (unserved -> served)")


def test_more_load_on_the_same_devices_shows_what_is_served_of_it() -> None:
    """Two units take 28.6177 requests/min, of 37.5 as of 75: no variant differs, and yet more go short."""
    partly = Policy(unlimited=False, saturation_policy=SaturationPolicy.PRIORITY_EXHAUSTIVE)
    two = [a_node(allocatable=2)]
    base, other = (
        make_plan(a_snapshot(variants=[a_variant(rate_rpm=rate)], inventory=two, policy=partly))
        for rate in (37.5, 75)
    )
    assert difference(base, other).summary == (
        "cost 100 -> 100 cents/h (+0); 2 -> 2 units; 0 of 1 variants differ;"
        " serves 28.6177 of 37.5 -> 28.6177 of 75 requests/min"
    )


def test_latencies_alone_are_no_difference() -> None:
    base = make_plan(a_snapshot())
    other = make_plan(a_snapshot(variants=[a_variant(rate_rpm=38)]))
    assert difference(base, other).variants == []
