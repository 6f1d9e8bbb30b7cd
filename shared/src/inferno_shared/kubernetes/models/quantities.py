"""Kubernetes quantities ("8", "500m", "1Gi", "1e3") as numbers.

Only extended resources (names with a domain, such as nvidia.com/gpu) are kept of requests and allocatable:
they are counted in whole devices, and cpu or memory decide nothing here.
"""

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from inferno_shared.errors import MalformedObjectError
from inferno_shared.kubernetes.models.fields import JsonObject, path, section

QUANTITY: Final = re.compile(
    r"(?P<number>[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?)"
    r"(?P<suffix>|n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)"
)
SUFFIXES: Final[Mapping[str, Decimal]] = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}


def quantity(value: object, field: str) -> Decimal:
    """Return the number that a quantity stands for. Raises MalformedObjectError naming `field`."""
    written = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    parts = QUANTITY.fullmatch(written)
    if parts is None:
        raise MalformedObjectError(field, f"must be a quantity such as 8 or 1Gi, is {value!r}")
    return Decimal(parts["number"]) * SUFFIXES[parts["suffix"]]


def devices(raw: JsonObject, key: str, at: str) -> dict[str, int]:
    """Return the extended resources of the map under `key`, in whole units."""
    counts: dict[str, int] = {}
    for name, value in section(raw, key, at).items():
        if "/" not in name:
            continue
        if isinstance(value, str) and value.isdecimal():
            counts[name] = int(value)
            continue
        number = quantity(value, path(path(at, key), name))
        if number < 0:
            raise MalformedObjectError(path(path(at, key), name), f"must not be negative, is {value!r}")
        counts[name] = math.ceil(number)
    return counts
