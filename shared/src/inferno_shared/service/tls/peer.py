"""Who is at the other end of a TLS connection: the verified certificate of the client, per connection.

The server's protocol puts it into each request's state, where gates look for it; ASGI has no place of its own
for it. The protocol also bounds what a client can hold open before it has sent a whole request.
"""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any, Final

import h11
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from inferno_shared.service.logs import get_logger
from inferno_shared.service.tls.context import ReloadingContext
from inferno_shared.service.tls.server import ServerContext, fingerprint

STATE_KEY: Final = "tls_peer"
HEAD_SECONDS: Final = 30.0
MAX_CONNECTIONS: Final = 1_000

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Peer:
    """A verified client certificate.

    `names` are its common name, DNS and URI names; `authorities` the labels of the bundles that hold the
    nearest authority which it leads to.
    """

    common_name: str
    names: frozenset[str]
    authorities: frozenset[str]


def peer_of(scope: Scope) -> Peer | None:
    """Return the client's certificate of the request's connection; None without (or without TLS)."""
    peer = scope.get("state", {}).get(STATE_KEY)
    return peer if isinstance(peer, Peer) else None


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a client proved in its handshake: its names, and the fingerprints of its verified chain."""

    common_name: str
    names: frozenset[str]
    chain: frozenset[bytes]

    def judged_by(self, context: ServerContext) -> Peer:
        """Return the peer, with the authorities as they are in `context`."""
        labels = (label for label, accepted in context.fingerprints.items() if accepted & self.chain)
        return Peer(self.common_name, self.names, frozenset(labels))


class GuardedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, knowing the client's certificate, with bounds on idle and slow connections.

    An authority that is no longer trusted counts no more on connections that are open, either.
    """

    _head_timer: asyncio.TimerHandle | None = None
    _shown: _Shown | None = None
    _judged_by: ssl.SSLContext | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Read the client's certificate, unless there are too many connections already."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            log.warning("connection refused: too many are open", limit=MAX_CONNECTIONS)
            transport.abort()
            return
        connection = transport.get_extra_info("ssl_object")
        self._shown = _shown_by(connection) if connection is not None else None
        self._bound_the_head()

    def data_received(self, data: bytes) -> None:
        """Have the client judged by the authorities of now; start or stop the clock of a request's head."""
        self._judge()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._unbound()
        elif self.conn.trailing_data[0]:
            self._bound_the_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._unbound()
        super().connection_lost(exc)

    def _judge(self) -> None:
        context = self.config.ssl.current if isinstance(self.config.ssl, ReloadingContext) else None
        if self._shown is None or context is self._judged_by or not isinstance(context, ServerContext):
            return
        self._judged_by = context
        self.app_state = {**self.app_state, STATE_KEY: self._shown.judged_by(context)}

    def _bound_the_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _unbound(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        log.info("connection closed: no whole request head in time", seconds=HEAD_SECONDS)
        self.transport.abort()


def _shown_by(connection: ssl.SSLObject) -> _Shown | None:
    """Return what the client showed in the handshake; None when it showed no certificate."""
    certificate = connection.getpeercert()
    if not certificate:
        return None
    common_names = [
        str(value)
        for relative in _pairs(certificate.get("subject"))
        for key, value in relative
        if key == "commonName"
    ]
    alternatives = [
        str(value) for kind, value in _pairs(certificate.get("subjectAltName")) if kind in ("DNS", "URI")
    ]
    return _Shown(
        common_name=common_names[0] if len(common_names) == 1 else "",
        names=frozenset(common_names + alternatives),
        chain=frozenset(fingerprint(link) for link in _verified_chain(connection)),
    )


def _pairs(value: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - the standard library's nested tuples
    return list(value) if isinstance(value, tuple) else []


def _verified_chain(connection: ssl.SSLObject) -> list[bytes]:
    """Return the chain that the handshake verified, as DER: public from Python 3.13 on, there before."""
    public = getattr(connection, "get_verified_chain", None)
    if public is not None:
        return list(public())
    inner: Any = connection._sslobj  # type: ignore[attr-defined] # noqa: SLF001 - see above
    return [ssl.PEM_cert_to_DER_cert(link.public_bytes()) for link in inner.get_verified_chain() or ()]
