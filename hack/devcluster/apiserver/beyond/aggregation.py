"""Aggregated APIs: an APIService sends a whole group and version to another server.

As in Kubernetes the server is found through `spec.service`: a Service of type ExternalName gives the host,
any other its cluster address. It is reached by HTTPS, verified by `caBundle` unless `insecureSkipTLSVerify`
is set; only a Service port with `appProtocol: http` is reached by plain HTTP. While there are such
APIServices each is asked for its discovery document every few seconds, which decides its Available condition.
"""

import asyncio
import ssl
from base64 import b64decode
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from devcluster.apiserver.beyond.upstream import Target, Upstream
from devcluster.apiserver.objects.json_types import JsonObject, dig
from devcluster.apiserver.objects.resources import Resources, WriteOptions
from devcluster.apiserver.objects.status import ApiError, FieldError, required
from devcluster.apiserver.objects.store import Event, StoredObject
from devcluster.apiserver.objects.timestamps import rfc3339

COLLECTION = "apiservices.apiregistration.k8s.io"
_PROBE_SECONDS = 5.0
_PROBE_TIMEOUT_SECONDS = 2.0
_HTTPS_PORT = 443
_PROXY_HEADERS = {"X-Remote-User": "system:admin", "X-Remote-Group": "system:masters"}


def check_api_service(service: JsonObject, old: JsonObject | None) -> list[FieldError]:
    """An APIService needs a version, and a complete reference if it has a service."""
    del old
    spec = service.get("spec") or {}
    errors = [] if spec.get("version") else [required("spec.version")]
    if spec.get("service"):
        errors += [
            required(f"spec.service.{field}")
            for field in ("namespace", "name")
            if not spec["service"].get(field)
        ]
    return errors


class ServiceNotFoundError(ApiError):
    """The Service of an APIService does not exist."""

    def __init__(self, message: str) -> None:
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable", message)


class Aggregation:
    """Finds, asks and watches over the servers behind APIServices."""

    def __init__(self, resources: Resources, upstream: Upstream, clock: Callable[[], datetime]) -> None:
        self._resources = resources
        self._upstream = upstream
        self._clock = clock
        self._changed = asyncio.Event()
        self.delegated: dict[tuple[str, str], JsonObject | None] = {}
        resources.store.subscribe(COLLECTION, self._notice)

    def serves(self, group: str, version: str) -> StoredObject | None:
        """The APIService that sends a group and version elsewhere."""
        if not group:
            return None
        found = self._resources.store.get(COLLECTION, ("", f"{version}.{group}"))
        return found if found is not None and dig(found.document, "spec", "service") else None

    async def forward(self, request: Request, service: StoredObject) -> Response:
        """The answer of the server behind an APIService.

        Raises:
            ApiError: 503 when it cannot be found or does not answer.
        """
        target = self._target(service.document)
        watching = "watch" in request.query_params
        path = request.url.path
        return await self._upstream.forward(request, target, path, endless=watching, headers=_PROXY_HEADERS)

    async def run(self) -> None:
        """Keep the Available conditions true; asleep while there is no APIService with a server."""
        while True:
            self._changed.clear()
            watched = [
                stored
                for stored in self._resources.store.listed(COLLECTION)
                if dig(stored.document, "spec", "service")
            ]
            await self.probe(watched)
            try:
                await asyncio.wait_for(self._changed.wait(), _PROBE_SECONDS if watched else None)
            except TimeoutError:
                continue

    async def probe(self, services: list[StoredObject]) -> None:
        """Ask each server for its discovery document and write down what it said."""
        await asyncio.gather(*(self._probe_one(service) for service in services))
        served = {_group_version(service) for service in services}
        for gone in self.delegated.keys() - served:
            del self.delegated[gone]

    async def _probe_one(self, service: StoredObject) -> None:
        group, version = _group_version(service)
        answer: object = None
        problem = "no response with a discovery document"
        try:
            target = self._target(service.document)
            path = f"/apis/{group}/{version}"
            answer = await self._upstream.get_json(target, path, _PROBE_TIMEOUT_SECONDS)
            problem = f"failing or missing response from {target.base_url}{path}"
        except ServiceNotFoundError as error:
            problem = str(error)
        described = cast("JsonObject", answer) if isinstance(answer, dict) else None
        self.delegated[group, version] = described
        if described is not None:
            self._write_condition(service, "True", "Passed", "all checks passed")
        else:
            self._write_condition(service, "False", "FailedDiscoveryCheck", problem)

    def _write_condition(self, service: StoredObject, state: str, reason: str, message: str) -> None:
        current = self._resources.store.get(COLLECTION, service.key)
        resource = self._resources.registry.by_collection(COLLECTION)
        if current is None or resource is None:
            return
        conditions = dig(current.document, "status", "conditions") or [{}]
        if (conditions[0].get("status"), conditions[0].get("reason")) == (state, reason):
            return
        condition = {
            "type": "Available",
            "status": state,
            "reason": reason,
            "message": message,
            "lastTransitionTime": rfc3339(self._clock()),
        }
        self._resources.update(
            resource,
            service.key,
            lambda document: {**document, "status": {"conditions": [condition]}},
            WriteOptions(trusted=True),
            subresource="status",
        )

    def _target(self, service: JsonObject) -> Target:
        reference = service["spec"]["service"]
        namespace, name = reference["namespace"], reference["name"]
        found = self._resources.store.get("services", (namespace, name))
        if found is None:
            raise ServiceNotFoundError(f"service/{name} in {namespace!r} is not present")
        spec, port = found.document["spec"], int(reference.get("port") or _HTTPS_PORT)
        host = spec.get("externalName") if spec.get("type") == "ExternalName" else spec.get("clusterIP")
        ports = spec.get("ports") or []
        if any(item.get("port") == port and item.get("appProtocol") == "http" for item in ports):
            return Target(f"http://{host}:{port}")
        base_url, bundle = f"https://{host}:{port}", service["spec"].get("caBundle")
        if service["spec"].get("insecureSkipTLSVerify") or not bundle:
            return Target(base_url)
        return Target(base_url, _verifying(bundle), f"{name}.{namespace}.svc")

    def _notice(self, event: Event) -> None:
        before = dig(event.previous.document, "spec") if event.previous else None
        if before != event.current.document.get("spec") or event.type == "DELETED":
            self._changed.set()


def _group_version(service: StoredObject) -> tuple[str, str]:
    spec = service.document["spec"]
    return str(spec.get("group", "")), str(spec["version"])


@lru_cache(maxsize=32)
def _verifying(bundle: str) -> ssl.SSLContext:
    """A context that trusts a bundle of certificates only; cached, because targets are compared by it."""
    return ssl.create_default_context(cadata=b64decode(bundle).decode())
