"""What is asked of the built images, with a stand-in for docker."""

from pathlib import Path

import pytest

from inferno_optimizer.plan import make_plan
from reference.worked import example
from release.images import wrong

DOCKER = """#!/bin/sh
case "$*" in
"image inspect"*) echo "{label}" ;;
*{broken}*--help) exit 1 ;;
*--read-only*--network=none*--help) echo "Usage: something" ;;
*solve*) cat {plan} ;;
esac
"""


@pytest.mark.parametrize(
    ("label", "broken", "outcome", "complaints"),
    [
        ("1.2.3", "nobody", "served", []),
        ("1.2.4", "nobody", "served", ["its label says version 1.2.4"] * 3),
        ("1.2.3", "controller", "served", ["--help prints no usage"]),
        ("1.2.3", "nobody", "held", ["not the plan that the checkout makes of docs/examples/seed.json"]),
    ],
)
def test_what_is_wrong_with_an_image_is_said(
    tmp_path: Path, label: str, broken: str, outcome: str, complaints: list[str]
) -> None:
    docker, plan = tmp_path / "docker", tmp_path / "plan.json"
    plan.write_text(make_plan(example("seed")).model_dump_json().replace("served", outcome))
    docker.write_text(DOCKER.format(label=label, broken=broken, plan=plan))
    docker.chmod(0o755)
    found = wrong("registry.example/inferno", "1.2.3", str(docker))
    assert [line.split(": ")[1] for line in found] == complaints
