"""The plans that docs/optimizer.md walks through are what the optimizer says today."""

import json
from pathlib import Path

import pytest

from inferno_optimizer.plan import make_plan
from inferno_shared.contracts import Snapshot

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize(("example", "told"), [("seed", [0]), ("scarce", [1])])
def test_the_page_quotes_the_plans_own_words(example: str, told: list[int]) -> None:
    page = " ".join((DOCS / "optimizer.md").read_text(encoding="utf-8").split())
    snapshot = json.loads((DOCS / "examples" / f"{example}.json").read_text(encoding="utf-8"))
    plan = make_plan(Snapshot.model_validate(snapshot))
    assert plan.certificate.status == "optimal"
    for index in told:
        assert f"> {plan.allocations[index].message}" in page
