"""Certificates for tests, made anew for each: a self-signed one, or authorities that sign others."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOOPBACK = x509.IPAddress(ip_address("127.0.0.1"))
MINUTE = timedelta(minutes=1)


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for 127.0.0.1 and its key; return both. It is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("test")
    certificate = (
        _builder(name, name, key.public_key(), datetime.now(UTC) + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([LOOPBACK]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _write(folder, "tls", [certificate], key)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in files."""

    certificate: Path
    key: Path
    expires_at: datetime


class Authority:
    """Signs certificates; `pem` is what trusts them."""

    def __init__(self, name: str = "authority", issuer: "Authority | None" = None) -> None:
        self.name = _name(name)
        self.key = ec.generate_private_key(ec.SECP256R1())
        signer = issuer or self
        self.certificate = (
            _builder(self.name, signer.name, self.key.public_key(), datetime.now(UTC) + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(signer.key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def write(self, file: Path) -> Path:
        file.write_text(self.pem)
        return file

    def server(self, folder: Path, stem: str = "server", *, hours: float = 1) -> Pair:
        """A certificate of 127.0.0.1."""
        return self._issue(folder, stem, "server", [LOOPBACK], ExtendedKeyUsageOID.SERVER_AUTH, hours)

    def client(
        self,
        folder: Path,
        common_name: str,
        *,
        dns: Sequence[str] = (),
        uris: Sequence[str] = (),
        hours: float = 1,
    ) -> Pair:
        """A certificate of a client."""
        names = [*map(x509.DNSName, dns), *map(x509.UniformResourceIdentifier, uris)]
        return self._issue(folder, common_name, common_name, names, ExtendedKeyUsageOID.CLIENT_AUTH, hours)

    def _issue(
        self,
        folder: Path,
        stem: str,
        common_name: str,
        names: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        hours: float,
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        ends = (datetime.now(UTC) + timedelta(hours=hours)).replace(microsecond=0)
        builder = _builder(_name(common_name), self.name, key.public_key(), ends).add_extension(
            x509.ExtendedKeyUsage([usage]), critical=False
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        return Pair(*_write(folder, stem, [certificate, self.certificate], key), ends)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, ends: datetime
) -> x509.CertificateBuilder:
    begins = min(datetime.now(UTC), ends) - MINUTE
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _write(
    folder: Path, stem: str, chain: Sequence[x509.Certificate], key: ec.EllipticCurvePrivateKey
) -> tuple[Path, Path]:
    files = folder / f"{stem}.crt", folder / f"{stem}.key"
    pem = serialization.Encoding.PEM
    files[0].write_bytes(b"".join(certificate.public_bytes(pem) for certificate in chain))
    files[1].write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
