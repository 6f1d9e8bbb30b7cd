"""The client's side of TLS: whom to trust, and the certificate to show, both read again when they rotate."""

import ssl
from pathlib import Path

from inferno_shared.errors import ConfigurationError
from inferno_shared.service.tls.certificates import certificates
from inferno_shared.service.tls.context import ReloadingContext, load_pair, read_pem, version_of

AUTHORITY = "certificate authority"


def client_context(
    *,
    ca_file: Path | str | None = None,
    cert_file: Path | str | None = None,
    key_file: Path | str | None = None,
) -> ReloadingContext:
    """Return a context that trusts `ca_file` (None: the system's) and shows the certificate, if any.

    Raises ConfigurationError when a file cannot be used now; later, the ones before stay in force.
    """

    def load() -> ssl.SSLContext:
        context = _trusting(ca_file)
        if cert_file is not None:
            load_pair(context, cert_file, key_file)
        return context

    return ReloadingContext(
        ssl.PROTOCOL_TLS_CLIENT, load=load, version=lambda: version_of(ca_file, cert_file, key_file)
    )


def _trusting(ca_file: Path | str | None) -> ssl.SSLContext:
    if ca_file is None:
        context = ssl.create_default_context()
    else:
        pem = read_pem(ca_file, AUTHORITY)
        try:
            certificates(pem)
            context = ssl.create_default_context(cadata=pem)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{ca_file} cannot be used as {AUTHORITY}: {error}") from error
    # From Python 3.13 on the default refuses authorities without key identifiers, which clusters have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
