"""The service kit: settings, logs, the app with probes and problem documents, the server, the HTTP client."""

from inferno_shared.service.app import create_app
from inferno_shared.service.authorization import FrontProxyGate, Gate, OpenGate, caller_of
from inferno_shared.service.http import http_client, is_loopback, request_with_retry
from inferno_shared.service.logs import configure_logging, get_logger
from inferno_shared.service.problems import FieldError, ProblemError
from inferno_shared.service.server import serve
from inferno_shared.service.settings import (
    Names,
    ServiceSettings,
    SettingRow,
    is_loopback_host,
    load_settings,
    settings_table,
)
from inferno_shared.service.tls import FRONT_PROXY

__all__ = [
    "FRONT_PROXY",
    "FieldError",
    "FrontProxyGate",
    "Gate",
    "Names",
    "OpenGate",
    "ProblemError",
    "ServiceSettings",
    "SettingRow",
    "caller_of",
    "configure_logging",
    "create_app",
    "get_logger",
    "http_client",
    "is_loopback",
    "is_loopback_host",
    "load_settings",
    "request_with_retry",
    "serve",
    "settings_table",
]
