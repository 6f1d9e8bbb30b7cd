"""The same snapshot gives the same bytes: whatever the order of its lists, in any process."""

import os
import random
import subprocess
import sys

import pytest

from builders import a_node, a_profile, a_snapshot, a_variant
from inferno_optimizer import plan
from inferno_optimizer.allocation import Problem
from inferno_optimizer.choosing import Chosen, Refused, choose
from inferno_shared.contracts import LinearParameters, Plan, Policy, SaturationPolicy, Snapshot

SHUFFLES = 1_000
SOLVED_EVERY = 20
HASH_SEEDS = ("1", "12345")
ENOUGH_SECONDS = 600
"""What is not reached in time may differ, and other programs may have the processors."""

A100_DEVICE = "NVIDIA-A100-PCIE-80GB"
PROFILES = (
    a_profile("H100"),
    a_profile("A100", acc_count=2, parameters=LinearParameters(alpha=19, beta=0.5)),
)


def a_small_crowd(saturation_policy: SaturationPolicy) -> Snapshot:
    """Five variants, one of unknown load, two that share a demand; three nodes are too few."""
    variants = [
        a_variant("a", rate_rpm=30, profiles=PROFILES, keep_accelerator=False),
        a_variant("b", rate_rpm=15, accelerator="A100", profiles=PROFILES),
        a_variant("c", model="llama0-70b", accelerator=None, profiles=PROFILES, keep_accelerator=False),
        a_variant("d", model="granite-13b", service_class="Freemium", rate_rpm=25, min_replicas=0),
        a_variant("e", model="llama0-7b", service_class="Freemium", rate_rpm=None, replicas=1),
    ]
    nodes = [
        a_node("n1", allocatable=3),
        a_node("n2", allocatable=2, unmanaged=1),
        a_node("n3", device=A100_DEVICE, allocatable=4),
    ]
    policy = Policy(unlimited=False, saturation_policy=saturation_policy, one_more_unit=False)
    return a_snapshot(variants=variants, inventory=nodes, policy=policy)


def shuffled(snapshot: Snapshot, seed: int) -> Snapshot:
    rnd = random.Random(seed)  # noqa: S311 - reproducible test data
    variants = [
        v.model_copy(update={"profiles": rnd.sample(v.profiles, len(v.profiles))}) for v in snapshot.variants
    ]
    return snapshot.model_copy(
        update={
            "variants": rnd.sample(variants, len(variants)),
            "accelerators": rnd.sample(snapshot.accelerators, len(snapshot.accelerators)),
            "inventory": rnd.sample(snapshot.inventory, len(snapshot.inventory)),
            "service_classes": rnd.sample(snapshot.service_classes, len(snapshot.service_classes)),
        }
    )


def plans() -> list[Plan]:
    """One plan per saturation policy, with what one more unit is worth."""
    worlds = [a_small_crowd(policy) for policy in SaturationPolicy]
    asked = {"one_more_unit": True, "time_limit_seconds": ENOUGH_SECONDS}
    return [
        plan.make_plan(w.model_copy(update={"policy": w.policy.model_copy(update=asked)})) for w in worlds
    ]


def test_a_thousand_orders_of_the_input_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each twentieth is solved anew; between, a problem that is the same to the letter is not."""
    solved: dict[str, Chosen | Refused] = {}

    def choose_once(problem: Problem, seconds: float, *_: object) -> Chosen | Refused:
        letters = repr(problem)
        if letters not in solved:
            solved[letters] = choose(problem, seconds)
        return solved[letters]

    monkeypatch.setattr(plan, "choose", choose_once)
    snapshot = a_small_crowd(SaturationPolicy.PRIORITY_EXHAUSTIVE)
    expected = plan.make_plan(snapshot).model_dump_json()
    for seed in range(SHUFFLES):
        if seed % SOLVED_EVERY == 0:
            solved.clear()
        assert plan.make_plan(shuffled(snapshot, seed)).model_dump_json() == expected


def test_other_processes_with_other_hashes_give_the_same_bytes() -> None:
    """Scarce, with explanations that were solved again: sets and dictionaries have no say in any of it."""
    here = "\n".join(found.model_dump_json() for found in plans())
    assert '"one_more":{' in here
    for seed in HASH_SEEDS:
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        there = subprocess.run(
            [sys.executable, __file__],
            env=environment,
            capture_output=True,
            check=True,
            text=True,
            timeout=60,
        )
        assert there.stdout == here


if __name__ == "__main__":
    sys.stdout.write("\n".join(found.model_dump_json() for found in plans()))
