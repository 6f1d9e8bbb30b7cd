"""Ties a VariantAutoscaling to its scale target by an ownerReference, where its annotation asks for it.

An ownerReference makes Kubernetes delete the VariantAutoscaling together with its target. That is what a
chart wants that makes both anew. It is not the default: a VariantAutoscaling holds what people measured and
promised (profiles, class), and a Deployment is often deleted only to be made again (a changed selector,
`kubectl replace --force`, a rollback). Then the garbage collector would take the VariantAutoscaling away for
good, and the new Deployment would be served by nobody, silently. So by default it outlives its target: it
says TargetNotFound, exports nothing, and takes up the new Deployment within the minute.

The reference is no controller's and blocks no deletion.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from inferno_actuator.decisions import Decision
from inferno_actuator.fencing import Fence
from inferno_actuator.known import KnownVariant
from inferno_shared.errors import KubernetesError
from inferno_shared.kubernetes import VARIANT_AUTOSCALINGS, KubernetesClient, ScaleTargetRef
from inferno_shared.kubernetes.scales import ScaleClient

log = structlog.stdlib.get_logger(__name__)

OWNED_ANNOTATION: Final = "inferno.llmd.ai/delete-with-target"


def wants_owner(annotations: Mapping[str, str]) -> bool:
    """Whether the VariantAutoscaling is to be deleted with its target."""
    return annotations.get(OWNED_ANNOTATION, "").strip().lower() == "true"


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

    async def settle(self, decisions: Sequence[Decision]) -> None:
        """Bring the references in line with the annotations; what fails is tried again in the next cycle."""
        for decision in decisions:
            known = decision.known
            if decision.variant is None or known.target is None or known.owned == known.wants_owner:
                continue
            try:
                await self._settle(known, known.target)
            except KubernetesError as error:
                log.warning("owner not set", namespace=known.namespace, variant=known.name, reason=str(error))

    async def _settle(self, known: KnownVariant, target: ScaleTargetRef) -> None:
        uid = (await self._scales.read(target, known.namespace)).uid if known.wants_owner else ""
        current = await self._client.get(VARIANT_AUTOSCALINGS, known.name, known.namespace)
        metadata = current["metadata"]
        if not self._fence.may_write or metadata.get("uid") != known.uid:
            return
        others = [one for one in metadata.get("ownerReferences") or () if not _is_target(one, target)]
        owners = [*others, _reference(target, uid)] if known.wants_owner else others
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "ownerReferences": owners}}
        await self._client.merge_patch(VARIANT_AUTOSCALINGS, patch, known.name, known.namespace)


def _is_target(reference: Mapping[str, Any], target: ScaleTargetRef) -> bool:
    return (reference.get("kind"), reference.get("name")) == (target.kind, target.name)


def _reference(target: ScaleTargetRef, uid: str) -> dict[str, Any]:
    return {
        "apiVersion": target.api_version,
        "kind": target.kind,
        "name": target.name,
        "uid": uid,
        "controller": False,
        "blockOwnerDeletion": False,
    }
