"""Settings and the command line."""

import pytest
from typer.testing import CliRunner

from inferno_actuator.cli import app
from inferno_actuator.seams import Limits
from inferno_actuator.settings import ActuatorSettings
from inferno_shared.service import load_settings


def test_the_help_has_examples() -> None:
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    for word in ("--host", "--port", "Examples", "curl"):
        assert word in result.output


def test_wrong_settings_are_all_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFERNO_APPLY_CONCURRENCY", "0")
    monkeypatch.setenv("INFERNO_PLAN_MAX_AGE_SECONDS", "never")
    monkeypatch.setenv("INFERNO_COLLECTOR_URL", "collector:8081")
    monkeypatch.setenv("INFERNO_CLIENT_CA_FILE", "/nowhere/ca.crt")
    with pytest.raises(SystemExit) as ended:
        load_settings(ActuatorSettings)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    for variable in ("APPLY_CONCURRENCY", "PLAN_MAX_AGE_SECONDS", "COLLECTOR_URL", "CLIENT_CA_FILE"):
        assert f"INFERNO_{variable}" in told
    assert "must look like http://host:port" in told


def test_the_name_of_the_pod_is_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAME", "controller-0")
    assert ActuatorSettings().identity == "controller-0"


def test_a_plan_may_be_five_intervals_old_and_at_least_five_minutes() -> None:
    assert Limits().max_age_seconds(10) == 300
    assert Limits().max_age_seconds(120) == 600
    assert Limits(plan_max_age_seconds=42).max_age_seconds(120) == 42
