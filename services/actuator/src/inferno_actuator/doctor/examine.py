"""Reads everything that the doctor looks at, changes nothing, and goes on whatever cannot be read."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx

from inferno_actuator.clients import CollectorClient
from inferno_actuator.cluster import SETTINGS_CONFIG_MAP, WATCHED_CONFIG_MAPS, known_of
from inferno_actuator.doctor.findings import Finding, failure, ok
from inferno_actuator.doctor.installation import (
    CRD,
    METRICS_SERVICE,
    check_config_map,
    check_definition,
    check_monitors,
    check_service,
)
from inferno_actuator.doctor.prometheus import check_prometheus
from inferno_actuator.doctor.rights import ACCESS_REVIEWS, RIGHTS, Right, judge_rights
from inferno_actuator.doctor.variants import Facts, check_variant
from inferno_actuator.known import KnownVariant
from inferno_actuator.metric_names import DESIRED, VARIANT
from inferno_actuator.settings import ActuatorSettings
from inferno_actuator.stages import StageError
from inferno_shared.contracts import Snapshot
from inferno_shared.errors import (
    InfernoError,
    KubernetesError,
    MalformedObjectError,
    NotFoundError,
    UpstreamError,
)
from inferno_shared.kubernetes import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    HORIZONTAL_POD_AUTOSCALERS,
    SERVICES,
    VARIANT_AUTOSCALINGS,
    KubernetesClient,
    Resource,
    parse_variant_autoscaling,
)
from inferno_shared.kubernetes.autoscalers import HorizontalPodAutoscaler, parse_horizontal_pod_autoscaler
from inferno_shared.service import request_with_retry

SERVICE_MONITORS: Final = Resource("monitoring.coreos.com", "v1", "servicemonitors", "ServiceMonitor")
T = TypeVar("T")


async def examine(
    kubernetes: KubernetesClient,
    collector: httpx.AsyncClient,
    optimizer: httpx.AsyncClient,
    settings: ActuatorSettings,
) -> AsyncIterator[Finding]:
    """Every finding, in the order in which things depend on each other."""
    namespace = settings.namespace
    try:
        await kubernetes.raw_get("/version")
    except KubernetesError as error:
        yield failure("API server", str(error), "check $KUBECONFIG: kubectl version")
        return
    yield ok("API server", "answers")
    yield check_definition(await _get(kubernetes, CUSTOM_RESOURCE_DEFINITIONS, CRD))
    for finding in judge_rights(await _rights(kubernetes, namespace)):
        yield finding
    for name in WATCHED_CONFIG_MAPS:
        found = await _get(kubernetes, CONFIG_MAPS, name, namespace)
        for finding in check_config_map(name, namespace, None if found is None else found.get("data") or {}):
            yield finding
    settings_map = await _get(kubernetes, CONFIG_MAPS, SETTINGS_CONFIG_MAP, namespace)
    if settings_map is not None:
        yield await check_prometheus(settings_map.get("data") or {})
    service = await _get(kubernetes, SERVICES, METRICS_SERVICE, namespace)
    labels = None if service is None else service["metadata"].get("labels") or {}
    yield check_monitors(await _list(kubernetes, SERVICE_MONITORS, lambda raw: raw), labels)
    for finding in check_service("optimizer", await _silence(optimizer), settings.optimizer_url):
        yield finding
    snapshot = await _snapshot(collector)
    problem = snapshot if isinstance(snapshot, str) else None
    for finding in check_service("collector", problem, settings.collector_url):
        yield finding
    if isinstance(snapshot, Snapshot):
        async for finding in _variants(kubernetes, snapshot):
            yield finding


async def _variants(kubernetes: KubernetesClient, snapshot: Snapshot) -> AsyncIterator[Finding]:
    variants = await _list(kubernetes, VARIANT_AUTOSCALINGS, _known)
    autoscalers = await _list(kubernetes, HORIZONTAL_POD_AUTOSCALERS, _autoscaler)
    readable = None if autoscalers is None else [hpa for hpa in autoscalers if hpa is not None]
    for known in variants or ():
        facts = Facts(
            known=known,
            snapshot=snapshot,
            autoscalers=readable,
            metric=await _metric(kubernetes, known),
        )
        for finding in check_variant(facts):
            yield finding


def _known(raw: dict[str, Any]) -> KnownVariant:
    try:
        return known_of(parse_variant_autoscaling(raw))
    except MalformedObjectError as error:
        metadata = raw["metadata"]
        return KnownVariant(namespace=metadata["namespace"], name=metadata["name"], malformed=str(error))


def _autoscaler(raw: dict[str, Any]) -> HorizontalPodAutoscaler | None:
    try:
        return parse_horizontal_pod_autoscaler(raw)
    except MalformedObjectError:
        return None


async def _get(
    kubernetes: KubernetesClient, resource: Resource, name: str, namespace: str | None = None
) -> dict[str, Any] | None:
    try:
        return await kubernetes.get(resource, name, namespace)
    except KubernetesError:
        return None


async def _list(
    kubernetes: KubernetesClient, resource: Resource, parse: Callable[[dict[str, Any]], T]
) -> list[T] | None:
    try:
        return [parse(raw) for raw in (await kubernetes.list(resource)).items]
    except KubernetesError:
        return None


async def _rights(kubernetes: KubernetesClient, namespace: str) -> Mapping[Right, bool]:
    allowed = {}
    for right in RIGHTS:
        try:
            answer = await kubernetes.create(ACCESS_REVIEWS, right.review(namespace))
        except KubernetesError:
            allowed[right] = False
        else:
            allowed[right] = bool((answer.get("status") or {}).get("allowed"))
    return allowed


async def _metric(kubernetes: KubernetesClient, known: KnownVariant) -> tuple[str, ...] | str:
    selector = quote(f"{VARIANT}={known.name}", safe="")
    path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{known.namespace}/{DESIRED.name}"
    try:
        answer = await kubernetes.raw_get(f"{path}?labelSelector={selector}")
    except NotFoundError:
        return "nobody serves external.metrics.k8s.io"
    except KubernetesError as error:
        return str(error)
    values = tuple(str(item.get("value")) for item in answer.get("items") or ())
    return values or "there is no series of this variant"


async def _silence(http: httpx.AsyncClient) -> str | None:
    """Why a service does not answer; None when it does."""
    try:
        await request_with_retry(http, "GET", "/healthz")
    except UpstreamError as error:
        return str(error)
    return None


async def _snapshot(http: httpx.AsyncClient) -> Snapshot | str:
    try:
        return await CollectorClient(http).snapshot()
    except (StageError, InfernoError) as error:
        return str(error)
