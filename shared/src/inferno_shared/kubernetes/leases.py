"""Leader election by a coordination.k8s.io Lease: one writer at a time, and a count to fence a deposed one.

A holder that cannot renew stops being leader before its lease can be taken: it counts from the moment it sent
the last successful renewal, on its own monotonic clock. Others wait a whole lease duration in which the lease
did not change, also on their own clock, so no two clocks are ever compared.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from inferno_shared.errors import ConflictError, KubernetesError, NotFoundError
from inferno_shared.kubernetes.client import JsonObject, KubernetesClient
from inferno_shared.kubernetes.resources import LEASES

RELEASE_TIMEOUT_SECONDS = 3.0

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Observation:
    """The lease as last read, and when it was first seen like that."""

    holder: str
    version: str
    duration_seconds: float
    since: float
    annotations: Mapping[str, str]


class LeaseElector:
    """Competes for the lease `namespace/name` under `identity` while `run` runs; releases it when cancelled.

    `on_change` is called with True when leadership is won and False when it is lost. `publish` gives the
    annotations that the lease gets with each renewal; others, also those of an earlier holder, stay.
    """

    def __init__(
        self,
        client: KubernetesClient,
        namespace: str,
        name: str,
        identity: str,
        *,
        duration_seconds: int = 15,
        renew_seconds: float = 5,
        retry_seconds: float = 2,
        on_change: Callable[[bool], None] | None = None,
        publish: Callable[[], Mapping[str, str]] = dict,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if not renew_seconds + retry_seconds < duration_seconds:
            raise ValueError("renew_seconds + retry_seconds must be below duration_seconds")
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._duration_seconds = duration_seconds
        self._renew_seconds = renew_seconds
        self._retry_seconds = retry_seconds
        self._on_change = on_change
        self._publish = publish
        self._clock = clock
        self._wall_clock = wall_clock
        self._sleep = sleep
        self._seen: _Observation | None = None
        self._leader_until: float | None = None
        self._announced = False
        self._transitions = 0
        self._problem: str | None = None

    @property
    def is_leader(self) -> bool:
        """Whether this process may write now."""
        return self._leader_until is not None and self._clock() < self._leader_until

    @property
    def transitions(self) -> int:
        """How often the lease changed hands, up to and including our own term: a fencing token."""
        return self._transitions

    @property
    def holder(self) -> str | None:
        """Who holds the lease, as last read."""
        return (self._seen.holder or None) if self._seen else None

    @property
    def annotations(self) -> Mapping[str, str]:
        """Annotations of the lease, as last read."""
        return self._seen.annotations if self._seen else {}

    @property
    def problem(self) -> str | None:
        """Why the lease could not be read or written last time."""
        return self._problem

    async def run(self) -> None:
        """Acquire and renew until cancelled, then release."""
        try:
            while True:
                await self.step()
                renewed = self.is_leader and self._problem is None
                await self._sleep(self._renew_seconds if renewed else self._retry_seconds)
        finally:
            await self._release()

    async def step(self) -> None:
        """Try once to acquire or renew."""
        sent_at = self._clock()
        try:
            held = await self._try_to_hold()
        except KubernetesError as error:
            if str(error) != self._problem:
                log.warning("lease not renewed", lease=self._name, reason=str(error))
            self._problem = str(error)
        else:
            self._problem = None
            self._leader_until = sent_at + self._duration_seconds - self._retry_seconds if held else None
        self._announce()

    async def _try_to_hold(self) -> bool:
        try:
            lease = await self._client.get(LEASES, self._name, self._namespace)
        except NotFoundError:
            return await self._create()
        self._observe(lease)
        if not self._may_take():
            return False
        taken_over = self.holder != self._identity
        try:
            written = await self._client.replace(
                LEASES, self._renewed(lease, taken_over=taken_over), self._name, self._namespace
            )
        except ConflictError:
            return False
        self._observe(written)
        self._transitions = _transitions(written)
        return True

    async def _create(self) -> bool:
        body = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": self._name, "namespace": self._namespace},
        }
        try:
            written = await self._client.create(
                LEASES, self._renewed(body, taken_over=False), self._namespace
            )
        except ConflictError:
            return False
        self._observe(written)
        self._transitions = _transitions(written)
        return True

    def _may_take(self) -> bool:
        seen = self._seen
        if seen is None or seen.holder in {"", self._identity}:
            return True
        return self._clock() >= seen.since + seen.duration_seconds

    def _observe(self, lease: JsonObject) -> None:
        spec, metadata = lease.get("spec") or {}, lease.get("metadata") or {}
        version = str(metadata.get("resourceVersion") or "")
        if self._seen is not None and self._seen.version == version:
            return
        self._seen = _Observation(
            holder=str(spec.get("holderIdentity") or ""),
            version=version,
            duration_seconds=float(spec.get("leaseDurationSeconds") or self._duration_seconds),
            since=self._clock(),
            annotations=dict(metadata.get("annotations") or {}),
        )

    def _renewed(self, lease: JsonObject, *, taken_over: bool) -> JsonObject:
        now = _micro_time(self._wall_clock())
        spec: dict[str, Any] = dict(lease.get("spec") or {})
        if taken_over or "acquireTime" not in spec:
            spec["acquireTime"] = now
        spec["leaseTransitions"] = _transitions(lease) + taken_over
        spec["holderIdentity"] = self._identity
        spec["leaseDurationSeconds"] = self._duration_seconds
        spec["renewTime"] = now
        metadata: dict[str, Any] = dict(lease["metadata"])
        if published := self._publish():
            metadata["annotations"] = {**(metadata.get("annotations") or {}), **published}
        return {**lease, "metadata": metadata, "spec": spec}

    async def _release(self) -> None:
        """Give the lease up so that a standby need not wait; bounded, and a failure only costs that wait."""
        was_leader = self.is_leader
        self._leader_until = None
        self._announce()
        if not was_leader:
            return
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT_SECONDS):
                lease = await self._client.get(LEASES, self._name, self._namespace)
                if (lease.get("spec") or {}).get("holderIdentity") == self._identity:
                    spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._client.replace(LEASES, {**lease, "spec": spec}, self._name, self._namespace)
        except (KubernetesError, TimeoutError) as error:
            log.warning("lease not released, a standby must wait for it", lease=self._name, reason=str(error))

    def _announce(self) -> None:
        leading = self.is_leader
        if leading == self._announced:
            return
        self._announced = leading
        log.info("leadership won" if leading else "leadership lost", lease=self._name, holder=self.holder)
        if self._on_change is not None:
            self._on_change(leading)


def _transitions(lease: JsonObject) -> int:
    return int((lease.get("spec") or {}).get("leaseTransitions") or 0)


def _micro_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
