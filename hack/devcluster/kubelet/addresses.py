"""The address of each pod: a loopback address of its own, so that every pod can have the same port.

Linux answers on all of 127.0.0.0/8. Where only 127.0.0.1 exists (macOS) all pods share it and each gets a
free port instead; the pod's annotation `prometheus.io/port` then tells scrapers and the proxy which.
"""

import os
import socket
from dataclasses import dataclass

PORT_ANNOTATION = "prometheus.io/port"
SHARED_ADDRESS = "127.0.0.1"
_HOSTS = 254
_NETWORKS = 256


@dataclass(frozen=True, slots=True)
class PodAddress:
    """Where a pod's server listens; `moved` if that is not the port that the container asked for."""

    ip: str
    port: int
    moved: bool = False


class LoopbackAddresses:
    """Hands out 127.1.x.y, skipping those on which somebody else, such as another cluster, has the port."""

    def __init__(self, network: str = "127.1", *, start: int | None = None) -> None:
        self._network = network
        self._next = (os.getpid() * 13 if start is None else start) % (_HOSTS * _NETWORKS)
        self._taken: set[str] = set()

    def take(self, port: int) -> PodAddress:
        """Reserve an address for a server on `port`. Raises OSError when there is none."""
        for _ in range(_HOSTS * _NETWORKS):
            third, fourth = divmod(self._next, _HOSTS)
            self._next = (self._next + 1) % (_HOSTS * _NETWORKS)
            ip = f"{self._network}.{third}.{fourth + 1}"
            if ip in self._taken:
                continue
            try:
                _try_to_bind(ip, 0)
            except OSError:
                return PodAddress(SHARED_ADDRESS, _try_to_bind(SHARED_ADDRESS, 0), moved=True)
            try:
                _try_to_bind(ip, port)
            except OSError:
                continue
            self._taken.add(ip)
            return PodAddress(ip, port)
        raise OSError(f"no free address in {self._network}.0.0/16 for port {port}")

    def release(self, address: PodAddress) -> None:
        """The pod is gone."""
        self._taken.discard(address.ip)


def _try_to_bind(ip: str, port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((ip, port))
        return int(probe.getsockname()[1])
