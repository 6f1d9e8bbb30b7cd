"""What a request asks for: its path taken apart, its options, its body, and the form of answer it accepts."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import yaml
from pydantic_core import from_json
from starlette.requests import Request

from devcluster.apiserver.objects.json_types import JsonObject, JsonValue
from devcluster.apiserver.objects.resources import DeleteOptions, WriteOptions
from devcluster.apiserver.objects.status import ApiError, bad_request, unknown_path
from devcluster.apiserver.web import protobuf

_TRUE = frozenset({"true", "1", ""})
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


class _Loader(yaml.CSafeLoader):
    """Safe YAML whose times stay text, as in JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class ResourcePath:
    """The parts of /api/v1/... or /apis/GROUP/VERSION/...; `rest` is what follows the subresource."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""


def parse_resource_path(path: str) -> ResourcePath:
    """Take a path apart.

    Raises:
        ApiError: 404 when it is no path of a resource.
    """
    match [segment for segment in path.split("/") if segment]:
        case ["api", version, *parts] if parts:
            group = ""
        case ["apis", group, version, *parts] if parts:
            pass
        case _:
            raise unknown_path()
    namespace = ""
    match parts:
        case ["namespaces", inside, first, *others] if first not in _NAMESPACE_SUBRESOURCES:
            namespace, parts = inside, [first, *others]
    plural, name, subresource = [*parts, "", ""][:3]
    return ResourcePath(group, version, plural, namespace, name, subresource, "/".join(parts[3:]))


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """How the client wants objects: as they are, as a Table, or as metadata only."""

    table: bool = False
    metadata_only: bool = False


def accepted_form(accept: str) -> AnswerForm:
    """The first acceptable form of an Accept header; JSON is the only encoding.

    Raises:
        ApiError: 406 when nothing of it can be served.
    """
    if not accept:
        return AnswerForm()
    for alternative in accept.split(","):
        media_type, *parameters = (part.strip() for part in alternative.split(";"))
        if media_type not in {"application/json", "*/*", "application/*"}:
            continue
        values = dict(part.partition("=")[::2] for part in parameters)
        form, version = values.get("as", ""), values.get("v", "v1")
        if not form or (form == "Table" and version == "v1"):
            return AnswerForm(table=bool(form))
        if form.startswith("PartialObjectMetadata") and version == "v1":
            return AnswerForm(metadata_only=True)
    raise ApiError(
        HTTPStatus.NOT_ACCEPTABLE,
        "NotAcceptable",
        "only the following media types are accepted: application/json, "
        "application/json;as=Table;v=v1;g=meta.k8s.io",
    )


def flag(request: Request, name: str) -> bool:
    """A boolean query parameter, as Kubernetes reads it."""
    value = request.query_params.get(name)
    return value is not None and value.lower() in _TRUE


def number(request: Request, name: str) -> int | None:
    """An integer query parameter.

    Raises:
        ApiError: 400 when it is no integer.
    """
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise bad_request(f"the query parameter {name} must be an integer, not {text!r}") from None


def is_dry_run(request: Request) -> bool:
    """Whether nothing must be persisted.

    Raises:
        ApiError: 400 for a directive other than All.
    """
    directives = request.query_params.getlist("dryRun")
    if any(directive != "All" for directive in directives):
        raise bad_request(f"invalid dry run option: {directives}; it must be All")
    return bool(directives)


def write_options(request: Request) -> WriteOptions:
    """The options of a create, update or patch."""
    validation = request.query_params.get("fieldValidation") or "Warn"
    if validation not in {"Ignore", "Warn", "Strict"}:
        raise bad_request(f'fieldValidation must be Ignore, Warn or Strict, not "{validation}"')
    return WriteOptions(dry_run=is_dry_run(request), field_validation=validation)


async def delete_options(request: Request) -> DeleteOptions:
    """The options of a delete, from its body and its query."""
    body = await request.body()
    given = object_from(body, request.headers.get("content-type", "")) if body.strip() else {}
    preconditions = given.get("preconditions") or {}
    grace_seconds = number(request, "gracePeriodSeconds")
    if grace_seconds is None:
        grace_seconds = given.get("gracePeriodSeconds")
    policy = request.query_params.get("propagationPolicy") or given.get("propagationPolicy") or "Background"
    return DeleteOptions(
        grace_seconds=grace_seconds,
        propagation_policy=str(policy),
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        dry_run=is_dry_run(request) or bool(given.get("dryRun")),
    )


async def object_body(request: Request) -> JsonObject:
    """The body as an object."""
    return object_from(await request.body(), request.headers.get("content-type", ""))


def object_from(body: bytes, content_type: str) -> JsonObject:
    """The JSON or YAML object in a body.

    Raises:
        ApiError: 400 when it is none, 415 for an encoding that is not read.
    """
    document = value_from(body, content_type)
    if not isinstance(document, dict):
        raise bad_request("the body of the request must be an object")
    return document


def value_from(body: bytes, content_type: str) -> JsonValue:
    """The JSON or YAML value in a body.

    Raises:
        ApiError: 400 when it cannot be parsed, 415 for an encoding that is not read.
    """
    if "cbor" in content_type:
        raise ApiError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml",
        )
    try:
        if "yaml" in content_type:
            return cast("JsonValue", yaml.load(body, Loader=_Loader))  # noqa: S506 - a safe loader's child
        if content_type.startswith(protobuf.MEDIA_TYPE):
            return protobuf.decode_object(body)
        return cast("JsonValue", from_json(body, allow_inf_nan=False))
    except (ValueError, yaml.YAMLError) as error:
        raise bad_request(f"the body of the request cannot be parsed: {error}") from error
