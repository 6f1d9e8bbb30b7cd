"""Who may call a service: gates by token, by certificate, or for the API server's aggregator only."""

from inferno_shared.service.authorization.control import AccessControl, caller_of, gates_of
from inferno_shared.service.authorization.gates import (
    Attempt,
    CertificateGate,
    FrontProxyGate,
    Gate,
    KubernetesGate,
    OpenGate,
)

__all__ = [
    "AccessControl",
    "Attempt",
    "CertificateGate",
    "FrontProxyGate",
    "Gate",
    "KubernetesGate",
    "OpenGate",
    "caller_of",
    "gates_of",
]
