"""Runs the application until SIGTERM or SIGINT, then lets what is under way end and leaves with code 0."""

import asyncio
import contextlib
import math
import signal
import socket
import sys
from collections.abc import Iterator

import uvicorn

from vllm_emulator.app import create_app
from vllm_emulator.settings import Settings


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn would end the process by the signal instead of with code 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """Bind, or exit with a message that tells what to change."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as problem:
        sys.exit(
            f"vllm_emulator: cannot listen on {host}:{port}: {problem}. Choose another --host or --port."
        )


async def serve(settings: Settings, listener: socket.socket) -> None:
    """Serve until a signal comes."""
    loop = asyncio.get_running_loop()
    server = _Server(
        uvicorn.Config(
            create_app(settings, loop),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            http="h11",
            loop="asyncio",
            timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
        )
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, setattr, server, "should_exit", True)
    print(_what_is_served(settings, listener), flush=True)
    await server.serve(sockets=[listener])


def run(settings: Settings) -> None:
    """Say what is not understood, then serve."""
    listener = listen(settings.host, settings.port)
    if settings.ignored:
        names = ", ".join(settings.ignored)
        print(f"warning: ignored, the emulator has no such parameters: {names}", file=sys.stderr)
    asyncio.run(serve(settings, listener))


def _what_is_served(settings: Settings, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    profile = settings.profile
    return (
        f"serving {settings.served_names[0]} at http://{f'[{host}]' if ':' in host else host}:{port}/v1 "
        f"(alpha {profile.alpha_ms:g} ms, beta {profile.beta_ms:g} ms, batch of {profile.max_batch_size})"
    )
