"""The built images do their work: as any user, on a read-only filesystem, without a capability or a network.

    python -m release.images REPOSITORY TAG

The optimizer's image must make the very plan that the checkout makes.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from inferno_optimizer.plan import make_plan
from inferno_shared.contracts import Snapshot

ROOT: Final = Path(__file__).resolve().parents[2]
TARGETS: Final = ("collector", "optimizer", "controller")
LOCKED_DOWN: Final = (
    "--rm",
    "--interactive",
    "--read-only",
    "--user=12345:0",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--network=none",
)
RUN_SECONDS: Final = 60
VERSION: Final = '{{index .Config.Labels "org.opencontainers.image.version"}}'


def wrong(repository: str, tag: str, docker: str) -> list[str]:
    """What is wrong with the images, a line each."""
    found = []
    for target in TARGETS:
        image = f"{repository}/inferno-{target}:{tag}"
        labelled = _said([docker, "image", "inspect", "--format", VERSION, image]).strip()
        if labelled != tag:
            found.append(f"{image}: its label says version {labelled or 'nothing'}")
        if "Usage" not in _said([docker, "run", *LOCKED_DOWN, image, "--help"]):
            found.append(f"{image}: --help prints no usage")
    document = (ROOT / "docs/examples/seed.json").read_text(encoding="utf-8")
    image = f"{repository}/inferno-optimizer:{tag}"
    plan = _said([docker, "run", *LOCKED_DOWN, image, "solve", "-", "--json"], document)
    if plan.strip() != make_plan(Snapshot.model_validate_json(document)).model_dump_json():
        found.append(
            f"{image}: not the plan that the checkout makes of docs/examples/seed.json: {plan[:200]}"
        )
    return found


def _said(command: Sequence[str], given: str = "") -> str:
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
    )
    return done.stdout if done.returncode == 0 else f"exit status {done.returncode}: {done.stderr}"


def main(arguments: Sequence[str]) -> None:
    """Exit 1 with what is wrong."""
    repository, tag = arguments
    if complaints := wrong(repository, tag, os.environ.get("DOCKER", "docker")):
        sys.exit("\n".join(complaints))
    print(f"{len(TARGETS)} images run as any user, read-only, and plan as the checkout does")


if __name__ == "__main__":
    main(sys.argv[1:])
