"""Server-side tables: what kubectl prints for `get` without `-o`."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from devcluster.apiserver.objects.json_types import JsonObject, JsonValue
from devcluster.apiserver.objects.resource_types import Column, ResourceType
from devcluster.apiserver.printing.core_columns import DEFAULT_COLUMNS

_PARTIAL = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}


def table(
    resource: ResourceType,
    documents: Iterable[JsonObject],
    now: datetime,
    *,
    list_metadata: JsonObject,
    include_object: str = "Metadata",
    with_header: bool = True,
) -> JsonObject:
    """The objects as a `meta.k8s.io/v1` Table; `include_object` is None, Metadata or Object."""
    columns = resource.columns or DEFAULT_COLUMNS
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list_metadata,
        "columnDefinitions": [_definition(column) for column in columns] if with_header else None,
        "rows": [_row(columns, document, now, include_object) for document in documents],
    }


def partial_metadata(document: JsonObject) -> JsonObject:
    """An object reduced to its metadata."""
    return {**_PARTIAL, "metadata": document["metadata"]}


def cells(columns: Iterable[Column], document: JsonObject, now: datetime) -> Iterator[JsonValue]:
    """The values of one row."""
    for column in columns:
        yield column.render(document, now)


def _row(columns: Iterable[Column], document: JsonObject, now: datetime, include_object: str) -> JsonObject:
    row: JsonObject = {"cells": list(cells(columns, document, now))}
    if include_object == "Object":
        row["object"] = document
    elif include_object != "None":
        row["object"] = partial_metadata(document)
    return row


def _definition(column: Column) -> JsonObject:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }
