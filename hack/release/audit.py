"""Known vulnerabilities of what the images contain, by pip-audit.

    python -m release.audit PIP_AUDIT requirements/collector.txt ...

Exit status: 0 nothing is known, 1 something is known, 3 no database could be asked, so that nothing was
checked. A release needs 0. A database that knows nothing of PyYAML 5.3 either is none: a mirror of the
package index, say, that answers without its vulnerabilities.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CLEAN, FOUND, UNREACHABLE = 0, 1, 3
AUDIT_SECONDS: Final = 300
DATABASES: Final = ("pypi", "osv")
KNOWN_TO_BE_VULNERABLE: Final = "pyyaml==5.3\n"
"""CVE-2020-1747 (arbitrary code on loading YAML), published in 2020."""

_MOST_SAID: Final = 160


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome of asking about one file, in words."""

    status: int
    said: str


def verdict(answer: str, errors: str) -> Verdict:
    """What pip-audit's JSON means; without JSON, or with packages that it skipped, nothing was checked."""
    try:
        packages = json.loads(answer)["dependencies"]
    except ValueError:
        last = (errors.strip().splitlines() or ["no answer"])[-1]
        return Verdict(UNREACHABLE, last[:_MOST_SAID])
    known = [it for it in packages if it.get("vulns")]
    skipped = [it for it in packages if "skip_reason" in it]
    if known:
        return Verdict(FOUND, "\n  ".join(["", *(_line(it) for it in known)]))
    if skipped or not packages:
        example = skipped[0]["skip_reason"] if skipped else "no package was asked about"
        return Verdict(UNREACHABLE, f"{len(skipped)} of {len(packages)} packages skipped: {example}")
    return Verdict(CLEAN, f"nothing known of {len(packages)} packages")


def _line(package: dict[str, Any]) -> str:
    flaws = ", ".join(
        f"{flaw['id']} (fixed in {', '.join(flaw['fix_versions']) or 'no release'})"
        for flaw in package["vulns"]
    )
    return f"{package['name']} {package['version']}: {flaws}"


def ask(program: str, database: str, file: Path, *, locked: bool = True) -> Verdict:
    """One run of pip-audit."""
    command = [program, "--disable-pip", "--require-hashes" if locked else "--no-deps"]
    command += [
        "--progress-spinner=off",
        "--format=json",
        f"--vulnerability-service={database}",
        "-r",
        str(file),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=AUDIT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Verdict(UNREACHABLE, f"no answer within {AUDIT_SECONDS} s")
    return verdict(done.stdout, done.stderr)


def reachable(program: str) -> tuple[str | None, Sequence[str]]:
    """The first database that knows what it must know; and what was wrong with those before it."""
    complaints: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "known.txt"
        file.write_text(KNOWN_TO_BE_VULNERABLE, encoding="utf-8")
        for database in DATABASES:
            found = ask(program, database, file, locked=False)
            if found.status == FOUND:
                return database, complaints
            complaints.append(f"{database}: {found.said}")
    return None, complaints


def worst(statuses: Iterable[int]) -> int:
    """Something known counts most, then what could not be checked."""
    return max(statuses, key=[CLEAN, UNREACHABLE, FOUND].index, default=CLEAN)


def main(arguments: Sequence[str]) -> int:
    """Ask about each file; the worst answer counts."""
    program, *files = arguments
    database, complaints = reachable(program)
    if database is None:
        print("NOT CHECKED: no vulnerability database can be asked from here", *complaints, sep="\n  ")
        return UNREACHABLE
    statuses = []
    for file in files:
        found = ask(program, database, Path(file))
        print(f"{file}: {'NOT CHECKED: ' if found.status == UNREACHABLE else ''}{found.said}", flush=True)
        statuses.append(found.status)
    return worst(statuses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
