"""Finds helm and kubeconform: in the folder INFERNO_TOOLS, in bin/ (`make tools`), or on the PATH."""

import os
import shutil

from chart.paths import ROOT


class MissingProgramError(Exception):
    """A program is not there; the message says how to get it."""


def find(name: str) -> str:
    """Path of the program. Raises MissingProgramError."""
    places = os.pathsep.join(
        [os.environ.get("INFERNO_TOOLS", ""), str(ROOT / "bin"), os.environ.get("PATH", "")]
    )
    found = shutil.which(name, path=places.lstrip(os.pathsep))
    if found is None:
        raise MissingProgramError(f"{name} is not there: run `make tools`, or install it")
    return found
