"""From the bytes of a request to the bytes of its answer, whatever is wrong with them: a worker's work.

The body is read as the JSON that it is, whatever its content type says (`curl -d @file` calls everything a
form). Nothing of the server is needed here, so it can be done in another process.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from ortools.util.python.solve_interrupter import SolveInterrupter
from pydantic import ValidationError

from inferno_optimizer.allocation import InterruptedSolveError, Problem
from inferno_optimizer.choosing import Chosen, Refused, choose
from inferno_optimizer.malformed import MalformedJsonError, parsed
from inferno_optimizer.plan import make_plan
from inferno_optimizer.queueing import SizedOnce
from inferno_shared.contracts import Plan, Snapshot, WireModel
from inferno_shared.service import ProblemError, get_logger
from inferno_shared.service.problems import problem_response, validation_problem

JSON = "application/json"
CLIENT_CLOSED_REQUEST = 499  # nobody reads it

Document = TypeVar("Document", bound=WireModel)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PlanMade:
    """What the service's metrics say about one plan."""

    seconds: float
    status: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `cpu_seconds` is what it took of another process."""

    status: int
    media_type: str
    content: bytes
    plans: tuple[PlanMade, ...] = ()
    cpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Solving:
    """One request's own solver: bounded, interruptible, and with a record of the plans that it made."""

    limit_seconds: float
    interrupter: SolveInterrupter
    made: list[PlanMade] = field(default_factory=list)
    _size: SizedOnce = field(default_factory=SizedOnce)

    def plan(self, snapshot: Snapshot, seconds: float) -> Plan:
        """One plan, within seconds."""
        begun = time.perf_counter()
        plan = make_plan(snapshot, seconds, interrupter=self.interrupter, size=self._size)
        certificate = plan.certificate
        self.made.append(PlanMade(time.perf_counter() - begun, certificate.status, certificate.verified))
        return plan

    def choose(self, problem: Problem, seconds: float) -> Chosen | Refused:
        """A verified solution, within seconds."""
        return choose(problem, seconds, self.interrupter)


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[Document]):
    """One POST: `compute` makes the JSON text of an answer, or raises ProblemError.

    `spelled_freely`: field names come in any letter case, so the body is of no use for finding wrong fields.
    """

    path: str
    summary: str
    tag: str
    document: type[Document]
    answers: Any
    compute: Callable[[Document, Solving], str]
    spelled_freely: bool = False

    def answer(self, body: bytes, limit_seconds: float, interrupter: SolveInterrupter) -> Answer:
        """The answer to a body; a fault of our own is one too, and logged."""
        solving = Solving(limit_seconds, interrupter)
        try:
            text = self.compute(self._read(body), solving)
        except ProblemError as problem:
            return _answer_of(problem)
        except InterruptedSolveError:
            return _answer_of(ProblemError(CLIENT_CLOSED_REQUEST, "Client closed the request"))
        except Exception:
            log.exception("request failed", path=self.path)
            said = "the service failed, not the request; its log has the traceback"
            return _answer_of(ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error", said))
        return Answer(HTTPStatus.OK, JSON, text.encode(), tuple(solving.made))

    def _read(self, body: bytes) -> Document:
        try:
            return self.document.model_validate_json(body)
        except ValidationError:
            pass  # Python's parser says better what is wrong
        try:
            document = parsed(body)
            return self.document.model_validate(document)
        except MalformedJsonError as error:
            raise ProblemError(HTTPStatus.BAD_REQUEST, "Malformed JSON", f"the body {error}") from error
        except ValidationError as error:
            errors = [{**e, "loc": ("body", *e["loc"])} for e in error.errors(include_url=False)]
            raise validation_problem(errors, None if self.spelled_freely else document) from error


def _answer_of(problem: ProblemError) -> Answer:
    response = problem_response(problem)
    return Answer(response.status_code, str(response.media_type), bytes(response.body))
