"""Scales targets itself, for variants in mode `direct`: fenced, version-checked, a few at a time.

The order of steps is part of the fencing protocol (see `fencing`): read the scale, make sure that the
VariantAutoscaling carries our token and no later one, then write the scale as it was read.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from inferno_actuator.actuation.judge import not_scaled
from inferno_actuator.actuation.verdict import Actuation
from inferno_actuator.conditions import ConditionReason
from inferno_actuator.decisions import Decision
from inferno_actuator.fencing import Fence
from inferno_actuator.known import Key, counted
from inferno_actuator.status import FENCING, token_of
from inferno_shared.errors import ConflictError, KubernetesError
from inferno_shared.kubernetes import VARIANT_AUTOSCALINGS, KubernetesClient
from inferno_shared.kubernetes.scales import ScaleClient

_ATTEMPTS: Final = 4

log = structlog.stdlib.get_logger(__name__)


class LaterLeaderError(Exception):
    """Another process leads, or led after us."""


class DirectScaler:
    """Brings targets to their desired replicas.

    Args:
        client: reads and stamps VariantAutoscalings.
        fence: the term of this process.
        concurrency: targets under way at once.
    """

    def __init__(self, client: KubernetesClient, fence: Fence, *, concurrency: int) -> None:
        self._client = client
        self._scales = ScaleClient(client)
        self._fence = fence
        self._concurrency = concurrency

    async def act(self, decisions: Sequence[Decision]) -> Mapping[Key, Actuation]:
        """Carry the decisions out; what became of each. One that fails never stops the others."""
        slots = asyncio.Semaphore(self._concurrency)

        async def bounded(decision: Decision) -> Actuation:
            async with slots:
                return await self._act_on(decision)

        outcomes = await asyncio.gather(*(bounded(decision) for decision in decisions))
        return {decision.key: outcome for decision, outcome in zip(decisions, outcomes, strict=True)}

    async def _act_on(self, decision: Decision) -> Actuation:
        wanted = decision.desired.replicas if decision.desired else 0
        what = decision.known.target_words
        if decision.current_replicas == wanted:
            return _done(f"{what} has {counted(wanted)}, as desired")
        try:
            before = await self._scaled(decision, wanted)
        except LaterLeaderError:
            message = f"{what} is not scaled: a later leader has taken over"
            return Actuation(works=False, reason=ConditionReason.SCALE_FAILED, message=message, routine=True)
        except KubernetesError as error:
            log.warning(
                "target not scaled", namespace=decision.key[0], variant=decision.key[1], reason=str(error)
            )
            return not_scaled(decision, str(error))
        if before == wanted:
            return _done(f"{what} has {counted(wanted)}, as desired")
        log.info(
            "target scaled", namespace=decision.key[0], variant=decision.key[1], before=before, after=wanted
        )
        return _done(f"{what} was scaled from {before} to {counted(wanted)}")

    async def _scaled(self, decision: Decision, wanted: int) -> int:
        """Replicas asked for before; now they are the wanted ones."""
        known = decision.known
        if known.target is None:
            raise KubernetesError("its scale target is not known")
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                scale = await self._scales.read(known.target, known.namespace)
                if scale.replicas == wanted:
                    return wanted
                await self._claim(known.name, known.namespace)
                await self._scales.write(
                    known.target,
                    known.namespace,
                    replicas=wanted,
                    resource_version=scale.resource_version,
                )
            except ConflictError:
                if attempt == _ATTEMPTS:
                    raise
            else:
                return scale.replicas
        raise AssertionError

    async def _claim(self, name: str, namespace: str) -> None:
        """Make sure that the object carries our token. Raises LaterLeaderError when it has a later one."""
        if not self._fence.may_write:
            raise LaterLeaderError
        token = self._fence.token
        if token is None:
            return
        current = await self._client.get(VARIANT_AUTOSCALINGS, name, namespace)
        theirs = token_of(current.get("status") or {})
        if theirs is not None and theirs > token:
            if not await self._fence.outrun(theirs):
                raise LaterLeaderError
            token = self._fence.token
        if theirs != token:
            version = current["metadata"]["resourceVersion"]
            stamp = {"metadata": {"resourceVersion": version}, "status": {"actuation": {FENCING: token}}}
            await self._client.merge_patch(VARIANT_AUTOSCALINGS, stamp, name, namespace, subresource="status")
        if not self._fence.may_write:
            raise LaterLeaderError


def _done(message: str) -> Actuation:
    return Actuation(works=True, reason=ConditionReason.SCALED, message=message)
