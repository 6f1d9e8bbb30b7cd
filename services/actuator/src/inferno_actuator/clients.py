"""Asks the collector for a snapshot and the optimizer for a plan, and believes neither blindly.

An answer that is truncated, nonsense, for another snapshot, or fails its own check is an error with a
reason, as no answer is. Connection errors are retried by the service kit's one policy; `/optimize` only
computes, so it may be repeated as well.
"""

from typing import TypeVar

import httpx
from pydantic import ValidationError

from inferno_actuator.stages import FailureReason, Stage, StageError
from inferno_shared.contracts import Plan, Snapshot, WireModel
from inferno_shared.errors import UpstreamError
from inferno_shared.service import request_with_retry

Answer = TypeVar("Answer", bound=WireModel)

_JSON = {"content-type": "application/json"}


class CollectorClient:
    """The collector behind `http`."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def snapshot(self) -> Snapshot:
        """The collector's present snapshot.

        Raises:
            StageError: no answer, or not a snapshot with an id.
        """
        try:
            response = await request_with_retry(self._http, "GET", "/snapshot")
        except UpstreamError as error:
            raise _failed(Stage.COLLECT, error) from error
        snapshot = _parsed(Stage.COLLECT, Snapshot, response)
        if not snapshot.id:
            raise StageError(Stage.COLLECT, FailureReason.INVALID_ANSWER, "the snapshot has no id")
        return snapshot


class OptimizerClient:
    """The optimizer behind `http`."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def optimize(self, snapshot: Snapshot) -> Plan:
        """The optimizer's plan for `snapshot`.

        Raises:
            StageError: no answer, or not a verified plan for this snapshot.
        """
        try:
            response = await request_with_retry(
                self._http,
                "POST",
                "/optimize",
                safe=True,
                content=snapshot.model_dump_json(),
                headers=_JSON,
            )
        except UpstreamError as error:
            raise _failed(Stage.OPTIMIZE, error) from error
        plan = _parsed(Stage.OPTIMIZE, Plan, response)
        if plan.snapshot_id not in (snapshot.id, snapshot.content_id()):
            message = f"the plan is for snapshot {plan.snapshot_id}, asked was for {snapshot.id}"
            raise StageError(Stage.OPTIMIZE, FailureReason.WRONG_SNAPSHOT, message)
        if not plan.certificate.verified:
            message = "the plan did not pass the optimizer's own check; the optimizer's log says why"
            raise StageError(Stage.OPTIMIZE, FailureReason.UNVERIFIED_PLAN, message)
        return plan


def _failed(stage: Stage, error: UpstreamError) -> StageError:
    if error.status is not None:
        return StageError(stage, FailureReason.REFUSED, str(error))
    if isinstance(error.__cause__, httpx.TimeoutException):
        return StageError(stage, FailureReason.TIMEOUT, str(error))
    return StageError(stage, FailureReason.UNREACHABLE, str(error))


def _parsed(stage: Stage, model: type[Answer], response: httpx.Response) -> Answer:
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        call = f"{response.request.method} {response.request.url}"
        message = f"{call}: not a {model.__name__}: {where}: {first['msg']}"
        raise StageError(stage, FailureReason.INVALID_ANSWER, message) from error
