"""TLS that follows its files on both sides, and who is at the other end."""

from inferno_shared.service.tls.client import client_context
from inferno_shared.service.tls.context import ReloadingContext
from inferno_shared.service.tls.peer import GuardedProtocol, Peer, peer_of
from inferno_shared.service.tls.server import CLIENTS, FRONT_PROXY, Authorities, TlsGauges, server_context

__all__ = [
    "CLIENTS",
    "FRONT_PROXY",
    "Authorities",
    "GuardedProtocol",
    "Peer",
    "ReloadingContext",
    "TlsGauges",
    "client_context",
    "peer_of",
    "server_context",
]
