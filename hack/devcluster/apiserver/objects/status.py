"""Every answer that is not an object: Kubernetes `Status` documents, worded as kubectl and clients expect.

`ApiError` is the one exception of this package that reaches the HTTP layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from pydantic_core import to_json

from devcluster.apiserver.objects.json_types import JsonObject, JsonValue


class CauseReason(StrEnum):
    """Why one field was refused (the values of `StatusCause.reason`)."""

    REQUIRED = "FieldValueRequired"
    INVALID = "FieldValueInvalid"
    UNSUPPORTED = "FieldValueNotSupported"
    DUPLICATE = "FieldValueDuplicate"
    FORBIDDEN = "FieldValueForbidden"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"
    TYPE_INVALID = "FieldValueTypeInvalid"
    NOT_FOUND = "FieldValueNotFound"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One refused field: its path, the class of the mistake and the message after the path."""

    path: str
    reason: CauseReason
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def shown(value: JsonValue) -> str:
    """A value as Kubernetes shows it inside an error: JSON, shortened when it is long."""
    text = to_json(value).decode()
    longest = 200
    return text if len(text) <= longest else f"{text[:longest]}..."


def required(path: str, detail: str = "") -> FieldError:
    """The field must be given."""
    return FieldError(path, CauseReason.REQUIRED, f"Required value: {detail}" if detail else "Required value")


def invalid(path: str, value: JsonValue, detail: str) -> FieldError:
    """The field's value cannot be used."""
    return FieldError(path, CauseReason.INVALID, f"Invalid value: {shown(value)}: {detail}")


def unsupported(path: str, value: JsonValue, supported: Sequence[JsonValue]) -> FieldError:
    """The field's value is none of the allowed ones."""
    allowed = ", ".join(shown(item) for item in supported)
    message = f"Unsupported value: {shown(value)}: supported values: {allowed}"
    return FieldError(path, CauseReason.UNSUPPORTED, message)


def duplicate(path: str, value: JsonValue) -> FieldError:
    """The same list key was used twice."""
    return FieldError(path, CauseReason.DUPLICATE, f"Duplicate value: {shown(value)}")


def forbidden_field(path: str, detail: str) -> FieldError:
    """The field may not be set or changed."""
    return FieldError(path, CauseReason.FORBIDDEN, f"Forbidden: {detail}")


class ApiError(Exception):
    """A request that ends in a `Status` of kind Failure."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: JsonObject | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = int(code)
        self.reason = reason
        self.message = message
        self.details = details or {}
        self.retry_after_seconds = retry_after_seconds

    def status(self) -> JsonObject:
        """The document that is sent."""
        document: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if self.details:
            document["details"] = self.details
        return document


def not_found(resource: str, name: str, group: str = "") -> ApiError:
    """404 for one object."""
    details = {"name": name, "group": group, "kind": resource}
    return ApiError(
        HTTPStatus.NOT_FOUND, "NotFound", f'{_qualified(resource, group)} "{name}" not found', details=details
    )


def unknown_path() -> ApiError:
    """404 for a path that no resource answers."""
    return ApiError(HTTPStatus.NOT_FOUND, "NotFound", "the server could not find the requested resource")


def already_exists(resource: str, name: str, group: str = "") -> ApiError:
    """409 because the name is taken."""
    return ApiError(
        HTTPStatus.CONFLICT,
        "AlreadyExists",
        f'{_qualified(resource, group)} "{name}" already exists',
        details={"name": name, "group": group, "kind": resource},
    )


def conflict(resource: str, name: str, group: str = "", detail: str = "") -> ApiError:
    """409 because somebody else wrote the object first, or a precondition failed."""
    why = detail or (
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    return ApiError(
        HTTPStatus.CONFLICT,
        "Conflict",
        f'Operation cannot be fulfilled on {_qualified(resource, group)} "{name}": {why}',
        details={"name": name, "group": group, "kind": resource},
    )


def bad_request(message: str) -> ApiError:
    """400: the request cannot be understood."""
    return ApiError(HTTPStatus.BAD_REQUEST, "BadRequest", message)


def forbidden(resource: str, name: str, detail: str, group: str = "") -> ApiError:
    """403: understood and refused."""
    return ApiError(
        HTTPStatus.FORBIDDEN,
        "Forbidden",
        f'{_qualified(resource, group)} "{name}" is forbidden: {detail}',
        details={"name": name, "group": group, "kind": resource},
    )


def method_not_allowed() -> ApiError:
    """405: the resource exists but not this verb."""
    return ApiError(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    )


def expired(message: str) -> ApiError:
    """410: the resource version is older than what is remembered."""
    return ApiError(HTTPStatus.GONE, "Expired", message)


def service_unavailable(message: str) -> ApiError:
    """503: a server behind this one does not answer."""
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable", message)


def invalid_object(kind: str, group: str, name: str, errors: Sequence[FieldError]) -> ApiError:
    """422: one or more fields are refused; each of them is a cause that kubectl prints on its own line."""
    shown_errors = ", ".join(str(error) for error in errors)
    listed = f"[{shown_errors}]" if len(errors) > 1 else shown_errors
    causes = [
        {"reason": str(error.reason), "message": error.message, "field": error.path} for error in errors
    ]
    return ApiError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "Invalid",
        f'{_qualified(kind, group)} "{name}" is invalid: {listed}',
        details={"name": name, "group": group, "kind": kind, "causes": causes},
    )


def success(name: str, group: str, resource: str, uid: str) -> JsonObject:
    """The answer to a deletion that is already complete."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": name, "group": group, "kind": resource, "uid": uid},
    }


def _qualified(resource: str, group: str) -> str:
    return f"{resource}.{group}" if group else resource
