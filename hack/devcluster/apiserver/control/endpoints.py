"""The endpoints under /devcluster/: faults and the access policy, for tests and curious people."""

from http import HTTPStatus
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from devcluster.apiserver.control.access import Access, AccessPolicy
from devcluster.apiserver.control.faults import Fault, Faults
from devcluster.apiserver.objects.status import bad_request, method_not_allowed, unknown_path
from devcluster.apiserver.objects.store import Store
from devcluster.apiserver.objects.watch import Watches
from devcluster.apiserver.web.answers import json_response

PREFIX = "/devcluster/"

Model = TypeVar("Model", bound=BaseModel)


class Control:
    """Answers requests under /devcluster/; they are never hit by a fault themselves."""

    def __init__(self, store: Store, watches: Watches, faults: Faults, access: Access) -> None:
        self._store = store
        self._watches = watches
        self._faults = faults
        self._access = access

    async def answer(self, request: Request) -> Response:
        """Faults: POST, GET, DELETE. Access: PUT.

        Raises:
            ApiError: 400, 404 or 405.
        """
        path = request.url.path
        if path == "/devcluster/faults":
            return await self._answer_faults(request)
        if path == "/devcluster/access":
            if request.method != "PUT":
                raise method_not_allowed()
            self._access.set_policy(_parsed(AccessPolicy, await request.body()))
            return json_response({})
        raise unknown_path()

    async def _answer_faults(self, request: Request) -> Response:
        if request.method == "GET":
            return json_response({"faults": self._faults.listed()})
        if request.method == "DELETE":
            self._faults.clear()
            return json_response({"faults": []})
        if request.method != "POST":
            raise method_not_allowed()
        fault = _parsed(Fault, await request.body())
        if fault.forget_history:
            self._store.forget_history()
        cut = self._watches.cut() if fault.cut_watches else 0
        if fault.lasts:
            self._faults.add(fault)
        answer = {"faults": self._faults.listed(), "watches_cut": cut}
        return json_response(answer, HTTPStatus.CREATED)


def _parsed(model: type[Model], body: bytes) -> Model:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise bad_request(str(error)) from error
