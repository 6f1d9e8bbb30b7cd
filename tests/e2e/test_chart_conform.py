"""Every rendering of the chart is valid, strictly, in each version of Kubernetes that it is for."""

from chart.conform import KUBERNETES, checks
from chart.helm import CASES


def test_every_case_is_valid_in_every_version() -> None:
    said = dict(checks())
    assert len(said) == len(KUBERNETES) * len(CASES)
    wrong = {name: done.stdout + done.stderr for name, done in said.items() if done.returncode}
    assert wrong == {}
    assert all("Skipped: 0" in done.stdout for done in said.values())
