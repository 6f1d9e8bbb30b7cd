"""Kubernetes quantities (`1334m`, `80Gi`): checked, and written the one way that Kubernetes writes them.

Decimal and binary suffixes are kept apart as Kubernetes does: 1000m is `1`, 1024Mi is `1Gi`, 1500m stays.
"""

import re
from decimal import Decimal

_QUANTITY = re.compile(r"(?P<number>[+-]?(\d+(\.\d*)?|\.\d+))(?P<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_SMALLEST_EXPONENT = -9


def parse(text: object) -> Decimal | None:
    """The number that a quantity stands for, or None when it is no quantity."""
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        return None
    found = _QUANTITY.fullmatch(str(text))
    if found is None:
        return None
    number, suffix = Decimal(found["number"]), found["suffix"] or ""
    if suffix in _BINARY:
        return number * Decimal(1024) ** _BINARY.index(suffix)
    if suffix in _DECIMAL:
        return number * Decimal(1000) ** (_DECIMAL.index(suffix) - _DECIMAL.index(""))
    return number * Decimal(10) ** int(suffix[1:])


def canonical(text: object) -> str:
    """The quantity as Kubernetes prints it; anything that is no quantity is returned as it is."""
    value = parse(text)
    if value is None:
        return str(text)
    found = _QUANTITY.fullmatch(str(text))
    suffix = (found["suffix"] or "") if found else ""
    if suffix and suffix in _BINARY and value == value.to_integral_value():
        return _binary(int(value))
    return _decimal(value)


def _binary(value: int) -> str:
    step = 0
    while value and value % 1024 == 0 and step < len(_BINARY) - 1:
        value //= 1024
        step += 1
    return f"{value}{_BINARY[step]}"


def _decimal(value: Decimal) -> str:
    smallest = int((value / Decimal(10) ** _SMALLEST_EXPONENT).to_integral_value(rounding="ROUND_CEILING"))
    step = 0
    while smallest and smallest % 1000 == 0 and step < len(_DECIMAL) - 1:
        smallest //= 1000
        step += 1
    return f"{smallest}{_DECIMAL[step]}" if smallest else "0"
