"""The subresources that are no plain part of their object: scale, binding, eviction, token, finalize."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from devcluster.apiserver.control.access import Access
from devcluster.apiserver.objects.json_types import JsonObject, JsonValue, dig
from devcluster.apiserver.objects.resource_types import ResourceType, ScalePaths
from devcluster.apiserver.objects.resources import DeleteOptions, Resources, WriteOptions
from devcluster.apiserver.objects.selectors import selector_text
from devcluster.apiserver.objects.status import (
    bad_request,
    conflict,
    invalid,
    invalid_object,
    method_not_allowed,
)
from devcluster.apiserver.objects.store import Key, StoredObject
from devcluster.apiserver.objects.timestamps import rfc3339
from devcluster.apiserver.web.answers import Answers, json_response
from devcluster.apiserver.web.request import ResourcePath, object_body, write_options
from devcluster.apiserver.web.writing import change_of


class Subresources:
    """Answers requests on subresources."""

    def __init__(self, resources: Resources, access: Access) -> None:
        self._resources = resources
        self._access = access

    async def scale(self, request: Request, resource: ResourceType, path: ResourcePath) -> Response:
        """GET, PUT or PATCH of the Scale of a workload."""
        paths, key = resource.scale, (path.namespace, path.name)
        if paths is None:
            raise method_not_allowed()
        if request.method == "GET":
            return json_response(scale_of(self._resources.get(resource, *key), paths))
        if request.method == "PUT":
            body = await object_body(request)
        elif request.method == "PATCH":
            content_type = request.headers.get("content-type", "").partition(";")[0]
            change = change_of(content_type, await request.body(), resource)
            body = change(scale_of(self._resources.get(resource, *key), paths))
        else:
            raise method_not_allowed()
        options = write_options(request)
        stored = self._set_replicas(resource, paths, key, body, options)
        return json_response(scale_of(stored, paths), HTTPStatus.OK, options.warnings)

    async def bind(self, request: Request, resource: ResourceType, path: ResourcePath) -> Response:
        """POST of a Binding: the scheduler's decision where a pod runs."""
        node = str(dig(await object_body(request), "target", "name") or "")
        if not node:
            raise bad_request("a Binding needs target.name, the node")
        key = (path.namespace, path.name)
        current = self._resources.get(resource, *key)
        assigned = dig(current.document, "spec", "nodeName")
        if assigned:
            detail = f"pod {path.name} is already assigned to node {assigned!r}"
            raise conflict(f"{resource.plural}/binding", path.name, detail=detail)
        now = rfc3339(self._resources.clock())
        if not write_options(request).dry_run:
            self._resources.store.update(resource.collection, key, _bound(current.document, node, now))
        created = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        return json_response(created, HTTPStatus.CREATED)

    async def evict(self, request: Request, resource: ResourceType, path: ResourcePath) -> Response:
        """POST of an Eviction: a deletion by name (no disruption budget is kept here)."""
        body = await object_body(request)
        grace_seconds = dig(body, "deleteOptions", "gracePeriodSeconds")
        options = DeleteOptions(grace_seconds=grace_seconds, dry_run=write_options(request).dry_run)
        self._resources.delete(resource, (path.namespace, path.name), options)
        created = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        return json_response(created, HTTPStatus.CREATED)

    async def issue_token(self, request: Request, resource: ResourceType, path: ResourcePath) -> Response:
        """POST of a TokenRequest for a ServiceAccount."""
        self._resources.get(resource, path.namespace, path.name)
        body = await object_body(request)
        token = self._access.issue_token(path.namespace, path.name, body)
        status = {"token": token, "expirationTimestamp": "9999-12-31T23:59:59Z"}
        return json_response({**body, "status": status}, HTTPStatus.CREATED)

    async def finalize(self, request: Request, resource: ResourceType, path: ResourcePath) -> Response:
        """PUT of a namespace's finalizers."""
        body = await object_body(request)
        options = write_options(request)
        stored = self._resources.replace(resource, ("", path.name), body, options)
        return Answers(request, resource, self._resources.clock()).one(stored)

    def _set_replicas(
        self, resource: ResourceType, paths: ScalePaths, key: Key, scale: JsonObject, options: WriteOptions
    ) -> StoredObject:
        replicas = dig(scale, "spec", "replicas") or 0
        if not isinstance(replicas, int) or replicas < 0:
            error = invalid("spec.replicas", replicas, "must be greater than or equal to 0")
            raise invalid_object("Scale", "autoscaling", key[1], [error])
        version = dig(scale, "metadata", "resourceVersion")

        def change(document: JsonObject) -> JsonObject:
            if version:
                document["metadata"]["resourceVersion"] = version
            return _with(document, paths.spec_replicas, replicas)

        return self._resources.update(resource, key, change, options)


def scale_of(stored: StoredObject, paths: ScalePaths) -> JsonObject:
    """The `autoscaling/v1` Scale of an object."""
    document = stored.document
    metadata = document["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: JsonObject = {"replicas": dig(document, *paths.status_replicas) or 0}
    if paths.selector is not None:
        selector = dig(document, *paths.selector)
        status["selector"] = selector_text(selector) if isinstance(selector, dict) else selector or ""
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in kept if name in metadata},
        "spec": {"replicas": dig(document, *paths.spec_replicas) or 0},
        "status": status,
    }


def _bound(pod: JsonObject, node: str, now: str) -> JsonObject:
    """The pod on its node, with the condition that says so."""
    status = dict(pod.get("status") or {})
    others = [item for item in status.get("conditions") or () if item.get("type") != "PodScheduled"]
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": now, "lastProbeTime": None}
    status["conditions"] = [*others, scheduled]
    metadata = dict(pod["metadata"])
    return {**pod, "metadata": metadata, "spec": {**pod["spec"], "nodeName": node}, "status": status}


def _with(document: JsonObject, path: tuple[str, ...], value: JsonValue) -> JsonObject:
    """The document with one value set."""
    head, *rest = path
    if not rest:
        return {**document, head: value}
    child = document.get(head)
    return {**document, head: _with(child if isinstance(child, dict) else {}, tuple(rest), value)}
