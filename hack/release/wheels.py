"""Builds the four wheels, installs them by hash into an empty environment, and runs the tests against them.

    python -m release.wheels                    # all tests of `make test`
    python -m release.wheels tests/unit/shared  # or what you name

Nothing of the checkout's own packages is importable there: what a wheel forgot, the tests miss.
"""

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"
DISTRIBUTIONS = ("shared", "services/collector", "services/optimizer", "services/actuator")
PACKAGES = ("inferno_shared", "inferno_collector", "inferno_optimizer", "inferno_actuator")
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check")


def build(folder: Path) -> list[Path]:
    """The wheels, built without the network: the build backend is in this environment."""
    shutil.rmtree(folder, ignore_errors=True)
    sources = [str(ROOT / source) for source in DISTRIBUTIONS]
    _run([sys.executable, *PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), *sources])
    return sorted(folder.glob("*.whl"))


def hashed(wheels: Sequence[Path]) -> str:
    """A requirements file that pins the wheels by path and SHA-256."""
    lines = []
    for wheel in wheels:
        name, digest = wheel.name.split("-")[0], hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name} @ {wheel.as_uri()} --hash=sha256:{digest}\n")
    return "".join(lines)


def install(wheels: Sequence[Path], environment: Path) -> Path:
    """An empty environment with the locked requirements and the wheels; returns its Python."""
    venv.create(environment, clear=True, with_pip=True)
    python = environment / "bin/python"
    requirements = DIST / "wheels.txt"
    requirements.write_text(hashed(wheels), encoding="utf-8")
    locked = str(ROOT / "requirements/dev.txt")
    _run([str(python), *PIP, "install", "--require-hashes", "-r", locked])
    _run([str(python), *PIP, "install", "--require-hashes", "--no-deps", "-r", str(requirements)])
    return python


def main() -> None:
    """Build, install, test."""
    wheels = build(DIST / "wheels")
    for wheel in wheels:
        print(f"  {wheel.name}  {wheel.stat().st_size / 1024:.0f} KiB")
    environment = DIST / "check"
    python = install(wheels, environment)
    where = f"import {', '.join(PACKAGES)}; print(*({'.__file__, '.join(PACKAGES)}.__file__,), sep='\\n')"
    found = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True, cwd=DIST).stdout
    strays = [path for path in found.split() if not path.startswith(str(environment))]
    if strays:
        sys.exit(f"imported from outside of the wheels: {', '.join(strays)}")
    print("  tests against the wheels:", flush=True)
    tests = [str(python), "-m", "pytest", "-q", "-n", "3", "--dist", "loadfile", *sys.argv[1:]]
    sys.exit(subprocess.run(tests, cwd=ROOT, check=False).returncode)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, check=False, cwd=ROOT)
    if done.returncode:
        sys.exit(f"failed with {done.returncode}: {' '.join(command)}")


if __name__ == "__main__":
    main()
