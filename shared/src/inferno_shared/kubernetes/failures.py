"""What an HTTP answer of the API server means for the caller: the right error, with what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass

from inferno_shared.errors import (
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    KubernetesError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from inferno_shared.kubernetes.resources import Resource

SHOWN_CHARACTERS = 300
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Operation:
    """One attempted call, for error messages and RBAC advice."""

    verb: str
    resource: Resource | None = None
    namespace: str | None = None
    name: str | None = None
    subresource: str | None = None
    path: str | None = None

    def __str__(self) -> str:
        if self.resource is None:
            return f"{self.verb} {self.path}"
        what = f"{self.verb} {self._rbac_resource}"
        if self.name:
            what += f" {self.name}"
        if self.namespace:
            return f"{what} in namespace {self.namespace}"
        return f"{what} in all namespaces" if self.resource.namespaced else what

    @property
    def _rbac_resource(self) -> str:
        plural = self.resource.plural if self.resource else ""
        return f"{plural}/{self.subresource}" if self.subresource else plural

    @property
    def missing_rule(self) -> str:
        """The RBAC rule that would allow this call."""
        if self.resource is None:
            return f"grant nonResourceURLs ['{self.path}'] verbs ['{self.verb}'] in a ClusterRole"
        where = f"a Role in namespace {self.namespace}" if self.namespace else "a ClusterRole"
        return (
            f"grant apiGroups ['{self.resource.group}'] resources ['{self._rbac_resource}'] "
            f"verbs ['{self.verb}'] in {where} bound to this service account"
        )


def failure(
    operation: Operation, status: int, message: str, headers: Mapping[str, str] | None = None
) -> KubernetesError:
    """Return the error for `status` and the API server's own message."""
    said = f"{operation}: {message[:SHOWN_CHARACTERS] or 'no message'} (HTTP {status})"
    match status:
        case 401:
            return UnauthorizedError(
                f"{said}; the credentials are not accepted: check the kubeconfig's user or the pod's "
                "service account token",
                status=status,
            )
        case 403:
            return ForbiddenError(f"{said}; {operation.missing_rule}", status=status)
        case 404:
            return NotFoundError(_not_found(operation, said), status=status)
        case 409:
            return ConflictError(said, status=status)
        case 410:
            return GoneError(said, status=status)
        case 400 | 413 | 415 | 422:
            return InvalidError(said, status=status)
        case 429:
            return UnavailableError(said, status=status, retry_after_seconds=_retry_after(headers))
    if status >= SERVER_ERROR:
        return UnavailableError(said, status=status, retry_after_seconds=_retry_after(headers))
    return KubernetesError(said, status=status)


def _not_found(operation: Operation, said: str) -> str:
    if operation.resource is not None and operation.name is None:
        api = operation.resource.api_version
        return f"{said}; the API server does not serve {operation.resource.plural} of {api}: is it installed?"
    return said


def _retry_after(headers: Mapping[str, str] | None) -> float | None:
    text = (headers or {}).get("Retry-After", "")
    return float(text) if text.isdecimal() else None
