"""Every alert has a runbook and is tested both ways; `make alerts-test` runs the tests with promtool."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.__main__ import CHART
from dashboards.page import Alert
from dashboards.rules import ALERTS, RECORDING

RUNBOOKS = Path(__file__).parents[3] / "docs/runbooks"
TESTS = Path(__file__).parent / "alerts.test.yaml"
HEADINGS = ["## What it means", "## How to check", "## What to do"]
alerts = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


@cache
def cases() -> list[dict[str, Any]]:
    tests = yaml.safe_load(TESTS.read_text(encoding="utf-8"))["tests"]
    return [case for test in tests for case in test["alert_rule_test"]]


@alerts
def test_an_alert_leads_to_a_runbook_that_says_what_to_do(alert: Alert) -> None:
    rule = next(rule for rule in rules("alerts") if rule["alert"] == alert.name)
    page = RUNBOOKS / rule["annotations"]["runbook_url"].rpartition("/")[2]
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {alert.name}\n")
    assert re.findall(r"^## .*$", text, re.MULTILINE) == HEADINGS
    assert "```sh\n" in text


@alerts
def test_an_alert_is_seen_to_fire_and_not_to_fire(alert: Alert) -> None:
    expected = [bool(case["exp_alerts"]) for case in cases() if case["alertname"] == alert.name]
    assert set(expected) == {True, False}


def test_no_runbook_is_left_of_an_alert_that_is_gone() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*.md")} - {"index"} == {alert.name for alert in ALERTS}


def test_rules_have_the_form_that_prometheus_reads() -> None:
    assert [rule["record"] for rule in rules("recording")] == [rule.record for rule in RECORDING]
    assert all(re.fullmatch(r"\d+[mh]", rule["for"]) for rule in rules("alerts"))
    assert all(
        {"summary", "description", "runbook_url"} == rule["annotations"].keys() for rule in rules("alerts")
    )


def rules(name: str) -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((CHART / f"rules/{name}.yaml").read_text(encoding="utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found
