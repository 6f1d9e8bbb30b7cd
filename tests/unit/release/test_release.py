"""What is looked at before a release."""

import json
import sys
from pathlib import Path

import pytest

from inferno_shared import __version__
from release.audit import CLEAN, FOUND, UNREACHABLE, Verdict, verdict
from release.audit import main as audit
from release.licenses import refused, unseen
from release.sbom import completed, missing
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


def test_a_locked_package_whose_licence_nobody_saw_is_named() -> None:
    locked = "some_one==1 \\\n    --hash=sha256:0\nother[extra]==2 ; sys_platform == 'linux' \\\n"
    elsewhere = "colorama==0.4.6 ; sys_platform == 'win32' \\\n"
    assert unseen([{"Name": "Some.One"}], [locked, elsewhere]) == ["other"]


def test_a_bill_of_materials_has_the_version_and_all_that_is_locked() -> None:
    bill = {"metadata": {"component": {"name": "inferno-optimizer"}}, "components": [{"name": "numpy"}]}
    assert completed(bill, "1.2.3")["metadata"]["component"] == {
        "name": "inferno-optimizer",
        "version": "1.2.3",
    }
    assert missing(bill, "numpy==2\n") == []
    assert missing(bill, "numpy==2\nscipy==1 ; sys_platform == 'win32'\n") == ["scipy"]


CHECKED = {"name": "a", "version": "1", "vulns": []}
FLAWED = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
SKIPPED = {"name": "c", "skip_reason": "not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "status", "said"),
    [
        ([CHECKED], CLEAN, "nothing known of 1 packages"),
        ([CHECKED, FLAWED], FOUND, "\n  b 2: CVE-1 (fixed in 3)"),
        ([FLAWED, SKIPPED], FOUND, "\n  b 2: CVE-1 (fixed in 3)"),
        ([CHECKED, SKIPPED], UNREACHABLE, "1 of 2 packages skipped: not found on PyPI"),
        ([], UNREACHABLE, "0 of 0 packages skipped: no package was asked about"),
    ],
)
def test_what_an_audit_found(packages: list[object], status: int, said: str) -> None:
    """Skipped packages are not clean, although pip-audit exits with 0 then."""
    assert verdict(json.dumps({"dependencies": packages}), "") == Verdict(status, said)


def test_an_unreachable_database_is_not_a_clean_bill() -> None:
    assert verdict("", "Traceback\nConnectionError: Max retries exceeded") == Verdict(
        UNREACHABLE, "ConnectionError: Max retries exceeded"
    )


PIP_AUDIT = """#!{python}
import json, sys
database = next(word.split("=")[1] for word in sys.argv if word.startswith("--vulnerability-service="))
pinned = open(sys.argv[-1]).read().split("==")
flaws = [{{"id": "CVE-1", "fix_versions": []}}] if pinned[0] in {known}.get(database, []) else []
print(json.dumps({{"dependencies": [{{"name": pinned[0], "version": pinned[1].strip(), "vulns": flaws}}]}}))
"""


@pytest.mark.parametrize(
    ("known", "status"),
    [
        ({}, UNREACHABLE),
        ({"osv": ["pyyaml"]}, CLEAN),
        ({"pypi": ["pyyaml", "mine"]}, FOUND),
        ({"pypi": ["mine"]}, UNREACHABLE),
    ],
)
def test_a_database_that_knows_no_old_flaw_is_none(
    tmp_path: Path, known: dict[str, list[str]], status: int
) -> None:
    program, locked = tmp_path / "pip-audit", tmp_path / "requirements.txt"
    program.write_text(PIP_AUDIT.format(python=sys.executable, known=known))
    program.chmod(0o755)
    locked.write_text("mine==1\n")
    assert audit([str(program), str(locked)]) == status


def test_wheels_are_pinned_by_their_hash(tmp_path: Path) -> None:
    wheel = tmp_path / "inferno_shared-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert hashed([wheel]) == f"inferno_shared @ {wheel.as_uri()} --hash=sha256:{empty}\n"
