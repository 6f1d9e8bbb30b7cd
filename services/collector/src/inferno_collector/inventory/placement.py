"""Where pods may run: tolerations against taints, and the node that a pod holds before it is bound.

Read from the raw objects beside the shared models: nothing but the inventory needs it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from inferno_shared.kubernetes import Node, Pod, Taint, parse_pod
from inferno_shared.kubernetes.models.fields import entries, optional_text, section

# Of Kubernetes' own: they come and go with the node's conditions, and whether it is ready or cordoned is
# judged by itself. Capacity must not come and go with a full disk.
_OF_CONDITIONS: Final = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
_BLOCKING: Final = frozenset({"NoSchedule", "NoExecute"})


@dataclass(frozen=True, slots=True)
class Toleration:
    """Lets a pod onto tainted nodes; an empty key tolerates every taint, an empty effect every effect."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    def tolerates(self, taint: Taint) -> bool:
        """Whether `taint` is no obstacle. An operator that we do not know tolerates nothing."""
        if self.effect not in {"", taint.effect}:
            return False
        if self.operator == "Exists":
            return self.key in {"", taint.key}
        return self.operator == "Equal" and self.key == taint.key and self.value == taint.value


Tolerations = tuple[Toleration, ...]


def parse_tolerations(template: Mapping[str, Any], at: str) -> Tolerations:
    """What the pods of a template, found at `at`, tolerate. Raises MalformedObjectError."""
    where = f"{at}.spec"
    return tuple(
        Toleration(
            key=optional_text(entry, "key", f"{where}.tolerations[{index}]") or "",
            operator=optional_text(entry, "operator", f"{where}.tolerations[{index}]") or "Equal",
            value=optional_text(entry, "value", f"{where}.tolerations[{index}]") or "",
            effect=optional_text(entry, "effect", f"{where}.tolerations[{index}]") or "",
        )
        for index, entry in enumerate(entries(section(template, "spec", at), "tolerations", where))
    )


def parse_placed_pod(raw: dict[str, Any]) -> Pod:
    """Read a pod; one that is not bound yet is on the node that it was nominated for.

    The scheduler has made room for it there, so its devices are nobody else's. Raises MalformedObjectError.
    """
    pod = parse_pod(raw)
    if pod.node_name is not None:
        return pod
    nominated = optional_text(section(raw, "status", ""), "nominatedNodeName", "status")
    return pod if nominated is None else replace(pod, node_name=nominated)


def blocking_taints(node: Node) -> tuple[Taint, ...]:
    """The taints that keep pods away for good, in the node's order."""
    return tuple(
        taint
        for taint in node.taints
        if taint.effect in _BLOCKING and not taint.key.startswith(_OF_CONDITIONS)
    )


def tolerated(taints: Iterable[Taint], tolerations: Tolerations) -> bool:
    """Whether a pod with `tolerations` may run under all of `taints`."""
    return all(any(toleration.tolerates(taint) for toleration in tolerations) for taint in taints)


def shown(taint: Taint) -> str:
    """A taint as kubectl writes it: key=value:effect."""
    return f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}"
