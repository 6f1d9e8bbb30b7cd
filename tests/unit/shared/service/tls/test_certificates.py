from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from inferno_shared.service.tls.certificates import certificates, expires_at
from unit.shared.certificates import Authority

KEY = ed25519.Ed25519PrivateKey.generate()
SECONDS = st.datetimes(datetime(1950, 1, 2), datetime(9999, 12, 30)).map(  # noqa: DTZ001 - made aware below
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)


def der(ends: datetime, name: str = "n") -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=1))
        .not_valid_after(ends)
        .sign(KEY, None)
    )
    return certificate.public_bytes(serialization.Encoding.DER)


@given(SECONDS, st.sampled_from(["n", "a" * 64]))
def test_the_end_is_read_whatever_the_year_and_the_length_of_names(ends: datetime, name: str) -> None:
    assert expires_at(der(ends, name)) == ends.timestamp()


WHOLE = der(datetime(2030, 1, 1, tzinfo=UTC))


@given(st.one_of(st.binary(max_size=64), st.integers(0, len(WHOLE) - 1).map(lambda end: WHOLE[:end])))
def test_a_certificate_that_is_cut_off_or_nonsense_is_a_value_error(broken: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - several messages, one kind
        expires_at(broken)


def test_a_bundle_holds_every_certificate_of_its_text_in_order() -> None:
    first, second = Authority("first"), Authority("second")
    bundle = f"# comment\n{first.pem}\nsomething else\n{second.pem}"
    expected = [it.certificate.public_bytes(serialization.Encoding.DER) for it in (first, second)]
    assert list(certificates(bundle)) == expected
    assert expires_at(expected[0]) == first.certificate.not_valid_after_utc.timestamp()


def test_a_text_without_a_certificate_is_refused() -> None:
    with pytest.raises(ValueError, match="no certificate"):
        certificates("nothing here")
