"""The errors of the product, one tree.

Policy: an error is a sentence for the person who must act on it. It says what was attempted, on what, what
came back, and what to do. Code that talks to something outside raises one of these; code that loops catches
`InfernoError`, keeps the last good state, reports the sentence, and goes on. Anything else that escapes is a
bug and is logged with its traceback. The sentence goes to logs, statuses and Events: credentials in it, such
as those of a URL, are masked.
"""

from inferno_shared.redaction import redacted


class InfernoError(Exception):
    """Base of every error that an operator may see."""

    def __str__(self) -> str:
        return redacted(super().__str__())


class ConfigurationError(InfernoError):
    """A file or setting that the process needs at start is missing or unusable."""


class KubernetesError(InfernoError):
    """A call to the Kubernetes API failed; `status` is the HTTP status, None when there was no answer."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class NotFoundError(KubernetesError):
    """The object, or the whole resource type, does not exist (404)."""


class ConflictError(KubernetesError):
    """The object exists already, or changed since it was read (409)."""


class GoneError(KubernetesError):
    """The resource version is too old to continue from: list again (410)."""


class UnauthorizedError(KubernetesError):
    """The API server does not accept our credentials (401)."""


class ForbiddenError(KubernetesError):
    """An RBAC rule is missing; the message names it (403)."""


class InvalidError(KubernetesError):
    """The API server refuses the content of the request (400, 413, 415, 422)."""


class UnavailableError(KubernetesError):
    """The API server answers, but not now (429, 5xx); `retry_after_seconds` is its own advice."""

    def __init__(
        self, message: str, *, status: int | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message, status=status)
        self.retry_after_seconds = retry_after_seconds


class UnreachableError(KubernetesError):
    """No answer: connection refused, cut or silent."""


class MalformedObjectError(InfernoError):
    """A Kubernetes object has a field that we cannot read; `field` is its dotted path."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class UpstreamError(InfernoError):
    """Another HTTP service (collector, optimizer, Prometheus, ...) failed or refused.

    `status` is its HTTP status, None when there was no answer.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
