"""Kubernetes quantities in thousandths, the unit in which the HPA computes and reports.

An external metric of 4 over 3 replicas is ceil(4000 / 3) = 1334 thousandths, which prints as `1334m`.
"""

import math

from inferno_shared.kubernetes import quantity

_PRINTED_SUFFIXES = ("m", "", "k", "M", "G", "T", "P", "E")
_STEP = 1000


def parse_milli(value: object, field: str) -> int:
    """A quantity in thousandths, rounded up as Kubernetes rounds: `1` is 1000, `37500m` is 37500.

    Raises MalformedObjectError naming `field`.
    """
    return math.ceil(quantity(value, field) * _STEP)


def format_milli(thousandths: int) -> str:
    """The canonical form that kubectl shows: 1334 is `1334m`, 3000 is `3`, 2000000 is `2k`."""
    if thousandths == 0:
        return "0"
    value, index = thousandths, 0
    while value % _STEP == 0 and index < len(_PRINTED_SUFFIXES) - 1:
        value //= _STEP
        index += 1
    return f"{value}{_PRINTED_SUFFIXES[index]}"
