"""What an HTTP answer of the API server means for the caller: the right error, with what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

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
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_MANY_REQUESTS, SERVER_ERROR = 401, 403, 404, 429, 500
BY_STATUS: Final[Mapping[int, type[KubernetesError]]] = {
    400: InvalidError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    413: InvalidError,
    415: InvalidError,
    422: InvalidError,
}


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
    if status == TOO_MANY_REQUESTS or status >= SERVER_ERROR:
        return UnavailableError(said, status=status, retry_after_seconds=_retry_after(headers))
    return BY_STATUS.get(status, KubernetesError)(said + _advice(operation, status), status=status)


def _advice(operation: Operation, status: int) -> str:
    if status == UNAUTHORIZED:
        return "; check the credentials: the kubeconfig's user, or the pod's service account token"
    if status == FORBIDDEN:
        return f"; {operation.missing_rule}"
    if status == NOT_FOUND and operation.resource is not None and operation.name is None:
        api = operation.resource.api_version
        return f"; the API server does not serve {operation.resource.plural} of {api}: is it installed?"
    return ""


def _retry_after(headers: Mapping[str, str] | None) -> float | None:
    text = (headers or {}).get("Retry-After", "")
    return float(text) if text.isdecimal() else None
