"""How far the rails let a plan go: read live from the ConfigMap, everything off except a small hysteresis."""

import math
import re
from dataclasses import dataclass
from typing import Final

_NONE: Final = frozenset({"", "none", "off"})
_NUMBER: Final = re.compile(r"\d{1,6}")
_PERCENT: Final = re.compile(r"(\d{1,4}(?:\.\d{1,3})?)\s*%")


@dataclass(frozen=True, slots=True)
class Step:
    """At most so many replicas, or so many percent of what was desired before (at least one replica)."""

    replicas: int | None = None
    percent: float | None = None

    def of(self, base: int) -> int:
        """Replicas that one step may be. Example: 50 % of 3 is 2, rounded up."""
        if self.replicas is not None:
            return self.replicas
        return max(1, math.ceil(base * (self.percent or 0.0) / 100.0))

    def __str__(self) -> str:
        return f"{self.percent:g}%" if self.replicas is None else str(self.replicas)


@dataclass(frozen=True, slots=True, kw_only=True)
class RailLimits:
    """The settings of the rails.

    Args:
        step_up: bound of an increase per interval; None: unbounded.
        step_down: bound of a decrease per interval; None: unbounded.
        stabilization_seconds: a decrease goes to the highest plan of this time; 0: off.
        scale_down_margin: a decrease must leave room for so much more load (0.05 is 5 %); 0: off.
    """

    step_up: Step | None = None
    step_down: Step | None = None
    stabilization_seconds: float = 0.0
    scale_down_margin: float = 0.05


def parse_step(text: str) -> Step | None:
    """A step as people write it: `4`, `50%` or `none`.

    Raises:
        ValueError: neither; the message says what one looks like.
    """
    stripped = text.strip().lower()
    if stripped in _NONE:
        return None
    if _NUMBER.fullmatch(stripped) and int(stripped) > 0:
        return Step(replicas=int(stripped))
    percent = _PERCENT.fullmatch(stripped)
    if percent and float(percent[1]) > 0:
        return Step(percent=float(percent[1]))
    raise ValueError(f"{text!r} is not a step: write it like 4, 50% or none")


def parse_share(text: str) -> float:
    """A share of at most 100 % as people write it: `5%` is 0.05, `none` is 0.

    Raises:
        ValueError: not a share; the message says what one looks like.
    """
    stripped = text.strip().lower()
    if stripped in _NONE or stripped == "0":
        return 0.0
    percent = _PERCENT.fullmatch(stripped)
    if percent and float(percent[1]) <= 100.0:  # noqa: PLR2004 - a hundred percent
        return float(percent[1]) / 100.0
    raise ValueError(f"{text!r} is not a share: write it like 5% or none")
