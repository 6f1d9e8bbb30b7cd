"""The version stands in one place; whatever repeats it must agree."""

import re
import sys
from pathlib import Path

import yaml

from inferno_shared import __version__

ROOT = Path(__file__).resolve().parents[2]


def disagreements(version: str, chart: str, changelog: str) -> list[str]:
    """What does not agree with `version`: the texts of Chart.yaml and CHANGELOG.md."""
    found = yaml.safe_load(chart)
    said = {f"Chart.yaml {key}": str(found[key]) for key in ("version", "appVersion")}
    wrong = [f"{where} says {what}, version.py {version}" for where, what in said.items() if what != version]
    sections = re.findall(r"^## \[([^\]]+)\]", changelog, re.MULTILINE)
    if sections[:1] != ["Unreleased"]:
        wrong.append("CHANGELOG.md does not begin with [Unreleased]")
    released = [section for section in sections if section != "Unreleased"]
    if released and released[0] != version:
        wrong.append(f"the newest release of CHANGELOG.md is {released[0]}, version.py says {version}")
    return wrong


def main() -> None:
    """Print the version; exit 1 with what disagrees."""
    wrong = disagreements(
        __version__,
        (ROOT / "charts/inferno-autoscaler/Chart.yaml").read_text(encoding="utf-8"),
        (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    )
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"version {__version__}")


if __name__ == "__main__":
    main()
