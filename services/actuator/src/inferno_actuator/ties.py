"""How a VariantAutoscaling is tied to its scale target by owner references, chosen by an annotation on it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from inferno_shared.kubernetes import OwnerReference, ScaleTargetRef

OWNED_ANNOTATION: Final = "inferno.llmd.ai/delete-with-target"
NAMESPACE_KIND: Final = "Namespace"
_NEVER: Final = frozenset({"never", "none", "off"})


class Tie(StrEnum):
    """What becomes of a VariantAutoscaling when its target is deleted.

    `outlives`: it is owned by its target and by its namespace, so it stays until its namespace goes.
    `follows`: its target owns it alone, Kubernetes deletes it with its target. `none`: nobody owns it.
    """

    OUTLIVES = "outlives"
    FOLLOWS = "follows"
    NONE = "none"


def tie_of(annotations: Mapping[str, str]) -> Tie:
    """The tie that the annotations choose: `true` follows, `never` none, all else outlives."""
    text = annotations.get(OWNED_ANNOTATION, "").strip().lower()
    if text in _NEVER:
        return Tie.NONE
    return Tie.FOLLOWS if text == "true" else Tie.OUTLIVES


def tie_in_place(owners: Sequence[OwnerReference], target: ScaleTargetRef) -> Tie:
    """The tie that the owner references of an object make now."""
    kinds = {(owner.kind, owner.name) for owner in owners}
    if (target.kind, target.name) not in kinds:
        return Tie.NONE
    return Tie.OUTLIVES if any(kind == NAMESPACE_KIND for kind, _ in kinds) else Tie.FOLLOWS
