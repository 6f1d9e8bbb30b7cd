"""TokenReview and the SubjectAccessReviews: requests that are answered and never stored."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from devcluster.apiserver.control.access import Access
from devcluster.apiserver.objects.lifecycle import check_type
from devcluster.apiserver.objects.resource_types import ResourceType
from devcluster.apiserver.objects.status import method_not_allowed
from devcluster.apiserver.web.answers import json_response
from devcluster.apiserver.web.request import ResourcePath, object_body

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
