"""Reads certificates as far as decisions need it: when one expires, and which authorities a bundle holds.

The standard library verifies certificates but does not show those it serves; this saves a dependency.
"""

import re
import ssl
from datetime import UTC, datetime
from typing import Final

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_LONG_LENGTH: Final = 0x80
_CENTURY_PIVOT: Final = 50


def certificates(pem: str) -> tuple[bytes, ...]:
    """Return the certificates of `pem` in order, as DER. Raises ValueError when there is none."""
    found = tuple(ssl.PEM_cert_to_DER_cert(block) for block in _PEM.findall(pem))
    if not found:
        raise ValueError("no certificate in it (PEM: -----BEGIN CERTIFICATE-----)")
    return found


def expires_at(certificate: bytes) -> float:
    """Return when a DER certificate expires, in Unix seconds. Raises ValueError.

    RFC 5280: {tbs = {[0] version?, serial, algorithm, issuer, {notBefore, notAfter}, ...}, ...}.
    """
    try:
        tbs = _inside(_inside(certificate))
        if tbs[0] == _VERSION:
            tbs = _after(tbs)
        validity = _inside(_after(_after(_after(tbs))))
        not_after = _after(validity)
        return _time(not_after[0], _content(not_after))
    except IndexError as error:
        raise ValueError("a certificate that is cut off") from error


def _span(der: bytes) -> tuple[int, int]:
    """Return where the content of the first element of `der` begins and ends."""
    length, begin = der[1], 2
    if length >= _LONG_LENGTH:
        begin += length - _LONG_LENGTH
        length = int.from_bytes(der[2:begin])
    if begin + length > len(der):
        raise ValueError("a certificate that is cut off")
    return begin, begin + length


def _content(der: bytes) -> bytes:
    begin, end = _span(der)
    return der[begin:end]


def _inside(der: bytes) -> bytes:
    if der[0] != _SEQUENCE:
        raise ValueError("not a certificate")
    return _content(der)


def _after(der: bytes) -> bytes:
    return der[_span(der)[1] :]


def _time(tag: int, content: bytes) -> float:
    """Return a UTCTime (two digits of a year, from 1950 on) or a GeneralizedTime."""
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("20" if int(text[:2]) < _CENTURY_PIVOT else "19") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
