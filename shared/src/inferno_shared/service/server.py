"""Runs an app: JSON logs, TLS when files are given, a graceful and bounded end on SIGTERM and SIGINT.

TLS follows its files: a rotated certificate is served from the next connection on. What the network could do
to a service that is open to it is said at the start.
"""

import gc
import os
import signal
import sys
import threading
from types import FrameType

import uvicorn
from fastapi import FastAPI

from inferno_shared.errors import ConfigurationError
from inferno_shared.service.logs import configure_logging, get_logger
from inferno_shared.service.settings import EXIT_USAGE, ServiceSettings
from inferno_shared.service.tls import GuardedProtocol, ReloadingContext, TlsGauges, server_context

TLS_CHECK_SECONDS = 10  # so that a broken or expiring certificate shows though nobody connects
KEEP_ALIVE_SECONDS = 75  # longer than clients keep a connection: they close it, never we under their request
# A large cluster makes hundreds of thousands of small objects, hardly any in circles: with the default of 700
# the search for circles costs as much as the work itself.
OBJECTS_BETWEEN_SEARCHES = 50_000

log = get_logger(__name__)


def serve(app: FastAPI, settings: ServiceSettings) -> None:
    """Serve `app` until SIGTERM or SIGINT, then finish requests and the lifespan, and return (exit code 0).

    Requests get half of `shutdown_seconds`, the lifespan the other half; whatever still runs then, such as a
    computation in a thread, is left behind.
    """
    gc.set_threshold(OBJECTS_BETWEEN_SEARCHES)
    configure_logging(settings.log_level)
    for warning in (*settings.misspelt(os.environ), *settings.exposure()):
        log.warning(warning)
    config = _config_or_exit(app, settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        # The server raises the signal again once it has shut down: this is what it then meets.
        signal.signal(number, _already_handled)
    server = _BoundedServer(config, settings.shutdown_seconds)
    server.run()
    log.info("stopped")


def server_config(app: FastAPI, settings: ServiceSettings) -> uvicorn.Config:
    """Return how the server runs `app`. Raises ConfigurationError when the TLS files cannot be used."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=GuardedProtocol,
        ws="none",
        proxy_headers=False,  # who asks is decided by what the connection proves, not by what a header says
        log_config=None,
        log_level=settings.log_level,
        lifespan="on",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds / 2)),
    )
    context = _tls(app, settings)
    if context is not None:

        async def check() -> None:
            context.refresh(retry=True)

        config.ssl_context_factory = lambda _config, _default: context
        config.callback_notify = check
        config.timeout_notify = TLS_CHECK_SECONDS
    return config


def _config_or_exit(app: FastAPI, settings: ServiceSettings) -> uvicorn.Config:
    try:
        return server_config(app, settings)
    except ConfigurationError as error:
        log.critical("cannot serve", reason=str(error))
        raise SystemExit(EXIT_USAGE) from None


def _tls(app: FastAPI, settings: ServiceSettings) -> ReloadingContext | None:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    return server_context(
        cert_file=settings.tls_cert_file,
        key_file=settings.tls_key_file,
        client_ca_file=settings.tls_client_ca_file,
        authorities=app.state.client_authorities,
        gauges=TlsGauges(app.state.registry),
    )


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
