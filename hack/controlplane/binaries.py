"""Finds the programs of the control plane: in the folder INFERNO_TOOLS, else in bin/ (`make tools`)."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

VARIABLE = "INFERNO_TOOLS"
ROOT = Path(__file__).resolve().parents[2]
CORE = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
MONITORING = ("prometheus", "thanos")


class MissingProgramError(Exception):
    """A program is not there; the message says how to get it."""


def tools_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder that the programs are taken from."""
    chosen = environment.get(VARIABLE)
    return Path(chosen).expanduser().resolve() if chosen else ROOT / "bin"


def find_programs(names: Sequence[str], folder: Path) -> Mapping[str, Path]:
    """Paths by name. Raises MissingProgramError naming everything that is missing."""
    missing = [name for name in names if not os.access(folder / name, os.X_OK)]
    if missing:
        raise MissingProgramError(
            f"{', '.join(missing)} not found in {folder}: run `make tools`, "
            f"or set {VARIABLE} to a folder that has them"
        )
    return {name: folder / name for name in names}
