"""The guard rails between plan and export, with numbers worked by hand."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_snapshot, a_variant
from inferno_actuator.decisions import Decision, Decisions
from inferno_actuator.known import Desired
from inferno_actuator.rails import Memory, RailLimits, Run, Step, guard, parse_share, parse_step
from inferno_actuator.rails.memory import extended, highest_plan, in_force
from inferno_actuator.rails.stack import RAILS
from inferno_actuator.ruling import Rail
from inferno_actuator.triggers import Trigger
from inferno_shared.contracts import CurrentAllocation, Outcome, PlanReason, Policy, Variant
from unit.actuator.world import SEED_KEY, World, a_known, a_plan, an_allocation, decided, persisted

OFF = RailLimits(scale_down_margin=0)
STAR_RPM = 14.308867


def guarded(
    planned: int,
    *,
    before: int,
    variant: Variant | None = None,
    limits: RailLimits = OFF,
    runs: Sequence[Run] = (),
    now: float = 0.0,
    accelerator: str = "H100",
    outcome: Outcome = Outcome.SERVED,
    policy: Policy | None = None,
) -> Decision:
    """The decision about the seed's variant after the rails; `before` is what its status says."""
    snapshot = a_snapshot(variants=[variant or a_variant(replicas=before)], policy=policy)
    allocation = an_allocation(replicas=planned, outcome=outcome)
    known = a_known(status=persisted(before, accelerator))
    decision = decided(snapshot, a_plan(snapshot, [allocation]), known=known)
    memory = Memory({SEED_KEY: tuple(runs)} if runs else {})
    found, _ = guard(Decisions({SEED_KEY: decision}), snapshot, memory, limits, interval_seconds=60, now=now)
    return found.by_key[SEED_KEY]


def replicas(decision: Decision) -> int:
    assert decision.desired is not None
    return decision.desired.replicas


def rails(decision: Decision) -> list[Rail]:
    return [ruling.rail for ruling in decision.rulings]


def test_with_everything_off_the_plan_is_followed() -> None:
    for planned, before in ((1, 9), (9, 1), (3, 3)):
        decision = guarded(planned, before=before)
        assert (replicas(decision), decision.rulings) == (planned, ())


# Hysteresis: 3 replicas carry 3 * 14.308867 = 42.93 requests/min; 5 % of room means at most 40.88.


@pytest.mark.parametrize(
    ("rate_rpm", "kept"),
    [
        (42.0, 4),  # 42.0 * 1.05 = 44.10 > 42.93: the next higher load would bring the fourth back
        (40.9, 4),  # 40.9 * 1.05 = 42.95 > 42.93
        (40.8, 3),  # 40.8 * 1.05 = 42.84 fits
        (37.5, 3),
    ],
)
def test_a_decrease_that_a_little_more_load_would_revert_is_refused(rate_rpm: float, kept: int) -> None:
    variant = a_variant(replicas=4, rate_rpm=rate_rpm)
    decision = guarded(3, before=4, variant=variant, limits=RailLimits())
    assert replicas(decision) == kept
    assert rails(decision) == ([Rail.WOULD_REVERT] if kept == 4 else [])


def test_the_refusal_says_at_which_load_it_ends() -> None:
    decision = guarded(3, before=4, variant=a_variant(replicas=4, rate_rpm=42), limits=RailLimits())
    (ruling,) = decision.rulings
    assert "3 replicas carry 42.93 requests/min" in ruling.message
    assert "until the load is below 40.88" in ruling.message


def test_the_hysteresis_is_one_of_load_not_of_replicas() -> None:
    """From 10 at 42 requests/min the plan's 3 become 4, not 10: four carry the load with room."""
    variant = a_variant(replicas=10, rate_rpm=42)
    assert replicas(guarded(3, before=10, variant=variant, limits=RailLimits())) == 4


def test_the_hysteresis_reads_the_share_of_the_demand_and_the_head_room_of_the_policy() -> None:
    # Sized are 28 * 1.5 = 42.0 requests/min: as in the case above, four stay.
    variant = a_variant(replicas=4, rate_rpm=28)
    policy = Policy(headroom=1.5)
    assert replicas(guarded(3, before=4, variant=variant, limits=RailLimits(), policy=policy)) == 4


def test_the_hysteresis_never_scales_up() -> None:
    variant = a_variant(replicas=3, rate_rpm=42.9)
    assert replicas(guarded(3, before=3, variant=variant, limits=RailLimits())) == 3


def test_without_load_nothing_would_revert() -> None:
    variant = a_variant(replicas=4, rate_rpm=0)
    assert replicas(guarded(1, before=4, variant=variant, limits=RailLimits())) == 1


@pytest.mark.parametrize("outcome", [Outcome.PARTIAL, Outcome.UNSERVED])
def test_a_decrease_for_lack_of_devices_is_not_delayed(outcome: Outcome) -> None:
    limits = RailLimits(stabilization_seconds=300, step_down=Step(replicas=1))
    variant = a_variant(replicas=9, rate_rpm=42)
    assert replicas(guarded(3, before=9, variant=variant, limits=limits, outcome=outcome)) == 3


def test_replicas_of_another_accelerator_are_not_compared() -> None:
    limits = RailLimits(stabilization_seconds=300, step_down=Step(replicas=1), step_up=Step(replicas=1))
    variant = a_variant(replicas=9, rate_rpm=42)
    assert replicas(guarded(3, before=9, variant=variant, limits=limits, accelerator="A100")) == 3


# Stabilisation


def test_a_decrease_waits_for_the_window_and_goes_to_the_highest_plan_in_it() -> None:
    limits = RailLimits(stabilization_seconds=300, scale_down_margin=0)
    runs = [Run(0, 100, 6, 6), Run(160, 220, 4, 6), Run(280, 280, 2, 6)]
    assert replicas(guarded(1, before=6, limits=limits, runs=runs, now=400)) == 6
    at_401 = guarded(1, before=6, limits=limits, runs=runs, now=401)
    assert (replicas(at_401), rails(at_401)) == (4, [Rail.STABILIZING])
    assert replicas(guarded(1, before=6, limits=limits, runs=runs, now=600)) == 1


def test_after_a_restart_the_window_begins_with_what_the_status_says() -> None:
    limits = RailLimits(stabilization_seconds=300, scale_down_margin=0)
    assert replicas(guarded(1, before=4, limits=limits, now=5)) == 4


# Steps


def test_an_increase_is_bounded_per_interval() -> None:
    limits = RailLimits(step_up=Step(replicas=4))
    decision = guarded(12, before=3, limits=limits)
    assert (replicas(decision), rails(decision)) == (7, [Rail.STEP_UP_BOUND])
    assert decision.planned_replicas == 12


def test_several_turns_within_one_interval_share_one_step() -> None:
    limits = RailLimits(step_up=Step(replicas=4))
    runs = [Run(0, 0, 3, 3), Run(10, 10, 12, 7)]
    variant = a_variant(replicas=7)
    assert replicas(guarded(12, before=7, variant=variant, limits=limits, runs=runs, now=20)) == 7
    assert replicas(guarded(12, before=7, variant=variant, limits=limits, runs=runs, now=65)) == 11


def test_the_bound_of_an_increase_never_goes_below_what_runs() -> None:
    """Ten run and one was desired: a bound of 2 must not take eight away."""
    limits = RailLimits(step_up=Step(replicas=2))
    assert replicas(guarded(10, before=1, variant=a_variant(replicas=10), limits=limits)) == 10


def test_a_decrease_is_bounded_in_percent_and_rounded_up() -> None:
    limits = RailLimits(step_down=Step(percent=50), scale_down_margin=0)
    assert replicas(guarded(1, before=12, limits=limits)) == 6
    assert replicas(guarded(1, before=3, limits=limits)) == 1
    assert replicas(guarded(1, before=2, limits=limits)) == 1


def test_what_the_user_bounds_wins_over_every_step() -> None:
    low = a_variant(replicas=1, min_replicas=5)
    assert replicas(guarded(5, before=1, variant=low, limits=RailLimits(step_up=Step(replicas=1)))) == 5
    high = a_variant(replicas=9, max_replicas=4)
    limits = RailLimits(step_down=Step(replicas=1), stabilization_seconds=300)
    assert replicas(guarded(3, before=9, variant=high, limits=limits)) == 4


# Floors


def unknown(*, replicas: int, ready: int) -> Variant:
    current = CurrentAllocation(accelerator="H100", replicas=replicas, ready_replicas=ready)
    return a_variant(rate_rpm=None).model_copy(update={"current": current})


def test_a_plan_made_without_knowing_the_demand_never_undercuts_ready_replicas() -> None:
    """An optimizer that answers `served` where the load is unknown is not believed."""
    decision = guarded(1, before=3, variant=unknown(replicas=4, ready=4))
    assert (replicas(decision), rails(decision)) == (4, [Rail.DEMAND_UNKNOWN])
    assert replicas(guarded(1, before=3, variant=unknown(replicas=4, ready=2))) == 3
    assert replicas(guarded(6, before=3, variant=unknown(replicas=4, ready=4))) == 6


def test_no_rail_lets_a_variant_go_to_zero_that_does_not_allow_it() -> None:
    snapshot = a_snapshot(variants=[a_variant(replicas=2, min_replicas=1)])
    allowed = a_snapshot(variants=[a_variant(replicas=2, min_replicas=0, rate_rpm=0)])
    zero = decided(allowed, a_plan(allowed, [an_allocation(replicas=0)]))
    assert zero.desired == Desired("H100", 0)
    found, _ = guard(Decisions({SEED_KEY: zero}), allowed, Memory(), RailLimits(), interval_seconds=60, now=0)
    assert replicas(found.by_key[SEED_KEY]) == 0
    assert decided(snapshot, a_plan(snapshot, [an_allocation(replicas=0)])).desired == Desired("H100", 2), (
        "the plan is not even followed so far"
    )


# All of them


@given(
    planned=st.integers(0, 40),
    before=st.integers(0, 40),
    current=st.integers(0, 40),
    minimum=st.integers(0, 5),
    room=st.none() | st.integers(0, 40),
    rate_rpm=st.none() | st.floats(0, 500),
    step=st.none() | st.builds(Step, replicas=st.integers(1, 9)) | st.builds(Step, percent=st.floats(1, 300)),
    window=st.sampled_from([0.0, 300.0]),
)
def test_rails_stay_within_the_users_bounds_and_between_plan_and_past(
    planned: int,
    before: int,
    current: int,
    minimum: int,
    room: int | None,
    rate_rpm: float | None,
    step: Step | None,
    window: float,
) -> None:
    maximum = None if room is None else max(minimum, room, 1)
    variant = a_variant(replicas=current, min_replicas=minimum, max_replicas=maximum, rate_rpm=rate_rpm)
    limits = RailLimits(step_up=step, step_down=step, stabilization_seconds=window)
    decision = guarded(planned, before=before, variant=variant, limits=limits)
    if decision.held:
        assert decision.rulings == ()
        return
    found = replicas(decision)
    assert found >= min(minimum, planned)
    assert maximum is None or found <= max(maximum, planned)
    assert min(planned, before) <= found <= max(planned, before, current)


def test_every_rail_has_a_place_in_the_stack() -> None:
    of_all_variants_together = {Rail.WAITS_FOR_DEVICES}
    assert len(RAILS) == len(set(Rail) - of_all_variants_together)


# Memory


def test_runs_of_equal_values_are_one() -> None:
    runs: tuple[Run, ...] = ()
    for now, planned in ((0, 4), (60, 4), (120, 4), (180, 2)):
        runs = extended(runs, now=now, planned=planned, allowed=planned, keep_seconds=1_000)
    assert runs == (Run(0, 120, 4, 4), Run(180, 180, 2, 2))
    assert highest_plan(runs, 120) == 4
    assert highest_plan(runs, 121) == 2
    assert in_force(runs, 170) == (4, 2)
    assert in_force(runs, 180) == (2,)


def test_what_no_window_reaches_is_forgotten() -> None:
    runs: tuple[Run, ...] = ()
    for now in range(0, 100_000, 60):
        runs = extended(runs, now=now, planned=now, allowed=now, keep_seconds=300)
    assert len(runs) <= 7


# What people write, and what they see


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("none", None),
        ("", None),
        ("4", Step(replicas=4)),
        (" 50% ", Step(percent=50)),
        ("12.5%", Step(percent=12.5)),
    ],
)
def test_a_step_is_a_number_or_a_percentage(text: str, step: Step | None) -> None:
    assert parse_step(text) == step


@pytest.mark.parametrize("text", ["0", "-1", "0%", "half", "4 pods"])
def test_what_is_no_step_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="like 4, 50% or none"):
        parse_step(text)


def test_a_share_is_a_percentage_of_at_most_a_hundred() -> None:
    assert [parse_share(text) for text in ("5%", "none", "0", "12.5 %")] == [0.05, 0, 0, 0.125]
    for text in ("5", "101%", "-5%"):
        with pytest.raises(ValueError, match="like 5% or none"):
            parse_share(text)


async def test_a_rail_shows_in_the_export_the_condition_the_metrics_and_the_events() -> None:
    world = World(a_snapshot(variants=[a_variant(replicas=1)]))
    world.statuses.rails = RailLimits(step_up=Step(replicas=2))
    world.allocations = [an_allocation(replicas=9)]
    await world.loop.run_once(Trigger.INTERVAL)
    name = SEED_KEY[1]
    assert world.desired() == {name: 3}
    assert world.series("inferno_planned_replicas")[0][1] == 9
    assert world.value("inferno_guarded_variants", rail="StepUpBound") == 1
    labels = {"variant_name": name, "namespace": SEED_KEY[0], "rail": "StepUpBound"}
    assert world.value("inferno_guard_rail_total", **labels) == 1
    condition = world.statuses.condition("Guarded")
    assert (condition["status"], condition["reason"]) == ("True", "StepUpBound")
    assert condition["message"].startswith("Plan 9, desired 3. StepUpBound: 9 replicas are wanted")
    assert ("Normal", "StepUpBound") in [event[:2] for event in world.statuses.events]

    world.see(a_variant(replicas=3))
    world.allocations = [an_allocation(replicas=3)]
    world.clock.advance(60)
    await world.loop.run_once(Trigger.INTERVAL)
    condition = world.statuses.condition("Guarded")
    assert (condition["status"], condition["reason"]) == ("False", "PlanFollowed")
    assert world.value("inferno_guarded_variants", rail="StepUpBound") == 0
    assert all(event[0] == "Normal" for event in world.statuses.events)


async def test_a_bounded_increase_arrives_within_the_expected_number_of_intervals() -> None:
    world = World(a_snapshot(variants=[a_variant(replicas=1)]))
    world.statuses.rails = RailLimits(step_up=Step(replicas=4))
    seen = []
    for _ in range(5):
        world.allocations = [an_allocation(replicas=12)]
        await world.loop.run_once(Trigger.INTERVAL)
        seen.append(world.desired()[SEED_KEY[1]])
        world.clock.advance(60)
    assert seen == [5, 9, 12, 12, 12]


async def test_a_condition_of_the_rails_appears_only_where_one_ever_acted() -> None:
    world = World()
    await world.loop.run_once(Trigger.INTERVAL)
    assert [c["type"] for c in world.statuses.status()["conditions"]] == [
        "TargetResolved",
        "MetricsAvailable",
        "OptimizationReady",
    ]


def test_a_reason_of_the_plan_is_kept_beside_the_rail() -> None:
    decision = guarded(3, before=4, variant=a_variant(replicas=4, rate_rpm=42), limits=RailLimits())
    assert decision.reason is PlanReason.SLO_BINDS
