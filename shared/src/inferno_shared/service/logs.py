"""One JSON object per line on stderr: `ts`, `level`, `msg`, then flat fields. Libraries log the same way.

Credentials are masked in every line, whoever wrote it.
"""

import logging
import sys
from http import HTTPStatus
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from inferno_shared import errors
from inferno_shared.redaction import redacted_field

ACCESS_LOGGER: Final = "uvicorn.access"
SERVER_LOGGERS: Final = ("uvicorn", "uvicorn.error", ACCESS_LOGGER, "uvicorn.asgi")
POLLED_PATHS: Final = ("/healthz", "/readyz", "/metrics", "/apis")
ACCESS_ARGUMENTS: Final = ("client", "method", "path", "http_version", "status")


def configure_logging(level: str = "info", stream: TextIO | None = None) -> None:
    """Send every log line of this process to `stream` (stderr) as JSON. The last call wins."""
    before_rendering: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *before_rendering,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_flatten_access, _our_own_error_in_a_line, *before_rendering],
            pass_foreign_args=True,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.EventRenamer("msg"),
                _in_reading_order,
                _without_secrets,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    handler.addFilter(_not_a_successful_poll)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in SERVER_LOGGERS:  # whatever configured them before, they write through the root's handler
        server = logging.getLogger(name)
        server.handlers.clear()
        server.setLevel(logging.NOTSET)
        server.propagate = True
        server.disabled = False
    for noisy in ("httpx", "httpcore"):  # one line per request and connection says nothing that we do not say
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger `name`. Fields are keywords: `log.info("snapshot taken", variants=3)`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _flatten_access(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Turn uvicorn's access line into fields."""
    arguments = event.pop("positional_args", ())
    record: logging.LogRecord | None = event.get("_record")
    if record is not None and record.name == ACCESS_LOGGER:
        event.update(zip(ACCESS_ARGUMENTS, arguments, strict=False))
        event["event"] = "request"
    return event


def _our_own_error_in_a_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Say what an operator can mend without the traceback that the server logs when a start fails."""
    text = str(event.get("event"))
    if text.startswith("Traceback"):
        kind, _, message = text.rstrip().rpartition("\n")[2].partition(": ")
        if kind.startswith(f"{errors.__name__}."):
            event["event"] = f"cannot start: {message}"
    return event


def _in_reading_order(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)
    first = {key: event.pop(key) for key in ("ts", "level", "msg") if key in event}
    return {**first, **event}


def _without_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {name: redacted_field(name, value) for name, value in event.items()}


def _not_a_successful_poll(record: logging.LogRecord) -> bool:
    """Drop the lines of probes, scrapes and an HPA's questions that went well: they come all the time."""
    if record.name != ACCESS_LOGGER or not isinstance(record.args, tuple):
        return True
    fields = dict(zip(ACCESS_ARGUMENTS, record.args, strict=False))
    path = f"{fields.get('path')}/"
    polled = any(path.startswith(f"{known}/") for known in POLLED_PATHS)
    return not (polled and fields.get("status") == HTTPStatus.OK)
