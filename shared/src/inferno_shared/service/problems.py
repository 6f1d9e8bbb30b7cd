"""RFC 9457 problem documents: every error answer says what was wrong, in which field, and what to do.

Credentials in what they say are masked.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from inferno_shared.redaction import redacted

MEDIA_TYPE = "application/problem+json"
MAX_SHOWN_ERRORS = 100
NOT_FINITE = "must be a finite number; NaN and Infinity are not accepted"
PLACES = frozenset({"body", "query", "path", "header", "cookie"})


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: its dotted path, such as variants[0].profiles[0].max_batch_size, and what is wrong."""

    field: str
    message: str


class ProblemError(Exception):
    """Raise it in an endpoint to answer with a problem document."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        errors: Sequence[FieldError] = (),
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def problem_response(problem: ProblemError) -> Response:
    """Return the answer that carries `problem`."""
    document: dict[str, Any] = {"type": "about:blank", "title": problem.title, "status": problem.status}
    if problem.detail:
        document["detail"] = redacted(problem.detail)
    if problem.errors:
        document["errors"] = [
            {"field": error.field, "message": redacted(error.message)} for error in problem.errors
        ]
    return Response(
        json.dumps(document, ensure_ascii=False, allow_nan=False),
        status_code=problem.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


def add_problem_handlers(app: FastAPI) -> None:
    """Answer validation errors, HTTPException and ProblemError with problem documents."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return problem_response(error)


async def _on_http_exception(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    detail = str(error.detail) if error.detail and error.detail != status.phrase else ""
    return problem_response(ProblemError(status, status.phrase, detail, headers=error.headers))


async def _on_validation_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    return problem_response(validation_problem(error.errors(), error.body))


def validation_problem(errors: Sequence[Mapping[str, Any]], body: object) -> ProblemError:
    """Return the problem for pydantic's `errors` about `body`: 400 for broken JSON, 422 for wrong fields."""
    broken = next((error for error in errors if error["type"] == "json_invalid"), None)
    if broken is not None:
        where = f"at character {broken['loc'][-1]}" if broken["loc"] else ""
        reason = (broken.get("ctx") or {}).get("error", broken["msg"])
        return ProblemError(HTTPStatus.BAD_REQUEST, "Malformed JSON", f"{reason} {where}".strip())
    fields = tuple(
        FieldError(field_path(error["loc"], body), _message(error)) for error in errors[:MAX_SHOWN_ERRORS]
    )
    first = fields[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    detail = f"{first.field}: {first.message}{more}"
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid request", detail, fields)


def field_path(location: Sequence[int | str], body: object) -> str:
    """Return `location` as a dotted path, without pydantic's names of union members.

    Example: ("body", "profiles", 0, "parameters", "linear", "alpha") is profiles[0].parameters.alpha.
    """
    parts = list(location)
    place = str(parts.pop(0)) if parts and parts[0] in PLACES else "body"
    current = body if place == "body" else None
    shown = ""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if isinstance(part, int):
            shown += f"[{part}]"
            current = current[part] if isinstance(current, list) and part < len(current) else None
        elif place == "body" and _is_union_member(part, current, last=last):
            continue
        else:
            shown += f".{part}" if shown else part
            current = current.get(part) if isinstance(current, Mapping) else None
    return shown or place


def _is_union_member(part: str, current: object, *, last: bool) -> bool:
    if isinstance(current, Mapping):
        return part not in current and not last
    return current is not None


def _message(error: Mapping[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    value = error.get("input")
    if isinstance(value, float) and not math.isfinite(value):
        return NOT_FINITE
    if error["type"] != "missing" and isinstance(value, str | int | float | bool):
        return f"{message}, is {str(value)[:80]!r}" if isinstance(value, str) else f"{message}, is {value}"
    return message
