"""POST, PUT, PATCH and DELETE on objects and collections."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from devcluster.apiserver.objects.json_types import JsonObject
from devcluster.apiserver.objects.resource_types import ResourceType
from devcluster.apiserver.objects.resources import Change, DeleteOptions, Resources
from devcluster.apiserver.objects.status import ApiError, bad_request, success
from devcluster.apiserver.patches.apply import apply_patch
from devcluster.apiserver.patches.json_patches import json_patch, merge_patch
from devcluster.apiserver.patches.strategic_merge import strategic_merge
from devcluster.apiserver.web.answers import Answers, json_response
from devcluster.apiserver.web.reading import Reader
from devcluster.apiserver.web.request import (
    ResourcePath,
    delete_options,
    object_body,
    object_from,
    value_from,
    write_options,
)

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class Writer:
    """Answers requests that change something."""

    def __init__(self, resources: Resources, reader: Reader) -> None:
        self._resources = resources
        self._reader = reader

    async def create(self, request: Request, resource: ResourceType, path: ResourcePath) -> Response:
        """POST on a collection."""
        options = write_options(request)
        answers = Answers(request, resource, self._resources.clock())
        body = await object_body(request)
        stored = self._resources.create(resource, path.namespace, body, options)
        return answers.one(stored, HTTPStatus.CREATED, options.warnings)

    async def replace(self, request: Request, resource: ResourceType, path: ResourcePath) -> Response:
        """PUT on an object or its status."""
        options = write_options(request)
        answers = Answers(request, resource, self._resources.clock())
        body = await object_body(request)
        key = (path.namespace, path.name)
        stored = self._resources.replace(resource, key, body, options, subresource=path.subresource)
        return answers.one(stored, HTTPStatus.OK, options.warnings)

    async def patch(self, request: Request, resource: ResourceType, path: ResourcePath) -> Response:
        """PATCH on an object or its status; server-side apply creates the object when it is missing."""
        options = write_options(request)
        answers = Answers(request, resource, self._resources.clock())
        body, content_type = await request.body(), _content_type(request)
        key = (path.namespace, path.name)
        if content_type == APPLY_PATCH:
            if not request.query_params.get("fieldManager"):
                raise bad_request(
                    'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: '
                    "is required for apply patch"
                )
            applied = object_from(body, "application/yaml")
            missing = self._resources.store.get(resource.collection, key) is None
            if missing and not path.subresource:
                applied.setdefault("metadata", {}).setdefault("name", path.name)
                stored = self._resources.create(resource, path.namespace, applied, options)
                return answers.one(stored, HTTPStatus.CREATED, options.warnings)
        change = change_of(content_type, body, resource)
        stored = self._resources.update(resource, key, change, options, subresource=path.subresource)
        return answers.one(stored, HTTPStatus.OK, options.warnings)

    async def delete(self, request: Request, resource: ResourceType, path: ResourcePath) -> Response:
        """DELETE on an object: its last state while it ends gracefully, a Status when it is gone."""
        options = await delete_options(request)
        stored, gone = self._resources.delete(resource, (path.namespace, path.name), options)
        if gone:
            return json_response(success(path.name, resource.group, resource.plural, stored.uid))
        return Answers(request, resource, self._resources.clock()).one(stored)

    async def delete_collection(
        self, request: Request, resource: ResourceType, path: ResourcePath
    ) -> Response:
        """DELETE on a collection: everything that the selectors match."""
        options = await delete_options(request)
        each = DeleteOptions(options.grace_seconds, options.propagation_policy, dry_run=options.dry_run)
        for stored in self._reader.select(request, resource, path):
            self._resources.delete(resource, stored.key, each)
        return json_response(success("", resource.group, resource.plural, ""))


def change_of(content_type: str, body: bytes, resource: ResourceType) -> Change:
    """The change that a patch makes to an object.

    Raises:
        ApiError: 400 or 415; the change itself may raise 400 or 422.
    """
    if content_type == JSON_PATCH:
        operations = value_from(body, "application/json")
        return lambda document: _object(json_patch(document, operations))
    if content_type == MERGE_PATCH:
        merged = object_from(body, "application/json")
        return lambda document: _object(merge_patch(document, merged))
    if content_type == STRATEGIC_PATCH and not resource.custom:
        strategic = object_from(body, "application/json")
        return lambda document: strategic_merge(document, strategic)
    if content_type == APPLY_PATCH:
        applied = object_from(body, "application/yaml")
        return lambda document: apply_patch(document, applied, resource.schema)
    accepted = [JSON_PATCH, MERGE_PATCH, APPLY_PATCH] + ([] if resource.custom else [STRATEGIC_PATCH])
    raise ApiError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted),
    )


def _object(value: object) -> JsonObject:
    if not isinstance(value, dict):
        raise bad_request("the patched document is no object any more")
    return value


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip()
