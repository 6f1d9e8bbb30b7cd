"""Completes the bills of materials that cyclonedx-py made: the version, and that nothing locked is missing.

python -m release.sbom dist/sbom/collector.cdx.json=requirements/collector.txt ...
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inferno_shared import __version__
from release.locked import locked_names, normal


def completed(bill: dict[str, Any], version: str) -> dict[str, Any]:
    """With the version of the service itself, which its pyproject.toml leaves to the code."""
    metadata = bill["metadata"]
    return bill | {"metadata": metadata | {"component": metadata["component"] | {"version": version}}}


def missing(bill: dict[str, Any], requirements: str) -> Sequence[str]:
    """What is locked and not in the bill."""
    listed = {normal(component["name"]) for component in bill["components"]}
    return sorted(locked_names(requirements, any_platform=True) - listed)


def main(arguments: Sequence[str]) -> None:
    """Complete each bill; exit 1 with what one of them does not list."""
    for argument in arguments:
        path, _, requirements = argument.partition("=")
        bill = completed(json.loads(Path(path).read_text(encoding="utf-8")), __version__)
        if lacking := missing(bill, Path(requirements).read_text(encoding="utf-8")):
            sys.exit(f"{path} does not list {', '.join(lacking)}")
        Path(path).write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
        print(f"{path}: {len(bill['components'])} components")


if __name__ == "__main__":
    main(sys.argv[1:])
