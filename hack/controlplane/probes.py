"""Signs of readiness: an HTTP path that answers 200, a port that listens, a line in a log."""

import contextlib
import random
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from controlplane.certificates import Pair

ATTEMPT_SECONDS = 2.0
HOST = "127.0.0.1"
PORTS = range(20_000, 30_000)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody has, all different.

    Below those that outgoing connections get: a program that is stopped finds its port free when it starts
    again. At random, so that two control planes that start together do not choose the same.
    """
    found: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        if len(found) == count:
            break
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                found.append(port)
    return found


def answers(url: str, *, authority: Path | None = None, client: Pair | None = None) -> Callable[[], bool]:
    """Whether `url` answers 200; an https one without `authority` is not verified."""
    context: ssl.SSLContext | None = None
    if url.startswith("https://"):
        context = ssl.create_default_context(cafile=authority)
        if authority is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if client is not None:
            context.load_cert_chain(client.certificate, client.key)
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    opener = urllib.request.build_opener(*handlers)

    def probe() -> bool:
        try:
            with opener.open(url, timeout=ATTEMPT_SECONDS):
                return True
        except OSError:
            return False

    return probe


def listens(port: int) -> Callable[[], bool]:
    """Whether something accepts connections on `port` of loopback."""

    def probe() -> bool:
        with socket.socket() as connection:
            connection.settimeout(ATTEMPT_SECONDS)
            return connection.connect_ex((HOST, port)) == 0

    return probe


def says(log: Path, line: str) -> Callable[[], bool]:
    """Whether `line` stands in the log."""

    def probe() -> bool:
        return log.exists() and line in log.read_text(errors="replace").splitlines()

    return probe
