"""The plans that docs/optimizer.md walks through are what the optimizer says today."""

from pathlib import Path

import pytest

from inferno_optimizer.plan import make_plan
from inferno_shared.contracts import Snapshot

DOCS = Path(__file__).parents[3] / "docs"


def example(name: str) -> Snapshot:
    return Snapshot.model_validate_json((DOCS / "examples" / f"{name}.json").read_bytes())


@pytest.mark.parametrize(("name", "told"), [("seed", [0]), ("scarce", [1])])
def test_the_page_quotes_the_plans_own_words(name: str, told: list[int]) -> None:
    page = " ".join((DOCS / "optimizer.md").read_text(encoding="utf-8").replace("\n> ", "\n").split())
    plan = make_plan(example(name))
    assert plan.certificate.status == "optimal"
    for index in told:
        assert plan.allocations[index].message in page


def test_the_numbers_in_the_text_are_those_of_the_examples() -> None:
    page = " ".join((DOCS / "optimizer.md").read_text(encoding="utf-8").split())
    seed, scarce = (example(name) for name in ("seed", "scarce"))
    [only] = make_plan(seed).allocations
    assert f"The variant gets {only.replicas} replicas on H100 for {only.cost_per_hour:g} cents/h" in page
    assert f"{seed.variants[0].load.arrival_rate_rpm:g} requests/min of 279 tokens each" in page
    assert only.predicted.max_rate_rpm_per_replica is not None
    assert f"λ* = {only.predicted.max_rate_rpm_per_replica:.5f} requests/min, so that 37.5 take 3" in page
    limits = {entry.device: entry.limit for entry in make_plan(scarce).capacity}
    assert (
        f"{limits['NVIDIA-H100-80GB-HBM3']} H100 on one node, {limits['NVIDIA-A100-PCIE-80GB']} A100" in page
    )
