"""Finds the programs of the control plane.

In the folders of INFERNO_TOOLS if it is set; else in KUBEBUILDER_ASSETS as far as that has them (it has etcd,
kube-apiserver and kubectl where setup-envtest made it), and the rest in bin/ (`make tools`).
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

VARIABLE = "INFERNO_TOOLS"
ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / "bin"
CORE = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
MONITORING = ("prometheus", "thanos")


class MissingProgramError(Exception):
    """A program is not there; the message says how to get it."""


def given_folders(environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Folders of programs that people have, the first one first."""
    chosen = environment.get(VARIABLE) or environment.get(ASSETS_VARIABLE) or ""
    return tuple(Path(folder).expanduser().resolve() for folder in chosen.split(os.pathsep) if folder)


def tools_folders(environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """The folders that the programs are taken from, the first one first."""
    return given_folders(environment) if environment.get(VARIABLE) else (*given_folders(environment), BIN)


def find_programs(names: Sequence[str], folders: Sequence[Path] | None = None) -> Mapping[str, Path]:
    """Paths by name, in `tools_folders()` unless told. Raises MissingProgramError naming what is missing."""
    places = tools_folders() if folders is None else folders
    found = {name: program for name in names if (program := find_program(name, places)) is not None}
    missing = [name for name in names if name not in found]
    if missing:
        raise MissingProgramError(
            f"{', '.join(missing)} not found in {' or '.join(map(str, places))}: run `make tools`, or set "
            f"{VARIABLE} to the folder that has all of them ({os.pathsep} between several)"
        )
    return found


def find_program(name: str, folders: Sequence[Path]) -> Path | None:
    """The first program of this name."""
    return next((folder / name for folder in folders if os.access(folder / name, os.X_OK)), None)
