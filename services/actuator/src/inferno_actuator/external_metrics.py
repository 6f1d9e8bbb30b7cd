"""Serves external.metrics.k8s.io/v1beta1: HPAs without Prometheus and adapter.

The API server's aggregator sends requests here (`config/external-metrics`). Labels are those of the
exported series, and `exported_namespace` as well, which is what the namespace is called behind a Prometheus
adapter: the same HPA works with either.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from inferno_actuator.conditions import timestamp
from inferno_actuator.label_selector import LabelSelector, LabelSelectorError, parse_label_selector
from inferno_actuator.metric_names import CURRENT, DESIRED, NAMESPACE, RATIO, MetricName
from inferno_actuator.variant_series import Sample

GROUP: Final = "external.metrics.k8s.io"
VERSION: Final = "v1beta1"
GROUP_VERSION: Final = f"{GROUP}/{VERSION}"
EXPORTED: Final = {metric.name: metric for metric in (DESIRED, CURRENT, RATIO)}

LabelSelectorText = Annotated[str, Query(alias="labelSelector", max_length=4_096)]

_ROOT: Final = f"/apis/{GROUP_VERSION}"
_API_GROUP: Final[Mapping[str, Any]] = {
    "name": GROUP,
    "versions": [{"groupVersion": GROUP_VERSION, "version": VERSION}],
    "preferredVersion": {"groupVersion": GROUP_VERSION, "version": VERSION},
}


Exported = Callable[[MetricName], tuple[list[Sample], datetime]]
"""The samples of a metric that may be exported now, and their time."""


def external_metrics_router(exported: Callable[[Request], Exported]) -> APIRouter:
    """The API's endpoints: discovery and values.

    Args:
        exported: where the values come from, given a request.
    """
    router = APIRouter(tags=["external.metrics.k8s.io"])

    @router.get("/apis", summary="Discovery: the one API group served here")
    async def groups() -> JSONResponse:
        return JSONResponse({"kind": "APIGroupList", "apiVersion": "v1", "groups": [_API_GROUP]})

    @router.get(f"/apis/{GROUP}", summary="Discovery: its versions")
    async def group() -> JSONResponse:
        return JSONResponse({"kind": "APIGroup", "apiVersion": "v1", **_API_GROUP})

    @router.get(_ROOT, summary="Discovery: its metrics")
    async def resources() -> JSONResponse:
        return JSONResponse(_resource_list())

    @router.get(f"{_ROOT}/namespaces/{{namespace}}/{{metric}}", summary="Values of one metric")
    async def values(
        request: Request, namespace: str, metric: str, label_selector: LabelSelectorText = ""
    ) -> JSONResponse:
        if metric not in EXPORTED:
            message = (
                f"the server could not find the metric {metric}; there are {', '.join(sorted(EXPORTED))}"
            )
            return _failure(HTTPStatus.NOT_FOUND, "NotFound", message)
        try:
            selector = parse_label_selector(label_selector)
        except LabelSelectorError as error:
            return _failure(HTTPStatus.BAD_REQUEST, "BadRequest", str(error))
        samples, at = exported(request)(EXPORTED[metric])
        found = value_list(metric, samples, namespace=namespace, selector=selector, at=at)
        return JSONResponse(found)

    return router


def value_list(
    metric: str, samples: list[Sample], *, namespace: str, selector: LabelSelector, at: datetime
) -> dict[str, Any]:
    """The ExternalMetricValueList of the samples that are in `namespace` and selected; empty when none is.

    `at` becomes their timestamp.
    """
    inside = (sample for sample in samples if sample.labels[NAMESPACE] == namespace)
    labelled = (({**sample.labels, "exported_namespace": namespace}, sample.value) for sample in inside)
    return {
        "kind": "ExternalMetricValueList",
        "apiVersion": GROUP_VERSION,
        "metadata": {},
        "items": [
            {
                "metricName": metric,
                "metricLabels": labels,
                "timestamp": timestamp(at.astimezone(UTC)),
                "value": quantity(value),
            }
            for labels, value in labelled
            if selector.matches(labels)
        ],
    }


def quantity(value: float) -> str:
    """A Kubernetes quantity in thousandths, rounded up like there. Example: 3.0 is `3`, 4/3 `1334m`."""
    thousandths = math.ceil(Decimal(repr(value)) * 1000)
    whole, rest = divmod(thousandths, 1000)
    return str(whole) if rest == 0 else f"{thousandths}m"


def _resource_list() -> dict[str, Any]:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": GROUP_VERSION,
        "resources": [
            {
                "name": name,
                "singularName": "",
                "namespaced": True,
                "kind": "ExternalMetricValueList",
                "verbs": ["get"],
            }
            for name in sorted(EXPORTED)
        ],
    }


def _failure(status: HTTPStatus, reason: str, message: str) -> JSONResponse:
    """A Kubernetes Status object, as kubectl and the HPA controller read it."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": int(status),
    }
    return JSONResponse(body, status_code=status)
