"""A transport without network: a few objects in memory, with resource versions and their conflicts."""

import copy
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from inferno_shared.kubernetes.client import JsonObject, KubernetesClient
from inferno_shared.kubernetes.transport import Answer, Request, TransportError


class MemoryAnswer:
    def __init__(self, status: int, body: JsonObject) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {}
        self._content = json.dumps(body).encode()

    async def read(self) -> bytes:
        return self._content

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._content


class MemoryApi:
    """Objects by path. `down` makes every call fail; `before_write` runs once before the next write."""

    def __init__(self) -> None:
        self.objects: dict[str, JsonObject] = {}
        self.requests: list[Request] = []
        self.down = False
        self.before_write: Callable[[], None] | None = None
        self._version = 0

    def client(self) -> KubernetesClient:
        return KubernetesClient(self)

    def put(self, path: str, body: Mapping[str, Any]) -> JsonObject:
        self._version += 1
        stored = copy.deepcopy(dict(body))
        stored["metadata"] = {**stored["metadata"], "resourceVersion": str(self._version)}
        self.objects[path] = stored
        return stored

    @property
    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.method != "GET"]

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[Answer]:
        self.requests.append(request)
        if self.down:
            raise TransportError("connection refused")
        yield self._answer(request)

    async def close(self) -> None:
        return None

    def _answer(self, request: Request) -> MemoryAnswer:
        if request.method != "GET" and self.before_write is not None:
            hook, self.before_write = self.before_write, None
            hook()
        path = request.path.removesuffix("/status")
        current = self.objects.get(path)
        body = dict(request.body or {})
        if request.method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            if path in self.objects:
                return _status(409, "already exists")
            return MemoryAnswer(201, self.put(path, body))
        if current is None:
            return _status(404, "not found")
        if request.method == "GET":
            return MemoryAnswer(200, current)
        expected = body.get("metadata", {}).get("resourceVersion")
        if expected is not None and expected != current["metadata"]["resourceVersion"]:
            return _status(409, "the object has been modified")
        changed = {key: _merged(current.get(key), value) for key, value in body.items()}
        return MemoryAnswer(200, self.put(path, body if request.method == "PUT" else current | changed))


def _status(code: int, message: str) -> MemoryAnswer:
    return MemoryAnswer(code, {"kind": "Status", "code": code, "message": message})


def _merged(target: object, patch: object) -> object:
    if not isinstance(patch, dict):
        return patch
    result: dict[str, object] = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result
