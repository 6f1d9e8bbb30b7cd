"""What can be read besides objects: health, version, discovery and OpenAPI."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from devcluster.apiserver.beyond.aggregation import Aggregation
from devcluster.apiserver.discovery import groups, openapi
from devcluster.apiserver.objects.json_types import JsonObject
from devcluster.apiserver.objects.resource_types import Registry
from devcluster.apiserver.web.answers import encoded_response, json_response

_HEALTH_PATHS = frozenset({"/healthz", "/livez", "/readyz"})
_VERSION = {
    "major": "1",
    "minor": "37",
    "gitVersion": "v1.37.0+devcluster",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}


class Documents:
    """Answers GET requests on paths that are not resources."""

    def __init__(self, registry: Registry, aggregation: Aggregation) -> None:
        self._registry = registry
        self._aggregation = aggregation

    def answer(self, request: Request) -> Response | None:
        """The document at a path; None when the path is not one of them."""
        path = request.url.path.rstrip("/")
        if path in _HEALTH_PATHS:
            return PlainTextResponse("ok")
        if path == "/version":
            return json_response(dict(_VERSION))
        if path in {"/api", "/apis"}:
            return self._roots(request, core=path == "/api")
        if path == "/openapi/v2":
            return Response(openapi.version_two(), media_type=openapi.VERSION_TWO_TYPE)
        if path.startswith("/openapi/v3"):
            return self._openapi(path.removeprefix("/openapi/v3").lstrip("/"))
        document: JsonObject | None = None
        match path.strip("/").split("/"):
            case ["api", version]:
                document = groups.resource_list(self._registry, "", version)
            case ["apis", group]:
                document = groups.group(self._registry, self._aggregation.delegated, group)
            case ["apis", group, version]:
                document = groups.resource_list(self._registry, group, version)
        return None if document is None else json_response(document)

    def _roots(self, request: Request, *, core: bool) -> Response:
        delegated = self._aggregation.delegated
        if "as=APIGroupDiscoveryList" in request.headers.get("accept", "").replace(" ", ""):
            response = json_response(groups.aggregated(self._registry, delegated, core=core))
            response.headers["content-type"] = groups.AGGREGATED_TYPE
            return response
        versions = groups.core_versions() if core else groups.group_list(self._registry, delegated)
        return json_response(versions)

    def _openapi(self, path: str) -> Response | None:
        if not path:
            return json_response(openapi.index(self._registry))
        body = openapi.encoded_document(self._registry, path)
        return None if body is None else encoded_response(body)
