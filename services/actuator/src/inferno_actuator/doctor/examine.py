"""Reads everything that the doctor looks at, changes nothing, and goes on whatever cannot be read."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx

from inferno_actuator.clients import CollectorClient
from inferno_actuator.cluster import SETTINGS_CONFIG_MAP, WATCHED_CONFIG_MAPS, known_of
from inferno_actuator.doctor.findings import Finding, failure, ok, warning
from inferno_actuator.doctor.installation import (
    CRD,
    check_config_map,
    check_definition,
    check_service,
)
from inferno_actuator.doctor.monitors import METRICS_SERVICE, check_monitors
from inferno_actuator.doctor.prometheus import check_prometheus, not_asked
from inferno_actuator.doctor.rights import ACCESS_REVIEWS, Right, judge_rights
from inferno_actuator.doctor.scaling import rights_in_use
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
POD_MONITORS: Final = Resource("monitoring.coreos.com", "v1", "podmonitors", "PodMonitor")
T = TypeVar("T")

_AS_ADMINISTRATOR: Final = "run the doctor with an administrator's kubeconfig"


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
    watched = settings.watch_namespaces
    variants = await _list(kubernetes, VARIANT_AUTOSCALINGS, _known, watched) or []
    definition = await _get(kubernetes, CUSTOM_RESOURCE_DEFINITIONS, CRD)
    yield _unreadable(f"CRD {CRD}", definition) or check_definition(_object(definition))
    rights, unscalable = await rights_in_use(kubernetes, variants)
    for finding in (*judge_rights(await _granted(kubernetes, settings, rights)), *unscalable):
        yield finding
    configured = await _config_maps(kubernetes, namespace)
    for finding in _configured(configured, namespace):
        yield finding
    yield await _monitors(kubernetes, namespace)
    for finding in check_service("optimizer", await _silence(optimizer), settings.optimizer_url):
        yield finding
    snapshot = await _snapshot(collector)
    problem = snapshot if isinstance(snapshot, str) else None
    for finding in check_service("collector", problem, settings.collector_url):
        yield finding
    if isinstance(configured, dict) and SETTINGS_CONFIG_MAP in configured:
        scraped = isinstance(snapshot, Snapshot) and _is_scraped(snapshot)
        yield not_asked() if scraped else await check_prometheus(configured[SETTINGS_CONFIG_MAP])
    if isinstance(snapshot, Snapshot):
        async for finding in _variants(kubernetes, snapshot, variants, watched):
            yield finding


ConfigMaps = dict[str, dict[str, str]]


async def _config_maps(kubernetes: KubernetesClient, namespace: str) -> ConfigMaps | KubernetesError:
    try:
        listed = (await kubernetes.list(CONFIG_MAPS, namespace)).items
    except KubernetesError as error:
        return error
    return {it["metadata"]["name"]: it.get("data") or {} for it in listed}


def _configured(configured: ConfigMaps | KubernetesError, namespace: str) -> Iterator[Finding]:
    if isinstance(configured, KubernetesError):
        yield warning(f"ConfigMaps of {namespace}", str(configured), _AS_ADMINISTRATOR)
        return
    for name in WATCHED_CONFIG_MAPS:
        yield from check_config_map(name, namespace, configured.get(name))


async def _monitors(kubernetes: KubernetesClient, namespace: str) -> Finding:
    service = await _get(kubernetes, SERVICES, METRICS_SERVICE, namespace)
    try:
        monitors: Sequence[dict[str, Any]] | None = (await kubernetes.list(SERVICE_MONITORS)).items
    except NotFoundError:
        monitors = None
    except KubernetesError as error:
        return warning(SERVICE_MONITORS.kind, f"cannot be read: {error}", _AS_ADMINISTRATOR)
    if unreadable := _unreadable(f"Service {METRICS_SERVICE}", service):
        return unreadable
    pod_monitors = await _list(kubernetes, POD_MONITORS, lambda raw: raw)
    return check_monitors(monitors, _object(service), pod_monitors or ())


def _is_scraped(snapshot: Snapshot) -> bool:
    """Whether every load that is known comes from the pods themselves."""
    sources = {variant.load.source for variant in snapshot.variants if variant.load.source}
    return sources == {"scrape"}


async def _variants(
    kubernetes: KubernetesClient,
    snapshot: Snapshot,
    variants: Sequence[KnownVariant],
    watched: Sequence[str],
) -> AsyncIterator[Finding]:
    autoscalers = await _list(kubernetes, HORIZONTAL_POD_AUTOSCALERS, _autoscaler, watched)
    readable = None if autoscalers is None else [hpa for hpa in autoscalers if hpa is not None]
    for known in variants:
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
) -> dict[str, Any] | KubernetesError:
    try:
        return await kubernetes.get(resource, name, namespace)
    except KubernetesError as error:
        return error


def _object(answer: dict[str, Any] | KubernetesError) -> dict[str, Any] | None:
    return None if isinstance(answer, KubernetesError) else answer


def _unreadable(subject: str, answer: dict[str, Any] | KubernetesError) -> Finding | None:
    """That something could not be read, which is not the same as not being there."""
    if not isinstance(answer, KubernetesError) or isinstance(answer, NotFoundError):
        return None
    return warning(subject, f"cannot be read: {answer}", _AS_ADMINISTRATOR)


async def _list(
    kubernetes: KubernetesClient,
    resource: Resource,
    parse: Callable[[dict[str, Any]], T],
    namespaces: Sequence[str] = (),
) -> list[T] | None:
    """Every object of these namespaces (none: of all); None when they cannot be read."""
    try:
        listings = [await kubernetes.list(resource, it) for it in namespaces or (None,)]
    except KubernetesError:
        return None
    return [parse(raw) for listing in listings for raw in listing.items]


async def _granted(
    kubernetes: KubernetesClient, settings: ActuatorSettings, rights: Iterable[Right]
) -> Mapping[Right, bool]:
    allowed = {}
    for right in rights:
        where = (settings.namespace,) if right.local else settings.watch_namespaces or ("",)
        allowed[right] = all([await _has(kubernetes, right, namespace) for namespace in where])
    return allowed


async def _has(kubernetes: KubernetesClient, right: Right, namespace: str) -> bool:
    try:
        answer = await kubernetes.create(ACCESS_REVIEWS, right.review(namespace))
    except KubernetesError:
        return False
    return bool((answer.get("status") or {}).get("allowed"))


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
