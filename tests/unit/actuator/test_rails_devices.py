"""What is exported never asks for more devices than exist: increases wait while others still hold theirs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from builders import H100_DEVICE, a_node, a_profile, a_snapshot, a_variant
from inferno_actuator.decisions import Decision, decide
from inferno_actuator.known import Desired
from inferno_actuator.modes import Mode
from inferno_actuator.rails import Memory, RailLimits, Run, Step, guard
from inferno_actuator.ruling import Rail
from inferno_actuator.triggers import Trigger
from inferno_shared.contracts import (
    CurrentAllocation,
    DeviceCapacity,
    Outcome,
    PlanReason,
    Policy,
    ServiceClass,
    Snapshot,
    Variant,
)
from unit.actuator.world import World, a_known, a_plan, an_allocation, persisted

LIMITED = Policy(unlimited=False)
STABILIZED = RailLimits(stabilization_seconds=300, scale_down_margin=0)
CLASSES = [
    ServiceClass(name="Premium", priority=1, targets=[]),
    ServiceClass(name="Freemium", priority=10, targets=[]),
]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One variant: what runs, what was desired, what the plan says."""

    name: str
    runs: int
    planned: int
    ready: int | None = None
    before: int | None = None
    held: bool = False
    units: int = 1
    minimum: int = 1
    service_class: str = "Premium"
    mode: Mode = Mode.HPA
    accelerator: str = "H100"

    @property
    def variant(self) -> Variant:
        ready = self.runs if self.ready is None else min(self.ready, self.runs)
        current = CurrentAllocation(accelerator=self.accelerator, replicas=self.runs, ready_replicas=ready)
        return a_variant(
            self.name,
            min_replicas=self.minimum,
            service_class=self.service_class,
            keep_accelerator=False,
            profiles=[a_profile(acc_count=self.units), a_profile("A100", acc_count=self.units)],
        ).model_copy(update={"current": current})


def a_cluster(cases: Sequence[Case], *, policy: Policy = LIMITED) -> Snapshot:
    return a_snapshot(
        variants=[case.variant for case in cases],
        service_classes=CLASSES,
        policy=policy,
        inventory=[a_node()],
    )


def exported(
    cases: Sequence[Case], *, limit: int = 8, limits: RailLimits = STABILIZED, policy: Policy = LIMITED
) -> Mapping[str, Decision]:
    """The decisions after all rails; every decrease is stabilised by a plan of the second before."""
    snapshot = a_cluster(cases, policy=policy)
    allocations = [
        an_allocation(
            variant,
            replicas=case.runs if case.held else case.planned,
            outcome=Outcome.HELD if case.held else Outcome.SERVED,
            reason=PlanReason.UNKNOWN_LOAD if case.held else PlanReason.SLO_BINDS,
        )
        for case, variant in zip(cases, snapshot.variants, strict=True)
    ]
    before = {case.variant.key: case.runs if case.before is None else case.before for case in cases}
    known = {
        case.variant.key: replace(
            a_known(case.variant.key, status=persisted(before[case.variant.key])), mode=case.mode
        )
        for case in cases
    }
    decisions = decide(a_plan(snapshot, allocations), snapshot, known, {}, planned_at=0)
    memory = Memory({key: (Run(0, 0, count, count),) for key, count in before.items()})
    capacity = [DeviceCapacity(device=H100_DEVICE, limit=limit, used=0)]
    found, _ = guard(decisions, snapshot, memory, limits, interval_seconds=60, now=1, capacity=capacity)
    return {key[1]: decision for key, decision in found.by_key.items()}


def replicas(decisions: Mapping[str, Decision]) -> dict[str, int]:
    return {name: d.desired.replicas for name, d in decisions.items() if d.desired is not None}


def test_an_increase_waits_while_a_stabilised_decrease_holds_the_devices_and_says_for_whom() -> None:
    found = exported([Case(name="a", runs=4, planned=2), Case(name="b", runs=4, planned=6)])
    assert replicas(found) == {"a": 4, "b": 4}
    (ruling,) = found["b"].rulings
    assert ruling.rail is Rail.WAITS_FOR_DEVICES
    assert (ruling.wanted, ruling.allowed, found["b"].planned_replicas) == (6, 4, 6)
    assert "more than the 8 devices" in ruling.message
    assert "llm-d-sim/a (4 instead of 2: Stabilizing)" in ruling.message


def test_what_fits_is_not_delayed() -> None:
    assert replicas(exported([Case(name="a", runs=4, planned=2), Case(name="b", runs=2, planned=4)])) == {
        "a": 4,
        "b": 4,
    }


def test_a_cluster_without_limits_is_not_limited_by_this_rail() -> None:
    cases = [Case(name="a", runs=4, planned=2), Case(name="b", runs=4, planned=6)]
    assert replicas(exported(cases, policy=Policy(unlimited=True))) == {"a": 4, "b": 6}


def test_part_of_an_increase_goes_through() -> None:
    """8 devices, A holds 3 with a plan of 1: of B's 4 -> 7 only the fifth fits."""
    found = exported([Case(name="a", runs=3, planned=1), Case(name="b", runs=4, planned=7)])
    assert replicas(found) == {"a": 3, "b": 5}


def test_replicas_of_several_devices_wait_as_a_whole() -> None:
    """Two devices each: 2 * 2 held, B's two run on 4 of the 8: a third would be 10."""
    cases = [Case(name="a", runs=2, planned=1, units=2), Case(name="b", runs=2, planned=3, units=2)]
    assert replicas(exported(cases)) == {"a": 2, "b": 2}


def test_the_least_important_waits() -> None:
    cases = [
        Case(name="a", runs=4, planned=2),
        Case(name="b", runs=2, planned=3, service_class="Freemium"),
        Case(name="c", runs=1, planned=2),
    ]
    assert replicas(exported(cases)) == {"a": 4, "b": 2, "c": 2}


def test_a_delayed_decrease_gives_up_first_what_does_not_run_yet() -> None:
    """A's fourth replica never became ready: nothing is lost with it, and B need not wait for it."""
    found = exported([Case(name="a", runs=4, ready=3, planned=2), Case(name="b", runs=4, planned=5)])
    assert replicas(found) == {"a": 3, "b": 5}
    assert [ruling.rail for ruling in found["a"].rulings] == [Rail.STABILIZING, Rail.WAITS_FOR_DEVICES]


def test_a_decrease_is_delayed_no_longer_when_somebody_runs_what_the_plan_gives() -> None:
    """B was scaled by hand to what it was to get; two of its pods are pending for want of A's devices."""
    found = exported([Case(name="a", runs=4, planned=2), Case(name="b", runs=6, ready=4, planned=6)])
    assert replicas(found) == {"a": 2, "b": 6}


def test_a_new_variant_has_its_minimum_before_others_keep_theirs_for_comfort() -> None:
    found = exported([Case(name="a", runs=8, planned=7), Case(name="b", runs=0, planned=1)])
    assert replicas(found) == {"a": 7, "b": 1}


def test_a_held_variant_loses_nothing_that_runs_only_what_was_once_desired() -> None:
    """Last desired 6, running 4, load unknown: 6 would be held, the plan has devices for the 4."""
    found = exported(
        [Case(name="a", runs=4, before=6, planned=4, held=True), Case(name="b", runs=2, planned=4)]
    )
    assert replicas(found) == {"a": 4, "b": 4}


def test_pods_of_a_variant_that_only_takes_advice_hold_their_devices() -> None:
    """Its plan of 1 frees nothing, as nobody acts on it."""
    found = exported([Case(name="a", runs=5, planned=1, mode=Mode.OFF), Case(name="b", runs=3, planned=7)])
    assert replicas(found)["b"] == 3
    assert "llm-d-sim/a (5 replicas running)" in found["b"].rulings[-1].message


def test_pods_on_an_accelerator_that_a_variant_is_to_leave_hold_their_devices() -> None:
    cases = [Case(name="a", runs=4, planned=4), Case(name="b", runs=4, planned=8)]
    snapshot = a_cluster(cases)
    moved = an_allocation(snapshot.variants[0], replicas=4, accelerator="A100")
    allocations = [moved, an_allocation(snapshot.variants[1], replicas=8)]
    decisions = decide(
        a_plan(snapshot, allocations),
        snapshot,
        {case.variant.key: a_known(case.variant.key, status=persisted(case.runs)) for case in cases},
        {},
        planned_at=0,
    )
    found, _ = guard(
        decisions,
        snapshot,
        Memory(),
        STABILIZED,
        interval_seconds=60,
        now=1,
        capacity=[DeviceCapacity(device=H100_DEVICE, limit=8, used=8)],
    )
    desired = {key[1]: decision.desired for key, decision in found.by_key.items()}
    assert desired == {"a": Desired("A100", 4), "b": Desired("H100", 4)}


CASES = st.lists(
    st.builds(
        Case,
        name=st.just(""),
        runs=st.integers(0, 12),
        ready=st.integers(0, 12),
        planned=st.integers(0, 12),
        before=st.integers(0, 12),
        held=st.booleans(),
        units=st.integers(1, 4),
        minimum=st.integers(0, 3),
        service_class=st.sampled_from(["Premium", "Freemium"]),
        mode=st.sampled_from([Mode.HPA, Mode.HPA, Mode.DIRECT, Mode.OFF]),
    ),
    min_size=1,
    max_size=6,
)
LIMITS = st.builds(
    RailLimits,
    step_up=st.none() | st.builds(Step, replicas=st.integers(1, 4)),
    step_down=st.none() | st.builds(Step, replicas=st.integers(1, 4)),
    stabilization_seconds=st.sampled_from([0.0, 300.0]),
    scale_down_margin=st.sampled_from([0.0, 0.05]),
)


@settings(max_examples=150)
@given(cases=CASES, limits=LIMITS, spare=st.integers(0, 8))
def test_never_more_than_the_limit_whatever_the_rails_hold(
    cases: list[Case], limits: RailLimits, spare: int
) -> None:
    """The plan fits its limit; so does what is exported, but for pods of variants in mode `off`."""
    named = [
        replace(case, name=f"v{index}", planned=max(case.planned, case.minimum))
        for index, case in enumerate(cases)
    ]
    room = {case.name: case.runs if case.held else case.planned for case in named}
    limit = sum(room[case.name] * case.units for case in named) + spare
    found = exported(named, limit=limit, limits=limits)

    units = {case.name: case.units for case in named}
    advised = [case for case in named if case.mode is Mode.OFF]
    acted_on = {name: n for name, n in replicas(found).items() if name not in {c.name for c in advised}}
    beyond_the_plan = sum(max(0, c.runs - room[c.name]) * c.units for c in advised)
    raised_to_minimum = sum(max(0, c.minimum - room[c.name]) * c.units for c in named if c.held)
    total = sum(count * units[name] for name, count in acted_on.items())
    total += sum(case.runs * case.units for case in advised)
    assert total <= limit + beyond_the_plan + raised_to_minimum

    alone = exported(named, limit=10_000, limits=limits)
    for case in named:
        before, after = replicas(alone)[case.name], replicas(found)[case.name]
        assert after <= before, "this rail never adds"
        assert after >= min(before, case.minimum, max(room[case.name], 0)), "nor goes below the minimum"
        assert after >= min(before, room[case.name], case.runs), "nor takes what runs and is planned"
        if after < before:
            assert found[case.name].rulings[-1].rail is Rail.WAITS_FOR_DEVICES


async def test_a_waiting_increase_shows_in_export_condition_metric_and_words_and_ends_by_itself() -> None:
    a, b = Case(name="a", runs=4, planned=2), Case(name="b", runs=4, planned=6)
    world = World(a_cluster([a, b]))
    world.statuses.rails = STABILIZED
    world.devices = 8
    world.statuses.objects[a.variant.key]["status"] = persisted(4)
    world.statuses.objects[b.variant.key]["status"] = persisted(4)
    world.allocations = [an_allocation(a.variant, replicas=2), an_allocation(b.variant, replicas=6)]
    await world.loop.run_once(Trigger.INTERVAL)
    assert world.desired() == {"a": 4, "b": 4}
    condition = world.statuses.condition("Guarded", key=b.variant.key)
    assert (condition["status"], condition["reason"]) == ("True", "WaitsForDevices")
    assert "llm-d-sim/a (4 instead of 2: Stabilizing)" in condition["message"]
    assert world.value("inferno_guarded_variants", rail="WaitsForDevices") == 1
    assert ("Normal", "WaitsForDevices") in [event[:2] for event in world.statuses.events]

    world.clock.advance(301)
    await world.loop.run_once(Trigger.INTERVAL)
    assert world.desired() == {"a": 2, "b": 6}
    assert world.statuses.condition("Guarded", key=b.variant.key)["status"] == "False"
