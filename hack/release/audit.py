"""Known vulnerabilities of what the images contain, by pip-audit.

    python -m release.audit PIP_AUDIT requirements/collector.txt ...

Exit status: 0 nothing is known, 1 something is known, 3 the database could not be reached, so that nothing
was checked. A release needs 0.
"""

import subprocess
import sys
from collections.abc import Sequence

CLEAN, FOUND, UNREACHABLE = 0, 1, 3
_UNREACHABLE_WORDS = (
    "ServiceError",
    "ConnectionError",
    "ConnectTimeout",
    "Failed to establish a new connection",
    "Max retries exceeded",
    "Name or service not known",
    "Tunnel connection failed",
    "SSLError",
    "404 Client Error",
    "403 Client Error",
    "503 Server Error",
)
AUDIT_SECONDS = 300


def verdict(returncode: int, said: str) -> int:
    """What a run of pip-audit means: it also exits with 1 when it could not ask."""
    if returncode == 0:
        return CLEAN
    if "known vulnerabilit" in said:
        return FOUND
    return UNREACHABLE if any(word in said for word in _UNREACHABLE_WORDS) else FOUND


def main(arguments: Sequence[str]) -> int:
    """Ask about each file; the worst answer counts."""
    program, *files = arguments
    worst = CLEAN
    for file in files:
        command = [program, "--disable-pip", "--require-hashes", "--progress-spinner=off", "-r", file]
        done = subprocess.run(command, capture_output=True, text=True, timeout=AUDIT_SECONDS, check=False)
        said = done.stdout + done.stderr
        found = verdict(done.returncode, said)
        words = {
            CLEAN: "nothing known",
            FOUND: said.strip(),
            UNREACHABLE: "NOT CHECKED: the vulnerability database cannot be reached from here "
            f"({said.strip().splitlines()[-1][:160]})",
        }
        print(f"{file}: {words[found]}", flush=True)
        worst = FOUND if FOUND in {worst, found} else max(worst, found)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
