"""TokenReview and the SubjectAccessReviews: requests that are answered and never stored."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from devcluster.apiserver.access import Access
from devcluster.apiserver.answers import json_response
from devcluster.apiserver.lifecycle import check_type
from devcluster.apiserver.request import ResourcePath, object_body
from devcluster.apiserver.resource_types import ResourceType
from devcluster.apiserver.status import method_not_allowed

GROUPS = frozenset({"authentication.k8s.io", "authorization.k8s.io"})


class Reviews:
    """Answers reviews by the access policy."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def create(self, request: Request, resource: ResourceType, path: ResourcePath) -> Response:
        """The review with its status.

        Raises:
            ApiError: 400 or 405.
        """
        del path
        if request.method != "POST":
            raise method_not_allowed()
        review = await object_body(request)
        check_type(resource, review)
        if resource.kind == "TokenReview":
            status = self._access.review_token(review)
        else:
            status = self._access.review_access(review, request.headers.get("authorization", ""))
        return json_response({**review, "status": status}, HTTPStatus.CREATED)
