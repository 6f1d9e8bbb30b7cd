"""Runs an app: JSON logs, TLS when files are given, a graceful and bounded end on SIGTERM and SIGINT."""

import os
import signal
import sys
import threading
from types import FrameType

import uvicorn
from fastapi import FastAPI

from inferno_shared.service.logs import configure_logging, get_logger
from inferno_shared.service.settings import ServiceSettings

KEEP_ALIVE_SECONDS = 75  # longer than clients keep a connection: they close it, never we under their request

log = get_logger(__name__)


def serve(app: FastAPI, settings: ServiceSettings) -> None:
    """Serve `app` until SIGTERM or SIGINT, then finish requests and the lifespan, and return (exit code 0).

    Requests get half of `shutdown_seconds`, the lifespan the other half; whatever still runs then, such as a
    computation in a thread, is left behind.
    """
    configure_logging(settings.log_level)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        ssl_certfile=settings.tls_cert_file,
        ssl_keyfile=settings.tls_key_file,
        log_config=None,
        log_level=settings.log_level,
        lifespan="on",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds / 2)),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        # The server raises the signal again once it has shut down: this is what it then meets.
        signal.signal(number, _already_handled)
    server = _BoundedServer(config, settings.shutdown_seconds)
    server.run()
    log.info("stopped")


class _BoundedServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, shutdown_seconds: float) -> None:
        super().__init__(config)
        self._shutdown_seconds = shutdown_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            watchdog = threading.Timer(self._shutdown_seconds, self._leave)
            watchdog.daemon = True
            watchdog.start()
        super().handle_exit(sig, frame)

    def _leave(self) -> None:
        log.warning("work still under way after the shutdown time, leaving", seconds=self._shutdown_seconds)
        sys.stderr.flush()
        os._exit(0)


def _already_handled(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the server has shut down for this signal."""
