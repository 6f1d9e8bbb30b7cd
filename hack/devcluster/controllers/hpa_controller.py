"""Reads each HPA's metrics, lets `hpa.decide` decide, scales the target and writes status and Events."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from devcluster.controllers.conditions import Condition, merged, rfc3339
from devcluster.controllers.hpa import DEFAULT_TOLERANCE, Decision, Occurrence, Reading, Scale, decide
from devcluster.controllers.hpa_limits import Memory, remember_rescale
from devcluster.controllers.hpa_spec import ExternalMetric, Hpa, UnsupportedMetric
from devcluster.controllers.passes import attempt
from devcluster.controllers.quantity import parse_milli
from inferno_shared.errors import InfernoError
from inferno_shared.kubernetes import (
    HORIZONTAL_POD_AUTOSCALERS,
    PODS,
    EventRecorder,
    JsonObject,
    KubernetesClient,
    ObjectReference,
    parse_pod,
)

DEFAULT_SYNC_SECONDS = 15.0
EXTERNAL_METRICS = "/apis/external.metrics.k8s.io/v1beta1"
Key = tuple[str, str]


class HpaController:
    """Syncs each HPA once per period, a new or changed one at once."""

    def __init__(
        self,
        client: KubernetesClient,
        hpas: Mapping[Key, Hpa],
        events: EventRecorder,
        clock: Callable[[], datetime],
        *,
        sync_seconds: float = DEFAULT_SYNC_SECONDS,
        tolerance: float = DEFAULT_TOLERANCE,
    ) -> None:
        self._client = client
        self._hpas = hpas
        self._events = events
        self._clock = clock
        self._period = timedelta(seconds=sync_seconds)
        self._tolerance = tolerance
        self._memories: dict[str, Memory] = {}
        self._due: dict[tuple[str, int | None], datetime] = {}

    async def one_pass(self) -> float | None:
        """Sync the HPAs that are due; return when the next one is."""
        now = self._clock()
        hpas = {(hpa.uid, hpa.generation): hpa for hpa in self._hpas.values()}
        self._due = {key: self._due.get(key, now) for key in hpas}
        self._memories = {hpa.uid: self._memories.get(hpa.uid, Memory()) for hpa in hpas.values()}
        due = [key for key in hpas if self._due[key] <= now]
        await asyncio.gather(*(self._sync(hpas[key]) for key in due))
        for key in due:
            self._due[key] = now + self._period
        if not self._due:
            return None
        return max(0.0, (min(self._due.values()) - self._clock()).total_seconds())

    async def _sync(self, hpa: Hpa) -> None:
        try:
            scale = await self._scale(hpa)
        except InfernoError as error:
            await self._without_scale(hpa, error)
            return
        readings = await asyncio.gather(*(self._read(hpa, metric) for metric in hpa.metrics))
        now = self._clock()
        decision = decide(hpa, scale, readings, self._memories[hpa.uid], now, tolerance=self._tolerance)
        self._memories[hpa.uid] = decision.memory
        if decision.rescale:
            decision = await self._rescale(hpa, decision, now)
        for event in decision.events:
            await self._record(hpa, event)
        await self._write_status(hpa, decision, now)

    async def _scale(self, hpa: Hpa) -> Scale:
        path = hpa.target.resource().path(hpa.namespace, hpa.target.name, "scale")
        raw = await self._client.raw_get(path)
        spec, status = raw.get("spec") or {}, raw.get("status") or {}
        existing = int(status.get("replicas") or 0)
        ready = existing
        if any(isinstance(metric, ExternalMetric) and not metric.per_replica for metric in hpa.metrics):
            listing = await self._client.list(
                PODS, hpa.namespace, label_selector=status.get("selector") or None
            )
            ready = sum(parse_pod(pod).ready for pod in listing.items)
        return Scale(int(spec.get("replicas") or 0), existing, ready)

    async def _read(self, hpa: Hpa, metric: ExternalMetric | UnsupportedMetric) -> Reading:
        """Sum the series that match; a failure is a reading too."""
        if isinstance(metric, UnsupportedMetric):
            return Reading(None)
        selector = metric.label_selector()
        query = f"?{urlencode({'labelSelector': selector})}" if selector else ""
        path = f"{EXTERNAL_METRICS}/namespaces/{quote(hpa.namespace)}/{quote(metric.name, safe='')}{query}"
        try:
            items = (await self._client.raw_get(path)).get("items") or []
            if not items:
                return Reading(None, "no metrics returned from external metrics API")
            return Reading(sum(parse_milli(item["value"], f"{metric.name}.value") for item in items))
        except InfernoError as error:
            return Reading(None, f"unable to fetch metrics from external metrics API: {error}")

    async def _rescale(self, hpa: Hpa, decision: Decision, now: datetime) -> Decision:
        patch = {"spec": {"replicas": decision.replicas}}
        resource = hpa.target.resource()
        try:
            await self._client.merge_patch(
                resource, patch, hpa.target.name, hpa.namespace, subresource="scale"
            )
        except InfernoError as error:
            message = f"the HPA controller was unable to update the target scale: {error}"
            failed = Condition("AbleToScale", holds=False, reason="FailedUpdateScale", message=message)
            others = (one for one in decision.conditions if one.type != "AbleToScale")
            what = f"New size: {decision.replicas}; reason: {decision.reason}; error: {error}"
            return replace(
                decision,
                replicas=decision.current,
                conditions=(failed, *others),
                events=(Occurrence("Warning", "FailedRescale", what),),
            )
        change = decision.replicas - decision.current
        self._memories[hpa.uid] = remember_rescale(self._memories[hpa.uid], hpa.behavior, change, now)
        return decision

    async def _without_scale(self, hpa: Hpa, error: InfernoError) -> None:
        message = f"the HPA controller was unable to get the target's current scale: {error}"
        failed = Condition("AbleToScale", holds=False, reason="FailedGetScale", message=message)
        await self._record(hpa, Occurrence("Warning", "FailedGetScale", str(error)))
        now = self._clock()

        def change(current: JsonObject) -> JsonObject:
            status: JsonObject = current.get("status") or {}
            conditions = merged(status.get("conditions") or (), [failed], now)
            return {"desiredReplicas": 0, "currentMetrics": [], **status, "conditions": conditions}

        await self._write(hpa, change)

    async def _write_status(self, hpa: Hpa, decision: Decision, now: datetime) -> None:
        def change(current: JsonObject) -> JsonObject:
            status: JsonObject = current.get("status") or {}
            desired = status.get("desiredReplicas", 0) if decision.keep_desired else decision.replicas
            written = {
                **{key: status[key] for key in ("lastScaleTime",) if key in status},
                "observedGeneration": hpa.generation,
                "currentReplicas": decision.current,
                "desiredReplicas": desired,
                "currentMetrics": list(decision.metrics) or status.get("currentMetrics") or [],
                "conditions": merged(status.get("conditions") or (), decision.conditions, now),
            }
            if decision.rescale:
                written["lastScaleTime"] = rfc3339(now)
            return written

        await self._write(hpa, change)

    async def _write(self, hpa: Hpa, change: Callable[[JsonObject], JsonObject]) -> None:
        action = self._client.update_status(HORIZONTAL_POD_AUTOSCALERS, hpa.name, hpa.namespace, change)
        await attempt("status", f"HorizontalPodAutoscaler {hpa.namespace}/{hpa.name}", action)

    async def _record(self, hpa: Hpa, event: Occurrence) -> None:
        reference = ObjectReference(
            HORIZONTAL_POD_AUTOSCALERS.api_version,
            HORIZONTAL_POD_AUTOSCALERS.kind,
            hpa.namespace,
            hpa.name,
            hpa.uid,
        )
        await self._events.record(
            reference, "Normal" if event.type == "Normal" else "Warning", event.reason, event.message
        )
