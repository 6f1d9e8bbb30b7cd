"""Stands before every endpoint: which gate a path has, and that only whom it admits goes on.

Probes are open: they tell nothing, and a kubelet has no token. Every other path has a gate; one that nobody
thought of has the service's. Who was refused is logged, and who was admitted to more than reading.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from prometheus_client import CollectorRegistry, Counter
from starlette.types import ASGIApp, Receive, Scope, Send

from inferno_shared.access import Identity, Reviewer
from inferno_shared.errors import ConfigurationError
from inferno_shared.service.authorization.gates import (
    Attempt,
    CertificateGate,
    Gate,
    KubernetesGate,
    OpenGate,
)
from inferno_shared.service.logs import get_logger
from inferno_shared.service.problems import ProblemError, problem_response
from inferno_shared.service.settings import Authorization, ServiceSettings
from inferno_shared.service.tls import peer_of

STATE_KEY: Final = "caller"
OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
METRICS_PATH: Final = "/metrics"
READING: Final = frozenset({"get", "head", "options"})
POLICY_VIOLATION: Final = 1008
OUTCOMES: Final = {
    HTTPStatus.UNAUTHORIZED: "unauthenticated",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.SERVICE_UNAVAILABLE: "undecided",
}

log = get_logger(__name__)

Reviewing = Callable[[], Reviewer | None]


def gates_of(
    settings: ServiceSettings,
    realm: str,
    reviewer: Reviewing | None = None,
    gates: Mapping[str, Gate] | None = None,
) -> dict[str, Gate]:
    """Return the gate of each path prefix as `settings` want it; `gates` are a service's own.

    Raises ConfigurationError when a gate needs a cluster and the service has none.
    """
    audiences = (settings.token_audience,) if settings.token_audience else ()
    return {
        "/": _gate(settings.service_authorization, settings, realm, reviewer, audiences),
        METRICS_PATH: _gate(settings.metrics_authorization, settings, realm, reviewer, ()),
        **(gates or {}),
    }


def caller_of(scope: Scope) -> Identity | None:
    """Return who asks, once the request was admitted."""
    caller = scope.get("state", {}).get(STATE_KEY)
    return caller if isinstance(caller, Identity) else None


class AccessControl:
    """Asks the gate of the longest matching path prefix; `/plan` is the prefix of /plan and of /plan/a."""

    def __init__(self, app: ASGIApp, *, gates: Mapping[str, Gate], registry: CollectorRegistry) -> None:
        self._app = app
        self._gates = sorted(gates.items(), key=lambda item: -len(item[0]))
        self._refused = Counter(
            "inferno_requests_refused_total",
            "Requests that were not admitted",
            ["reason"],
            registry=registry,
        )
        for outcome in OUTCOMES.values():
            self._refused.labels(reason=outcome)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            try:
                caller = await self._admit(scope)
            except ProblemError as problem:
                await problem_response(problem)(scope, receive, send)
                return
            scope.setdefault("state", {})[STATE_KEY] = caller
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> Identity:
        path = scope["path"]
        gate = next(gate for prefix, gate in self._gates if _covers(prefix, path))
        attempt = Attempt(scope["method"].lower(), path, scope["headers"], peer_of(scope))
        try:
            caller = await gate.admit(attempt)
        except ProblemError as problem:
            outcome = OUTCOMES.get(HTTPStatus(problem.status), "undecided")
            self._refused.labels(reason=outcome).inc()
            log.info("request refused", path=path, verb=attempt.verb, outcome=outcome, reason=problem.detail)
            raise
        if attempt.verb not in READING and not isinstance(gate, OpenGate):
            log.info("request admitted", path=path, verb=attempt.verb, caller=caller.name)
        return caller


def _covers(prefix: str, path: str) -> bool:
    return prefix in ("/", path) or path.startswith(f"{prefix}/")


def _gate(
    wanted: Authorization,
    settings: ServiceSettings,
    realm: str,
    reviewer: Reviewing | None,
    audiences: tuple[str, ...],
) -> Gate:
    if wanted == "none":
        return OpenGate()
    if wanted == "certificate":
        return CertificateGate(settings.allowed_client_names)
    if reviewer is None:
        raise ConfigurationError(
            f"{realm} does not talk to a Kubernetes API and cannot check tokens: authorize by certificate"
        )
    return KubernetesGate(reviewer, realm=realm, audiences=audiences)
