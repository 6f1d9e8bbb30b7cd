"""inferno-optimizer solve and analyze: the same answers as over HTTP, as a table or JSON."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders import H100_DEVICE, a_snapshot, a_variant
from inferno_optimizer.cli import app
from inferno_shared.contracts import Plan, WhatIf

ANALYSIS = {
    "parameters": {"model": "linear", "alpha": 20.58, "beta": 0.41},
    "cost_per_hour": 50,
    "max_batch_size": 4,
    "load": {"arrival_rate_rpm": 37.5, "output_tokens": 279},
    "slo": {"itl_ms": 24, "ttft_ms": 500},
}
SNAPSHOT = a_snapshot().model_dump(mode="json")
WHAT_IF = {
    **SNAPSHOT,
    "scenarios": [
        {"name": "launch day", "load": [{"factor": 3}]},
        {
            "name": "two left",
            "capacity": [{"device": H100_DEVICE, "change": -30}],
            "policy": {"unlimited": False, "saturation_policy": "PriorityExhaustive"},
        },
    ],
}
WIDE = {"COLUMNS": "220", "TERM": "dumb"}


def test_solve_prints_a_table_from_standard_input() -> None:
    result = CliRunner().invoke(app, ["solve", "-"], input=a_snapshot().model_dump_json(), env=WIDE)
    assert result.exit_code == 0
    assert "Total: 150 cents/h, 3 units" in result.output
    assert "optimal, verified" in result.output


def test_names_are_folded_and_reasons_are_paragraphs_in_a_narrow_terminal() -> None:
    name = "ms-inference-scheduling-llm-d-modelservice-decode"
    text = a_snapshot(variants=[a_variant(name)]).model_dump_json()
    narrow = CliRunner().invoke(app, ["solve", "-"], input=text, env={"COLUMNS": "80", "TERM": "dumb"})
    assert max(map(len, narrow.output.splitlines())) <= 80
    assert "\u2026" not in narrow.output
    assert f"/{name} - SloBinds\n  37.5 requests/min arrive; one replica" in narrow.output
    piped = CliRunner().invoke(app, ["solve", "-"], input=text, env={"COLUMNS": None, "TERM": "dumb"})
    assert any("37.5 requests/min arrive" in s and "would be missed." in s for s in piped.output.splitlines())


def test_solve_prints_json_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "snapshot.json"
    file.write_text(a_snapshot().model_dump_json(), encoding="utf-8")
    result = CliRunner().invoke(app, ["solve", "--json", str(file)])
    assert Plan.model_validate_json(result.output).totals.cost_per_hour == 150


def test_analyze_prints_a_table_or_json() -> None:
    text = json.dumps(ANALYSIS)
    table = CliRunner().invoke(app, ["analyze", "-"], input=text, env=WIDE)
    assert "3 replicas for 37.5 requests/min" in table.output
    assert "\n150 cents/h in all\n" in table.output
    answer = CliRunner().invoke(app, ["analyze", "-", "--json"], input=text)
    assert json.loads(answer.output)["replicas"] == 3


def test_solve_compares_scenarios_with_the_base_plan() -> None:
    result = CliRunner().invoke(app, ["solve", "-"], input=json.dumps(WHAT_IF), env=WIDE)
    assert result.exit_code == 0
    assert "Scenario launch day: cost 150 -> 400 cents/h (+250); 3 -> 8 units" in result.output
    assert "Scenario two left: cost 150 -> 100 cents/h (-50)" in result.output
    assert "2 x H100, partial" in result.output
    assert "Note: load does not change" not in result.output


def test_json_is_the_answer_as_it_goes_over_http(tmp_path: Path) -> None:
    file = tmp_path / "what-if.json"
    file.write_text(json.dumps(WHAT_IF), encoding="utf-8")
    result = CliRunner().invoke(app, ["solve", "--json", str(file)])
    answer = WhatIf.model_validate_json(result.output)
    assert [s.plan.totals.cost_per_hour for s in answer.scenarios] == [400, 100]
    assert result.output == answer.model_dump_json() + "\n"


@pytest.mark.parametrize("command", [[], ["solve"], ["analyze"]])
def test_help_shows_examples(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"], env=WIDE)
    assert result.exit_code == 0
    assert "Example" in result.output


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "is not JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        ("[1]", "is JSON, but not an object"),
        ("", "is empty; give a JSON file"),
        ("[" * 200_000, "is nested too deeply"),
        ('{"x": ' + "[" * 900 + "]" * 900 + "}", "is nested too deeply, more than 200 levels"),
        ('{"x": ' + "1" * 5_000 + "}", "has a number of thousands of digits"),
        ('{"variants": []}', "accelerators: Field required"),
        (json.dumps({**SNAPSHOT, "variants": 3}), "variants: Input should be"),
        (json.dumps({**SNAPSHOT, "polcy": {}}), "polcy is not a known field: did you mean policy?"),
        (json.dumps({**SNAPSHOT, "policy": {"headroom": float("nan")}}), "policy.headroom: must be a finite"),
        ('"' + "x" * 10_000_000 + '"', "is JSON, but not an object"),
    ],
    ids=[
        "broken",
        "list",
        "empty",
        "endless",
        "deep",
        "digits",
        "missing",
        "type",
        "unknown",
        "nan",
        "10 MB",
    ],
)
def test_a_wrong_input_is_refused_in_a_line_that_says_what_is_wrong(text: str, line: str) -> None:
    result = CliRunner().invoke(app, ["solve", "-"], input=text)
    assert result.exit_code == 2
    assert any(said.startswith(f"standard input: {line}") for said in result.output.splitlines())
    assert all(len(said) < 300 for said in result.output.splitlines())


def test_thousands_of_wrong_fields_are_ten_lines_and_a_count() -> None:
    variants = [{**SNAPSHOT["variants"][0], "name": f"v{n}", "min_replicas": -1} for n in range(2_000)]
    result = CliRunner().invoke(app, ["solve", "-"], input=json.dumps({**SNAPSHOT, "variants": variants}))
    lines = result.output.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "... and 1990 more"


def test_a_file_that_is_not_there_a_folder_and_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for name, words in [("none", "No such file"), (".", "Is a directory"), ("bytes", "is not UTF-8 text")]:
        result = CliRunner().invoke(app, ["analyze", str(tmp_path / name)])
        assert result.exit_code == 2
        assert words in result.output
        assert len(result.output.splitlines()) == 1


def test_a_scenario_that_does_not_fit_names_its_field() -> None:
    load = [{"factor": 2, "model": "nope"}]
    text = json.dumps({**SNAPSHOT, "scenarios": [{"name": "x", "load": load}]})
    result = CliRunner().invoke(app, ["solve", "-"], input=text)
    assert result.exit_code == 2
    assert result.output.startswith("scenarios[0].load[0].model: nope is not in the snapshot")
