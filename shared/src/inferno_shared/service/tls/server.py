"""The server's side of TLS: its certificate, and whose client certificates it accepts.

A client may show a certificate and need not (probes have none); one that no authority signed fails the
handshake. Which authority it was is remembered, because a certificate of the API server's front proxy must
not pass for one of a service, nor the other way round.
"""

import hashlib
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from inferno_shared.errors import ConfigurationError
from inferno_shared.service.tls.certificates import certificates, expires_at
from inferno_shared.service.tls.context import ReloadingContext, Version, load_pair, read_pem, version_of

CLIENTS: Final = "clients"
FRONT_PROXY: Final = "front-proxy"


class Authorities:
    """Bundles of client authorities that come from elsewhere than a file, by label; each may change."""

    def __init__(self) -> None:
        self._bundles: dict[str, str] = {}

    def put(self, label: str, pem: str | None) -> None:
        """Accept certificates of the authorities in `pem` from the next handshake on; None: no more."""
        self._bundles = {name: bundle for name, bundle in self._bundles.items() if name != label}
        if pem is not None:
            self._bundles[label] = pem

    def bundles(self) -> Mapping[str, str]:
        """Return every bundle."""
        return self._bundles


class ServerContext(ssl.SSLContext):
    """One loaded state: the certificate, and the fingerprints of the authorities of each label."""

    expires_at: float
    fingerprints: Mapping[str, frozenset[bytes]]


class TlsGauges:
    """What the service's own TLS looks like, in `/metrics`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._expiration = Gauge(
            "inferno_tls_certificate_expiration_timestamp_seconds",
            "When the certificate in force expires (Unix time)",
            registry=registry,
        )
        self._refused = Gauge(
            "inferno_tls_files_refused",
            "1 while the TLS files on disk cannot be used and the ones before stay in force",
            registry=registry,
        )
        self._loads = Counter(
            "inferno_tls_loads_total", "Attempts to load the TLS files", ["result"], registry=registry
        )

    def loaded(self, context: ssl.SSLContext) -> None:
        """Show a context that came in force."""
        if isinstance(context, ServerContext):
            self._expiration.set(context.expires_at)
        self._refused.set(0)
        self._loads.labels(result="loaded").inc()

    def refused(self, _reason: str) -> None:
        """Show files that could not be used."""
        self._refused.set(1)
        self._loads.labels(result="refused").inc()


def server_context(
    *,
    cert_file: Path | str,
    key_file: Path | str,
    client_ca_file: Path | str | None = None,
    authorities: Authorities | None = None,
    gauges: TlsGauges | None = None,
) -> ReloadingContext:
    """Return the context to serve with. Raises ConfigurationError when a file cannot be used now."""
    others = authorities or Authorities()

    def load() -> ssl.SSLContext:
        bundles = dict(others.bundles())
        if client_ca_file is not None:
            bundles[CLIENTS] = read_pem(client_ca_file, "certificate authority of clients")
        return _loaded(cert_file, key_file, bundles)

    def version() -> Version:
        return (*version_of(cert_file, key_file, client_ca_file), *sorted(others.bundles().items()))

    return ReloadingContext(ssl.PROTOCOL_TLS_SERVER, load=load, version=version, observer=gauges)


def fingerprint(certificate: bytes) -> bytes:
    """Return the SHA-256 of a DER certificate."""
    return hashlib.sha256(certificate).digest()


def _loaded(cert_file: Path | str, key_file: Path | str, bundles: Mapping[str, str]) -> ServerContext:
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    # With client certificates, each connection proves itself: no session is resumed, which would carry an
    # identity past a change of authorities. In TLS 1.2 that cannot be switched off.
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if bundles else ssl.TLSVersion.TLSv1_2
    context.num_tickets = 0
    load_pair(context, cert_file, key_file)
    try:
        context.expires_at = expires_at(certificates(read_pem(cert_file, "certificate"))[0])
    except ValueError as error:
        raise ConfigurationError(f"{cert_file} cannot be used as certificate: {error}") from error
    context.fingerprints = {label: _accept(context, label, pem) for label, pem in bundles.items()}
    if bundles:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= (
            ssl.VERIFY_X509_PARTIAL_CHAIN
        )  # an intermediate may be the authority, as in Go
    return context


def _accept(context: ssl.SSLContext, label: str, pem: str) -> frozenset[bytes]:
    try:
        found = certificates(pem)
        context.load_verify_locations(cadata=b"".join(found))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the certificate authorities of {label} cannot be used: {error}") from error
    return frozenset(fingerprint(certificate) for certificate in found)
