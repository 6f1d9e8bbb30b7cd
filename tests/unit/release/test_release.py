"""What is looked at before a release."""

from pathlib import Path

import pytest

from inferno_shared import __version__
from release.audit import CLEAN, FOUND, UNREACHABLE, verdict
from release.licenses import refused
from release.versions import ROOT, disagreements
from release.wheels import hashed

CHART = "version: 1.2.3\nappVersion: '1.2.3'\n"


def test_chart_and_changelog_agree_with_the_one_version() -> None:
    chart = (ROOT / "charts/inferno-autoscaler/Chart.yaml").read_text(encoding="utf-8")
    assert disagreements(__version__, chart, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")) == []


def test_whatever_disagrees_is_named() -> None:
    assert disagreements("1.2.3", CHART, "## [Unreleased]\n## [1.2.3] - 2026-01-01\n") == []
    wrong = disagreements("1.2.4", CHART, "## [1.2.3]\n")
    assert [text.split()[0] for text in wrong] == ["Chart.yaml", "Chart.yaml", "CHANGELOG.md", "the"]


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("Apache Software License", True),
        ("Apache-2.0 OR GPL-3.0", True),
        ("BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0", True),
        ("MIT AND GPL-3.0-only", False),
        ("MIT License; GNU Lesser General Public License v3 (LGPLv3)", False),
        ("UNKNOWN", False),
    ],
)
def test_licences_are_read_as_expressions(expression: str, *, allowed: bool) -> None:
    package = {"Name": "some", "Version": "1", "License": expression}
    assert refused([package]) == ([] if allowed else [f"some 1: {expression}"])


@pytest.mark.parametrize(
    ("returncode", "said", "expected"),
    [
        (0, "No known vulnerabilities found", CLEAN),
        (1, "Found 1 known vulnerability in 1 package", FOUND),
        (1, "pip_audit._service.interface.ServiceError: 404 Client Error", UNREACHABLE),
        (1, "requests.exceptions.ConnectionError: Max retries exceeded", UNREACHABLE),
        (1, "something else went wrong", FOUND),
    ],
)
def test_an_unreachable_database_is_not_a_clean_bill(returncode: int, said: str, expected: int) -> None:
    assert verdict(returncode, said) == expected


def test_wheels_are_pinned_by_their_hash(tmp_path: Path) -> None:
    wheel = tmp_path / "inferno_shared-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert hashed([wheel]) == f"inferno_shared @ {wheel.as_uri()} --hash=sha256:{empty}\n"
