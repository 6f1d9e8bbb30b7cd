"""HTTP answers in the form that the client accepts: objects, lists, tables, metadata only."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

from devcluster.apiserver.objects.json_types import JsonObject, JsonValue
from devcluster.apiserver.objects.resource_types import ResourceType
from devcluster.apiserver.objects.status import ApiError, bad_request
from devcluster.apiserver.objects.store import Key, StoredObject
from devcluster.apiserver.printing.tables import partial_metadata, table
from devcluster.apiserver.web.request import AnswerForm, accepted_form

JSON_TYPE = "application/json"


def json_response(document: JsonValue, code: int = HTTPStatus.OK, warnings: Sequence[str] = ()) -> Response:
    """A JSON document."""
    return encoded_response(to_json(document), code, warnings)


def encoded_response(body: bytes, code: int = HTTPStatus.OK, warnings: Sequence[str] = ()) -> Response:
    """JSON that is already serialised; each warning is one header, which kubectl prints."""
    response = Response(body, status_code=code, media_type=JSON_TYPE)
    for warning in warnings:
        escaped = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.append("Warning", f'299 - "{escaped}"')
    return response


def error_response(error: ApiError) -> Response:
    """The Status of a refused request."""
    response = json_response(error.status(), error.code)
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; `next_key` is where the following part starts."""

    objects: Sequence[StoredObject]
    version: int
    next_key: Key | None = None
    remaining: int = 0

    def metadata(self) -> JsonObject:
        """The list's own metadata."""
        metadata: JsonObject = {"resourceVersion": str(self.version)}
        if self.next_key is not None:
            metadata["continue"] = continue_token(self.version, self.next_key)
            metadata["remainingItemCount"] = self.remaining
        return metadata


def continue_token(version: int, key: Key) -> str:
    """Where a list goes on: the version of its first page and the next key."""
    return urlsafe_b64encode(to_json({"rv": version, "start": list(key)})).decode().rstrip("=")


def parse_continue_token(token: str) -> tuple[int, Key]:
    """The version and key in a token.

    Raises:
        ApiError: 400 when the token was not made here.
    """
    try:
        document = from_json(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, name = document["start"]
        return int(document["rv"]), (str(namespace), str(name))
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request(f"continue key is not valid: {error}") from error


class Answers:
    """Renders what one request asked for; `now` is the time that ages are counted to."""

    def __init__(self, request: Request, resource: ResourceType, now: datetime) -> None:
        self._resource = resource
        self._form: AnswerForm = accepted_form(request.headers.get("accept", ""))
        self._include_object = request.query_params.get("includeObject") or "Metadata"
        self._now = now

    def one(self, stored: StoredObject, code: int = HTTPStatus.OK, warnings: Sequence[str] = ()) -> Response:
        """One object."""
        return encoded_response(self.encode(stored), code, warnings)

    def page(self, page: Page) -> Response:
        """A list of objects."""
        metadata = page.metadata()
        documents = (stored.document for stored in page.objects)
        if self._form.table:
            return json_response(self._table(documents, metadata))
        if self._form.metadata_only:
            return json_response(
                {
                    "kind": "PartialObjectMetadataList",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": metadata,
                    "items": [partial_metadata(document) for document in documents],
                }
            )
        head = to_json(
            {
                "kind": self._resource.kind_of_list,
                "apiVersion": self._resource.api_version,
                "metadata": metadata,
            }
        )
        items = b",".join(stored.encoded for stored in page.objects)
        return encoded_response(head[:-1] + b',"items":[' + items + b"]}")

    def encode(self, stored: StoredObject, with_header: bool = True) -> bytes:  # noqa: FBT001, FBT002 - a watch's encoder
        """One object as bytes; later rows of a watch go without the table's header."""
        if self._form.table:
            metadata = {"resourceVersion": stored.document["metadata"].get("resourceVersion", "")}
            return to_json(self._table([stored.document], metadata, with_header=with_header))
        if self._form.metadata_only:
            return to_json(partial_metadata(stored.document))
        return stored.encoded

    def _table(
        self, documents: Iterable[JsonObject], metadata: JsonObject, *, with_header: bool = True
    ) -> JsonObject:
        return table(
            self._resource,
            documents,
            self._now,
            list_metadata=metadata,
            include_object=self._include_object,
            with_header=with_header,
        )
