"""Numbers that the documentation tells in its sentences are those of the code and of its own examples."""

import json
import math
import re
from enum import StrEnum

import pytest

from bench.bench_optimize_one import EXPECTED, greedy
from builders import a_snapshot
from inferno_optimizer.allocation import Problem, Rationing, solve
from inferno_optimizer.allocation.arcflow import MOST_ARCS_IN_PROGRAM
from inferno_optimizer.allocation.objectives import Kind
from inferno_optimizer.allocation.problem import RELATIVE_TOLERANCE, SWITCHING_SHARE
from inferno_optimizer.explain import growth
from inferno_optimizer.plan import make_plan
from inferno_optimizer.queueing.models.chunked_prefill import TOKEN_BUDGET
from inferno_optimizer.whatif import what_if
from inferno_shared.contracts import (
    ItlReading,
    OptimizeRequest,
    Outcome,
    PlanReason,
    SaturationPolicy,
    TtftReading,
)
from reference.worked import ROOT, example, shared_demand
from unit.optimizer.allocation.exhaustive import a_candidate, a_demand, pools
from unit.optimizer.allocation.test_exhaustive import SEEDS
from unit.optimizer.test_determinism import SHUFFLES


def words(page: str) -> str:
    return " ".join((ROOT / "docs" / page).read_text(encoding="utf-8").split())


OPTIMIZER = words("optimizer.md")


def test_the_plans_are_explained_with_their_own_numbers() -> None:
    seed, scarce = make_plan(example("seed")), make_plan(example("scarce"))
    [only] = seed.allocations
    assert (
        f"The variant gets {only.replicas} replicas on H100 for {only.cost_per_hour:g} cents/h" in OPTIMIZER
    )
    assert (
        f"λ\\* = {only.predicted.max_rate_rpm_per_replica:.5f} requests/min, so that 37.5 take 3" in OPTIMIZER
    )
    _, short = scarce.demands
    assert f"{short.served_rpm:.4f} of its {short.rate_rpm:g} requests/min are served" in OPTIMIZER
    cost = next(stage.value for stage in scarce.certificate.stages if stage.objective == "cost")
    charge = cost - scarce.totals.cost_per_hour
    assert (
        f"| `cost {cost:g}` | the {scarce.totals.cost_per_hour:g} cents/h of the plan, and {charge:g}"
        in OPTIMIZER
    )
    assert charge == pytest.approx(SWITCHING_SHARE * (50 + 80))
    limits = {entry.device: entry.limit for entry in scarce.capacity}
    h100, a100 = limits["NVIDIA-H100-80GB-HBM3"], limits["NVIDIA-A100-PCIE-80GB"]
    assert f"{h100} H100 on one node, {a100} A100 on another" in OPTIMIZER


@pytest.mark.parametrize("names", [Outcome, PlanReason, SaturationPolicy, TtftReading, ItlReading, Kind])
def test_every_word_that_a_plan_may_say_is_explained(names: type[StrEnum]) -> None:
    assert [name.value for name in names if name.value not in OPTIMIZER] == []


def test_limits_in_the_text_are_those_of_the_code() -> None:
    for told in (
        f"charged {SWITCHING_SHARE:.0%} of what runs now".replace("%", " %"),
        f"{SWITCHING_SHARE} · (50 + 120) = {SWITCHING_SHARE * 170:g}",
        f"at most {growth.FEW} variants compete",
        f"`true`, up to {growth.MOST_COMPETING}",
        f"at most {growth.MOST_DEVICES} devices are asked about",
        f"up to {growth.MOST_PRICED:,} competing variants",
        f"steps of at most M = {TOKEN_BUDGET:g} tokens",
        f"more than {MOST_ARCS_IN_PROGRAM:,} arcs",
        f"ln 20 = {math.log(20):.1f} at 0.95",
    ):
        assert told in OPTIMIZER
    assert growth.SHARE_OF_TIME == 1 / 4
    assert "A quarter of the time limit" in OPTIMIZER
    assert RELATIVE_TOLERANCE == 1e-6
    assert "at most 10⁻⁶ of it is not" in OPTIMIZER


def test_what_the_tests_are_said_to_compare_they_compare() -> None:
    assert f"{SEEDS} random worlds for each policy" in OPTIMIZER
    assert f"{SHUFFLES:,} orders of the input" in OPTIMIZER


TAKES_TWO = (
    a_demand("a", 10, a_candidate("G", units=2, cost=20), a_candidate("H", cost=25)),
    a_demand("b", 10, a_candidate("G", cost=10), a_candidate("H", cost=14)),
    a_demand("c", 10, a_candidate("G", cost=10), a_candidate("H", cost=14)),
)
MOVES_ASIDE = (
    a_demand("premium", 10, a_candidate("G", cost=10), a_candidate("H", cost=11)),
    a_demand("free", 10, a_candidate("G", cost=10), priority=10),
)
TOO_LITTLE = (a_demand("premium", 100, a_candidate("G")), a_demand("free", 60, a_candidate("G"), priority=10))


@pytest.mark.parametrize(
    ("problem", "greedy_pays", "left_out", "best", "told"),
    [
        (Problem(TAKES_TWO, pools(G=2, H=3)), 48, 0, 45, "| A on both G: 48 | A on H: **45** |"),
        (Problem(MOVES_ASIDE, pools(G=1, H=1)), 10, 1, 21, "Free starves | Premium on H: **21**"),
        (Problem(TOO_LITTLE, pools(G=8), Rationing.PRIORITY), 60, 1, 80, "0; Free 6 | Premium **8** |"),
    ],
)
def test_what_a_greedy_pays(
    problem: Problem, greedy_pays: float, left_out: int, best: float, told: str
) -> None:
    found = greedy(problem)
    assert (found.cost, found.left_out) == (greedy_pays, left_out)
    assert next(stage.value for stage in solve(problem).stages if stage.objective == "cost") == best
    assert told in OPTIMIZER


def test_the_shared_demand_costs_what_the_text_says() -> None:
    assert next(stage.value for stage in solve(shared_demand()).stages if stage.objective == "cost") == 65
    assert "4 G + 1 H serve all of it for 65" in OPTIMIZER


def test_the_published_sample_adds_up() -> None:
    """The sample itself is not ours to ship: `make bench` solves it where it is (INFERNO_LLM_DATA)."""
    page = words("optimize-one.md")
    costs = {(10, True): 31707, (10, False): 28911, (0, True): 25826, (0, False): 21252}
    for (queue, limits), pays in costs.items():
        best = EXPECTED["10 N" if queue else "0", limits]
        row = f"| {'10 N' if queue else '0'} | {'capacities' if limits else 'none'} | **{best}** | {pays} |"
        dearer = f"{(pays / best - 1) * 100:.1f} %" if pays > best else "0"
        assert f"{row} {dearer} |" in page
    saved, lost = 3680 - 3312, 2560 - 1104
    assert f"save {saved} cents" in page
    assert f"{lost} − {saved} = {31707 - EXPECTED['10 N', True]}, the whole" in page  # noqa: RUF001
    assert 25826 - EXPECTED["0", True] == 3570 - 308
    assert "3.6 % to 14.5 % more" in OPTIMIZER


def test_the_scenarios_change_what_the_page_shows() -> None:
    page = words("what-if.md")
    edit = page.partition("jq '. + {scenarios: ")[2].partition("}' |")[0]
    scenarios = json.loads(re.sub(r"(\w+): ", r'"\1": ', edit))
    document = json.loads(a_snapshot().model_dump_json()) | {"scenarios": scenarios}
    request = OptimizeRequest.model_validate(document)
    assert request.scenarios is not None
    for result in what_if(request.snapshot(), request.scenarios, make_plan).scenarios:
        assert f"{result.name}: {result.difference.summary}" in page
