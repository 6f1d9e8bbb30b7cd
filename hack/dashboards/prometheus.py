"""Renders rules and alerts as Prometheus reads them; the chart puts the same text into a PrometheusRule."""

from collections.abc import Mapping, Sequence

import yaml

from dashboards.page import Alert, Rule

RUNBOOKS = "docs/runbooks"
_WIDTH = 100


def recording(rules: Sequence[Rule]) -> str:
    """The file of recording rules."""
    return _file("inferno.recording", [{"record": rule.record, "expr": rule.expr} for rule in rules])


def alerting(alerts: Sequence[Alert]) -> str:
    """The file of alerts."""
    return _file("inferno.alerts", [_alert(alert) for alert in alerts])


def _alert(alert: Alert) -> Mapping[str, object]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.lasting,
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": f"{RUNBOOKS}/{alert.name}.md",
        },
    }


def _file(group: str, rules: Sequence[Mapping[str, object]]) -> str:
    document = {"groups": [{"name": group, "rules": list(rules)}]}
    return "# Made by `make dashboards` from hack/dashboards/rules.py.\n" + yaml.safe_dump(
        document, sort_keys=False, width=_WIDTH
    )
