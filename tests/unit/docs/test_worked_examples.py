"""The tables of docs/optimizer.md against an implementation that shares no formula with the optimizer."""

import itertools
import math
from collections.abc import Callable, Mapping

import pytest

from inferno_optimizer.allocation import Rationing
from inferno_optimizer.queueing import Pair
from reference.worked import EXAMPLES, GUIDE, GUIDE_RPM, POLICIES, ROOT, TABLES, shared_demand
from unit.optimizer.allocation.exhaustive import best_scores
from unit.optimizer.queueing.reference import (
    answer,
    departure_rate,
    probabilities,
    token_share_within,
    wait_survival,
)

PAGE = (ROOT / "docs/optimizer.md").read_text(encoding="utf-8")
PER_MINUTE = 1 / 60_000
REQUIRED_RPM = 37.5
SHOWN = 1e-5  # six digits are shown
JUST_ABOVE = 1.001
Row = Mapping[str, str]


def table(name: str) -> list[Row]:
    """The rows between the page's marks, by the words of their head."""
    lines = PAGE.partition(f"<!-- {name} -->\n")[2].partition(f"\n<!-- /{name} -->")[0].splitlines()
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return [dict(zip(head, row, strict=True)) for row in rows]


def close(value: float) -> object:
    return pytest.approx(value, rel=SHOWN)


def test_every_example_stands_on_the_page() -> None:
    assert [name for name in TABLES if f"<!-- /{name} -->" not in PAGE] == []


def test_the_states_of_the_guides_replica() -> None:
    chances = probabilities(GUIDE, GUIDE_RPM * PER_MINUTE)
    *states, rest = table("chain")
    for n, row in enumerate(states):
        assert float(row["p(n)"]) == pytest.approx(chances[n], abs=5e-7)
    for n, row in enumerate(states[1:], start=1):
        rate = departure_rate(GUIDE, min(n, GUIDE.max_batch_size))
        assert float(row["μ(n), requests/min"]) == close(rate / PER_MINUTE)
    assert rest["n"] == f"{len(states)} … {len(chances) - 1}"
    assert float(rest["p(n)"]) == pytest.approx(math.fsum(chances[len(states) :]), abs=5e-7)


@pytest.mark.parametrize(("model", "pair", "rate_rpm"), [it[:3] for it in EXAMPLES])
def test_one_replica_of_each_model(model: str, pair: Pair, rate_rpm: float) -> None:
    told = {row[""]: row[f"model {model}"] for row in table("models")}
    found = answer(pair, rate_rpm * PER_MINUTE)
    assert float(told["Ls"]) == close(found.in_service)
    assert float(told["S, ms"]) == close(found.service_ms)
    assert float(told["W, ms"]) == close(found.wait_ms)
    assert float(told["TTFT − W, ms"]) == pytest.approx(found.prefill_ms, rel=SHOWN, abs=1e-9)  # noqa: RUF001
    assert float(told["ITL, ms"]) == close(found.itl_ms)
    assert float(told["p(K)"]) == pytest.approx(found.blocking, rel=0.005)
    most = 0.999 * departure_rate(pair, pair.max_batch_size)
    assert float(told["0.999 μ(N), requests/min"]) * PER_MINUTE == close(most)


MEETS: Mapping[str, Callable[[Pair, float], bool]] = {
    "A": lambda pair, rate: answer(pair, rate).wait_ms * math.log(20) <= 500,
    "B": lambda pair, rate: answer(pair, rate).wait_ms + answer(pair, rate).prefill_ms <= 500,
    "C": lambda pair, rate: answer(pair, rate).itl_ms <= 20,
}


@pytest.mark.parametrize(("model", "pair"), [it[:2] for it in EXAMPLES])
def test_the_largest_rate_of_each_model_is_where_its_target_is_first_missed(model: str, pair: Pair) -> None:
    told = {row[""]: row[f"model {model}"] for row in table("models")}
    largest = float(told["λ*, requests/min"]) * PER_MINUTE
    assert MEETS[model](pair, largest / JUST_ABOVE)
    assert not MEETS[model](pair, largest * JUST_ABOVE)


READINGS: Mapping[tuple[str, str], Callable[[float], bool]] = {
    ("TTFT 500 ms", "`exponential`"): lambda rate: answer(GUIDE, rate).wait_ms * math.log(20) <= 500,
    ("TTFT 500 ms", "`mean`"): lambda rate: answer(GUIDE, rate).wait_ms <= 500,
    ("TTFT 500 ms", "`exact`"): lambda rate: wait_survival(GUIDE, rate, 500) <= 0.05,
    ("ITL 22 ms", "`mean`"): lambda rate: answer(GUIDE, rate).itl_ms <= 22,
    ("ITL 22 ms", "`quantile`"): lambda rate: token_share_within(GUIDE, rate, 22) >= 0.95,
}


def test_the_largest_rate_by_each_reading() -> None:
    for row in table("readings"):
        largest = float(row["λ*, requests/min"]) * PER_MINUTE
        key = row["target, alone"], row["reading"]
        if key in READINGS:
            assert READINGS[key](largest / JUST_ABOVE)
            assert not READINGS[key](largest * JUST_ABOVE)
        else:  # no batch is so slow: the replica saturates first
            assert row["target, alone"] == "ITL 24 ms"
            assert largest == close(0.999 * departure_rate(GUIDE, GUIDE.max_batch_size))
        completed = answer(GUIDE, largest).throughput / PER_MINUTE
        assert row["replicas for 37.5"] == str(math.ceil(REQUIRED_RPM / completed))


def test_the_stages_of_the_shared_demand_are_the_best_of_all_plans() -> None:
    best = best_scores(shared_demand())[Rationing.ALL_OR_NOTHING, False]
    values = [float(row["value"]) for row in table("stages")]
    assert values == [value for stage in best for value in stage][-len(values) :]
    assert {row["status"] for row in table("stages")} == {"optimal"}
    assert [row["value"] for row in table("stages")] == [row["bound"] for row in table("stages")]


def test_who_gets_what_is_the_best_of_all_plans_under_each_policy() -> None:
    by_policy = {row["`saturation_policy`"]: row for row in table("policies")}
    for name, rationing, delayed in POLICIES:
        _, *got = by_policy[name].values()
        assert tuple(map(int, got)) == enumerated(rationing, delayed=delayed)


def enumerated(rationing: Rationing, *, delayed: bool) -> tuple[int, ...]:
    """Replicas of premium, big and small in the best of all plans, written again for this one world."""
    asked, most = (3, 4, 2), 6
    fits = [plan for plan in itertools.product(*(range(n + 1) for n in asked)) if sum(plan) <= most]
    whole = [plan for plan in fits if all(got in (0, needs) for got, needs in zip(plan, asked, strict=True))]
    plans = whole if rationing is Rationing.ALL_OR_NOTHING else fits
    return min(plans, key=lambda plan: judged(plan, asked, rationing, delayed=delayed))


def judged(
    plan: tuple[int, ...], asked: tuple[int, ...], rationing: Rationing, *, delayed: bool
) -> tuple[float, ...]:
    """What stage 2 of the page says, then cost (replicas), then the name order (big, premium, small)."""
    short = [needs - got for got, needs in zip(plan, asked, strict=True)]
    share = [missing / needs for missing, needs in zip(short, asked, strict=True)]
    not_full = [needs if missing else 0 for missing, needs in zip(short, asked, strict=True)]
    by_full: list[float] = [not_full[0], not_full[1] + not_full[2]]
    stage: list[float] = []
    if delayed or rationing is Rationing.ALL_OR_NOTHING:
        stage += by_full
    if rationing is Rationing.PRIORITY:
        stage += [short[0], short[1] + short[2]]
    if rationing is Rationing.FAIR_WITHIN_PRIORITY:
        stage += [short[0], *sorted(share[1:], reverse=True), short[1] + short[2]]
    if rationing is Rationing.FAIR:
        stage += [*sorted(share, reverse=True), sum(short)]
    premium, big, small = plan
    return (*stage, sum(plan), 1 * big + 2 * premium + 3 * small)
