"""`python -m chart`: copies into the chart, renders what is made from it, and checks both.

`--check` changes nothing and fails when a file is not current.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from chart.documents import DEFINITION, masked, without
from chart.helm import CASES, HelmError, helm, template
from chart.kustomize import config_files
from chart.paths import CHART, COPIES, GOLDEN, ROOT, STAMP, fingerprint
from tools.programs import MissingProgramError


def made_files() -> Iterator[tuple[Path, str]]:
    """Every file that is made from the chart, and its text."""
    for case in CASES:
        yield GOLDEN / f"{case.name}.yaml", masked(without(DEFINITION, template(case)))
    yield from config_files()
    yield STAMP, f"{fingerprint()}\n"


def main() -> int:
    """Write or check all files; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m chart", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail when a file is not current"
    )
    check = parser.parse_args().check
    try:
        stale = [path for path, text in _wanted(write=not check) if not _is(path, text)]
    except (HelmError, MissingProgramError) as error:
        print(error, file=sys.stderr)
        return 1
    for path in stale:
        print(f"{'not current' if check else 'not written'}: {path.relative_to(ROOT)}")
    if stale:
        print("run `make chart`")
    return 1 if stale else 0


def _wanted(*, write: bool) -> Iterator[tuple[Path, str]]:
    for source, copy in COPIES.items():
        yield _placed(copy, source.read_text(), write=write)
    print(helm("lint", "--strict", CHART).strip().splitlines()[-1])
    for path, text in made_files():
        yield _placed(path, text, write=write)


def _placed(path: Path, text: str, *, write: bool) -> tuple[Path, str]:
    if write and not _is(path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"  {path.relative_to(ROOT)}")
    return path, text


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
