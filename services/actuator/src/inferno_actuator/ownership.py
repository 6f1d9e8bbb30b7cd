"""Ties each VariantAutoscaling to its scale target by an ownerReference, without losing it with the target.

An ownerReference alone makes Kubernetes delete the VariantAutoscaling together with its target. But a
Deployment is often deleted only to be made again (a changed selector, `kubectl replace --force`, a rollback),
and a VariantAutoscaling holds what people measured and promised: it would be gone for good, and the new
Deployment would be served by nobody, silently. Kubernetes collects an object when its last owner is gone, and
takes a reference to an owner that is gone out of an object that has another. So by default there are two
owners, the target and the object's own namespace: the tie can be seen (`kubectl describe`, `kubectl tree`),
it ends with the target, and is made anew with the new one. An annotation chooses the target alone, or no tie.

The references are no controller's and block no deletion. They need the rights to patch
VariantAutoscalings, to get namespaces, and to get the scales of targets; without them nothing else suffers.
"""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

import structlog

from inferno_actuator.decisions import Decision
from inferno_actuator.fencing import Fence
from inferno_actuator.known import KnownVariant
from inferno_actuator.ties import NAMESPACE_KIND, Tie
from inferno_shared.errors import ForbiddenError, KubernetesError
from inferno_shared.kubernetes import NAMESPACES, VARIANT_AUTOSCALINGS, KubernetesClient, ScaleTargetRef
from inferno_shared.kubernetes.scales import ScaleClient

log = structlog.stdlib.get_logger(__name__)

_PER_CYCLE: Final = 5
"""A thousand new variants are tied over the next cycles: it is never urgent, and writes are not free."""

JsonObject = dict[str, Any]


class Ownership:
    """Sets and removes owner references.

    Args:
        client: reads and patches VariantAutoscalings.
        fence: whether this process may write.
    """

    def __init__(self, client: KubernetesClient, fence: Fence) -> None:
        self._client = client
        self._scales = ScaleClient(client)
        self._fence = fence
        self._refusal: str | None = None

    def due(self, decisions: Sequence[Decision]) -> int:
        """How many objects `settle` would write in this cycle."""
        return len(self._due(decisions))

    async def settle(self, decisions: Sequence[Decision]) -> None:
        """Bring the references in line with the annotations; what fails is tried again in the next cycle."""
        results = await asyncio.gather(*(self._settled(*each) for each in self._due(decisions)))
        refusals = [result for result in results if result is not None]
        if refusals and self._refusal is None:
            log.warning("owner references are not set, all else goes on", reason=refusals[0])
        if results:
            self._refusal = refusals[0] if refusals else None

    def _due(self, decisions: Sequence[Decision]) -> list[tuple[KnownVariant, ScaleTargetRef]]:
        # While the right is missing, one asks whether it is there by now.
        most = _PER_CYCLE if self._refusal is None else 1
        wanting = (
            (it.known, it.known.target)
            for it in decisions
            if it.variant is not None and it.known.target is not None and it.known.tied is not it.known.tie
        )
        return list(islice(wanting, most))

    async def _settled(self, known: KnownVariant, target: ScaleTargetRef) -> str | None:
        """Settle one; which right is missing, if that keeps it from being settled."""
        try:
            await self._settle(known, target)
        except ForbiddenError as error:
            return str(error)
        except KubernetesError as error:
            log.warning("owner not set", namespace=known.namespace, variant=known.name, reason=str(error))
        return None

    async def _settle(self, known: KnownVariant, target: ScaleTargetRef) -> None:
        ours = await self._references(known, target)
        current = await self._client.get(VARIANT_AUTOSCALINGS, known.name, known.namespace)
        metadata = current["metadata"]
        if not self._fence.may_write or metadata.get("uid") != known.uid:
            return
        before = metadata.get("ownerReferences") or []
        owners = [one for one in before if not _is_ours(one, known, target)] + ours
        if owners == before:
            return
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "ownerReferences": owners}}
        await self._client.merge_patch(VARIANT_AUTOSCALINGS, patch, known.name, known.namespace)

    async def _references(self, known: KnownVariant, target: ScaleTargetRef) -> list[JsonObject]:
        if known.tie is Tie.NONE:
            return []
        uid = (await self._scales.read(target, known.namespace)).uid
        references = [_reference(target.api_version, target.kind, target.name, uid)]
        if known.tie is Tie.OUTLIVES:
            namespace = await self._client.get(NAMESPACES, known.namespace)
            uid = namespace["metadata"]["uid"]
            references.append(_reference("v1", NAMESPACE_KIND, known.namespace, uid))
        return references


def _is_ours(reference: Mapping[str, Any], known: KnownVariant, target: ScaleTargetRef) -> bool:
    named = (reference.get("kind"), reference.get("name"))
    return named in ((target.kind, target.name), (NAMESPACE_KIND, known.namespace))


def _reference(api_version: str, kind: str, name: str, uid: str) -> JsonObject:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": False,
        "blockOwnerDeletion": False,
    }
