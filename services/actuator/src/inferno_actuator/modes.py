"""How a variant's decisions become replicas, chosen by an annotation on its VariantAutoscaling."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

MODE_ANNOTATION: Final = "inferno.llmd.ai/actuation"


class Mode(StrEnum):
    """The ways to act.

    `hpa`: the desired replicas are exported, an HPA follows them. `direct`: the actuator itself patches the
    target's scale, within the same guard rails. `off`: nothing is exported nor scaled, the status advises.
    """

    HPA = "hpa"
    DIRECT = "direct"
    OFF = "off"


def mode_of(annotations: Mapping[str, str]) -> tuple[Mode, str | None]:
    """The mode that the annotations choose, and what is wrong with them; `hpa` when they are no help."""
    text = annotations.get(MODE_ANNOTATION)
    if text is None:
        return Mode.HPA, None
    try:
        return Mode(text.strip().lower()), None
    except ValueError:
        known = ", ".join(Mode)
        return Mode.HPA, f"annotation {MODE_ANNOTATION} is {text!r}, none of {known}: {Mode.HPA} is used"
