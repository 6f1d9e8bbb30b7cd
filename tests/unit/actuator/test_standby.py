"""A process that does not lead answers HPAs with what the leader left in the statuses and the Lease."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from builders import a_snapshot, a_variant
from inferno_actuator.metric_names import CURRENT, DESIRED, RATIO
from inferno_actuator.modes import Mode
from inferno_actuator.standby import LeadersPlan, PlanStamp
from inferno_actuator.triggers import Trigger
from inferno_shared.contracts import Problem, Variant
from unit.actuator.world import NOON, World, a_problem

EXPORTED = (DESIRED, CURRENT, RATIO)
A, B = ("llm-d-sim", "a"), ("llm-d-sim", "b")
Answers = dict[str, set[tuple[tuple[tuple[str, str], ...], float]]]


class Pair:
    """A leader's world, and a standby that sees its statuses and its Lease."""

    def __init__(self) -> None:
        self.leader = World(a_snapshot(variants=[a_variant("a"), a_variant("b", replicas=2)]))
        self.lease: Mapping[str, str] = {}
        self.standby = LeadersPlan(lambda: self.lease, self.leader.statuses.known, self.leader.clock)

    async def turn(self) -> None:
        await self.leader.loop.run_once(Trigger.INTERVAL)
        in_force = self.leader.journal.in_force
        assert in_force is not None
        self.lease = PlanStamp(in_force.decided_at, 300).annotations()

    async def turn_for(self, seconds: float) -> None:
        for _ in range(int(seconds // 60)):
            self.leader.clock.advance(60)
            await self.turn()

    def led(self) -> Answers:
        return {
            metric.name: {(tuple(s.labels.items()), s.value) for s in self.leader.gauges.samples(metric)}
            for metric in EXPORTED
        }

    def stood_by(self) -> Answers:
        return {
            metric.name: {(tuple(s.labels.items()), s.value) for s in self.standby.read(metric)[0]}
            for metric in EXPORTED
        }

    def desired(self) -> set[str]:
        return {s.labels["variant_name"] for s in self.standby.read(DESIRED)[0]}


SITUATIONS: list[tuple[str, list[Variant], list[Problem]]] = [
    ("both served", [a_variant("a"), a_variant("b", replicas=2)], []),
    ("the load of one is unknown", [a_variant("a", replicas=5, rate_rpm=None), a_variant("b")], []),
    ("the target of one is gone", [a_variant("b")], [a_problem("TargetNotFound", "no Deployment", A)]),
    ("one is left out", [a_variant("b")], [a_problem("InvalidConfiguration", "no class", A)]),
    ("one is not seen yet", [a_variant("b")], []),
]


@pytest.mark.parametrize(
    ("variants", "problems"), [s[1:] for s in SITUATIONS], ids=[s[0] for s in SITUATIONS]
)
@pytest.mark.parametrize("seconds", [60, 420])
async def test_it_answers_as_the_leader_does(
    variants: list[Variant], problems: list[Problem], seconds: float
) -> None:
    pair = Pair()
    await pair.turn()
    pair.leader.see(*variants, problems=problems)
    await pair.turn_for(seconds)
    assert pair.led()["inferno_desired_replicas"]
    wanted = pair.led()
    # What runs of a variant that was left out is told as it was last seen, for as long as it is desired.
    seen = {labels for labels, _ in wanted["inferno_desired_replicas"]}
    found = pair.stood_by()
    assert found["inferno_desired_replicas"] == wanted["inferno_desired_replicas"]
    for metric, samples in found.items():
        assert samples >= wanted[metric]
        assert {labels for labels, _ in samples} <= seen


async def test_a_variant_that_is_only_advised_is_not_exported() -> None:
    pair = Pair()
    await pair.turn()
    pair.leader.statuses.modes[A] = Mode.OFF
    assert pair.desired() == {"b"}


async def test_values_end_with_the_leaders_own_bound() -> None:
    pair = Pair()
    await pair.turn()
    assert pair.standby.read(DESIRED)[1] == NOON
    pair.leader.clock.advance(300)
    assert pair.desired() == {"a", "b"}
    pair.leader.clock.advance(1)
    assert pair.desired() == set()
    await pair.turn()
    assert pair.desired() == {"a", "b"}


async def test_a_leader_whose_clock_is_ahead_is_not_believed_for_longer() -> None:
    pair = Pair()
    await pair.turn()
    pair.lease = PlanStamp(NOON + timedelta(hours=1), 300).annotations()
    assert pair.desired() == {"a", "b"}
    pair.leader.clock.advance(301)
    assert pair.desired() == set()


@pytest.mark.parametrize(
    "lease",
    [
        {},
        {"inferno.llmd.ai/planned-at": "yesterday", "inferno.llmd.ai/plan-max-age-seconds": "300"},
        {"inferno.llmd.ai/planned-at": "2025-09-04T12:00:00", "inferno.llmd.ai/plan-max-age-seconds": "300"},
        {"inferno.llmd.ai/planned-at": "2025-09-04T12:00:00Z"},
    ],
)
async def test_a_lease_that_does_not_tell_when_the_plan_was_made_is_no_plan(lease: Mapping[str, str]) -> None:
    pair = Pair()
    await pair.turn()
    pair.lease = lease
    assert pair.desired() == set()


async def test_a_change_of_a_status_is_seen_within_a_second() -> None:
    pair = Pair()
    await pair.turn()
    assert pair.desired() == {"a", "b"}
    del pair.leader.statuses.objects[A]
    pair.leader.clock.advance(1)
    assert pair.desired() == {"b"}
