"""Faults on demand, so that a test can see what a client does when its API server is slow, full or forgetful.

`POST /devcluster/faults` takes one fault, for example

    {"match": {"method": "PATCH", "path_regex": "variantautoscalings"}, "status": 409, "count": 2}
    {"match": {"path_regex": "^/api/v1/nodes"}, "delay_seconds": 3}
    {"cut_watches": true, "forget_history": true}

`GET` lists the faults still in force and `DELETE` clears them. `status` answers matching requests with that
code, `delay_seconds` lets them wait first, `count` limits how many requests are hit (default: all).
`cut_watches` and `forget_history` act once, at once: open watches end, and every resource version read so far
becomes too old to watch from.
"""

import re
from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from devcluster.apiserver.objects.json_types import JsonObject
from devcluster.apiserver.objects.status import ApiError

_REASONS = {
    HTTPStatus.UNAUTHORIZED: "Unauthorized",
    HTTPStatus.FORBIDDEN: "Forbidden",
    HTTPStatus.NOT_FOUND: "NotFound",
    HTTPStatus.CONFLICT: "Conflict",
    HTTPStatus.GONE: "Expired",
    HTTPStatus.TOO_MANY_REQUESTS: "TooManyRequests",
    HTTPStatus.SERVICE_UNAVAILABLE: "ServiceUnavailable",
    HTTPStatus.GATEWAY_TIMEOUT: "Timeout",
}
_STRICT = ConfigDict(extra="forbid", frozen=True)


class Match(BaseModel):
    """Which requests a fault hits; what is left out matches all."""

    model_config = _STRICT

    method: str | None = None
    path_regex: str = ""

    @field_validator("path_regex")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value

    def hits(self, method: str, path: str) -> bool:
        """Whether a request is hit; the regular expression is searched in the path with its query."""
        return (self.method is None or self.method == method) and bool(re.search(self.path_regex, path))


class Fault(BaseModel):
    """One fault as a test asks for it."""

    model_config = _STRICT

    match: Match = Match()
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    delay_seconds: Annotated[float, Field(ge=0)] = 0
    retry_after_seconds: Annotated[int, Field(ge=0)] | None = None
    count: Annotated[int, Field(ge=1)] | None = None
    cut_watches: bool = False
    forget_history: bool = False

    @property
    def lasts(self) -> bool:
        """Whether the fault concerns later requests."""
        return self.status is not None or self.delay_seconds > 0

    def error(self) -> ApiError | None:
        """What a hit request is answered with; None lets it pass (after the delay)."""
        if self.status is None:
            return None
        reason = _REASONS.get(HTTPStatus(self.status), "InternalError")
        message = f"injected fault: {HTTPStatus(self.status).phrase}"
        return ApiError(self.status, reason, message, retry_after_seconds=self.retry_after_seconds)


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self._faults: list[tuple[Fault, int]] = []  # with the number of requests hit so far

    def add(self, fault: Fault) -> None:
        """Put a lasting fault in force."""
        self._faults.append((fault, 0))

    def clear(self) -> None:
        """End all faults."""
        self._faults.clear()

    def hit(self, method: str, path: str) -> Fault | None:
        """The first fault that hits a request; counted, and dropped when its count is used up."""
        for position, (fault, hits) in enumerate(self._faults):
            if not fault.match.hits(method, path):
                continue
            if fault.count is not None and hits + 1 >= fault.count:
                del self._faults[position]
            else:
                self._faults[position] = (fault, hits + 1)
            return fault
        return None

    def listed(self) -> list[JsonObject]:
        """The faults with how often each hit."""
        return [{**fault.model_dump(exclude_defaults=True), "hits": hits} for fault, hits in self._faults]
