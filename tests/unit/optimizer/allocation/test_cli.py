"""inferno-optimizer solve and analyze: the same answers as over HTTP, as a table or JSON."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders import a_snapshot
from inferno_optimizer.cli import app
from inferno_shared.contracts import Plan

ANALYSIS = {
    "parameters": {"model": "linear", "alpha": 20.58, "beta": 0.41},
    "cost_per_hour": 50,
    "max_batch_size": 4,
    "load": {"arrival_rate_rpm": 37.5, "output_tokens": 279},
    "slo": {"itl_ms": 24, "ttft_ms": 500},
}
WIDE = {"COLUMNS": "220", "TERM": "dumb"}


def test_solve_prints_a_table_from_standard_input() -> None:
    result = CliRunner().invoke(app, ["solve", "-"], input=a_snapshot().model_dump_json(), env=WIDE)
    assert result.exit_code == 0
    assert "Total: 150 cents/h, 3 units" in result.output
    assert "optimal, verified" in result.output


def test_solve_prints_json_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "snapshot.json"
    file.write_text(a_snapshot().model_dump_json(), encoding="utf-8")
    result = CliRunner().invoke(app, ["solve", "--json", str(file)])
    assert Plan.model_validate_json(result.output).totals.cost_per_hour == 150


def test_analyze_prints_a_table_or_json() -> None:
    text = json.dumps(ANALYSIS)
    table = CliRunner().invoke(app, ["analyze", "-"], input=text, env=WIDE)
    assert "3 replicas for 37.5 requests/min" in table.output
    answer = CliRunner().invoke(app, ["analyze", "-", "--json"], input=text)
    assert json.loads(answer.output)["replicas"] == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Invalid JSON"),
        ('{"variants": []}', "accelerators: Field required"),
        (
            json.dumps({**json.loads(a_snapshot().model_dump_json()), "variants": 3}),
            "variants: Input should be",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_the_field(text: str, words: str) -> None:
    result = CliRunner().invoke(app, ["solve", "-"], input=text)
    assert result.exit_code == 2
    assert words in result.output


def test_a_missing_file_is_named() -> None:
    result = CliRunner().invoke(app, ["solve", "/nowhere/snapshot.json"])
    assert result.exit_code == 2
    assert "/nowhere/snapshot.json: No such file" in result.output
