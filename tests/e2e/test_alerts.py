"""Prometheus' own tool runs the alerts' tests: each fires when it should, and not when it should not."""

import subprocess

from e2e.clusters import ROOT
from tools.programs import find_programs


def test_every_alert_fires_when_it_should_and_only_then() -> None:
    promtool = find_programs(("promtool",))["promtool"]
    done = subprocess.run(
        [promtool, "test", "rules", ROOT / "tests/unit/alerts/alerts.test.yaml"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
