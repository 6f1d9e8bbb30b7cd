"""A TLS context that follows its files: each new handshake uses what they hold now, without a restart.

Files that cannot be used (half written, key of another certificate, gone) change nothing: what was in force
stays, a log line and the observer say why, and the next change is tried again.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from inferno_shared.errors import ConfigurationError
from inferno_shared.service.logs import get_logger

log = get_logger(__name__)

Version = tuple[object, ...]


class Observer(Protocol):
    """Told about every attempt to load the files."""

    def loaded(self, context: ssl.SSLContext) -> None:
        """Say that `context` is in force now."""

    def refused(self, reason: str) -> None:
        """Say that the files cannot be used and the context before stays in force."""


class ReloadingContext(ssl.SSLContext):
    """Hands every handshake to the context that `load` last made; loads again when `version` changes.

    Works on either side, for asyncio (through it uvicorn and httpx) and for blocking sockets. Nothing is
    loaded into this object itself, so that whoever bypasses both ways fails closed.
    """

    def __init__(
        self,
        protocol: int,
        *,
        load: Callable[[], ssl.SSLContext],
        version: Callable[[], Version],
        observer: Observer | None = None,
    ) -> None:
        del protocol  # taken by __new__
        self._load = load
        self._version = version
        self._observer = observer
        self._lock = threading.Lock()
        self._alpn: list[str] = []
        self._tried = version()
        self._current = load()
        self._problem: str | None = None
        if observer is not None:
            observer.loaded(self._current)

    @property
    def problem(self) -> str | None:
        """Why the files as they are now are not in force; None when they are."""
        return self._problem

    @property
    def current(self) -> ssl.SSLContext:
        """The context in force, as last loaded."""
        return self._current

    def refresh(self, *, retry: bool = False) -> ssl.SSLContext:
        """Return the context in force, after loading files that changed (or failed before, with `retry`)."""
        with self._lock:
            version = self._version()
            if version != self._tried or (retry and self._problem is not None):
                self._tried = version
                self._reload()
            return self._current

    def wrap_bio(  # noqa: D102 - inherited
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - inherited
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        context = self.refresh()
        return context.wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def wrap_socket(  # noqa: D102 - inherited
        self,
        sock: socket.socket,
        server_side: bool = False,  # noqa: FBT001, FBT002 - inherited
        do_handshake_on_connect: bool = True,  # noqa: FBT001, FBT002 - inherited
        suppress_ragged_eofs: bool = True,  # noqa: FBT001, FBT002 - inherited
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        context = self.refresh()
        return context.wrap_socket(
            sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname, session
        )

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:  # noqa: D102 - inherited
        with self._lock:
            self._alpn = list(alpn_protocols)
            self._current.set_alpn_protocols(self._alpn)

    def _reload(self) -> None:
        try:
            fresh = self._load()
        except ConfigurationError as error:
            if str(error) != self._problem:
                log.warning("TLS files not usable, the ones before stay in force", reason=str(error))
            self._problem = str(error)
            if self._observer is not None:
                self._observer.refused(str(error))
            return
        if self._alpn:
            fresh.set_alpn_protocols(self._alpn)
        self._current, self._problem = fresh, None
        log.info("TLS files loaded again")
        if self._observer is not None:
            self._observer.loaded(fresh)


def version_of(*files: Path | str | None) -> Version:
    """Return a value that changes when a file is replaced, rewritten, appears, goes, or changes its mode."""
    return tuple(_state(Path(file)) for file in files if file is not None)


def load_pair(context: ssl.SSLContext, certificate: Path | str, key: Path | str | None) -> None:
    """Load a certificate chain and its key. Raises ConfigurationError naming both."""

    def never_ask() -> str:
        raise ConfigurationError(f"{key} is encrypted: give a key without a passphrase")

    try:
        context.load_cert_chain(certificate, key, password=never_ask)
    except (OSError, ValueError) as error:
        files = " and ".join(str(file) for file in (certificate, key) if file is not None)
        raise ConfigurationError(f"{files} cannot be used as certificate and key: {error}") from error


def read_pem(file: Path | str, purpose: str) -> str:
    """Return the text of `file`. Raises ConfigurationError saying what it is for."""
    try:
        return Path(file).read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be used as {purpose}: {error}") from error


def _state(file: Path) -> tuple[Any, ...] | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_size)
