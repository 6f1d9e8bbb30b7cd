"""Decides which nodes our pods may enter: not the cordoned and failing ones, the tainted ones if tolerated.

An inventory is one for all variants, so a node counts when the pods of at least one variant may run there;
when those of others may not, that is reported. Without any variant nothing is known of tolerations, and
taints are not judged.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from inferno_collector.inventory.placement import Tolerations, blocking_taints, shown, tolerated
from inferno_collector.reasons import Reason
from inferno_shared.contracts import Problem
from inferno_shared.kubernetes import Node, Taint

_NAMES_SHOWN: Final = 5

TolerationsByVariant = Mapping[str, Tolerations]
"""What the pods of each variant tolerate; the variant as "namespace/name"."""


class NodeGate:
    """Judges nodes one by one, and remembers where only some variants may run."""

    def __init__(self, tolerations: TolerationsByVariant) -> None:
        self._variants: dict[Tolerations, list[str]] = defaultdict(list)
        for variant, tolerated_taints in sorted(tolerations.items()):
            self._variants[tolerated_taints].append(variant)
        self._excluded: dict[tuple[Taint, ...], list[str]] = {}
        self._partly: dict[tuple[Taint, ...], list[str]] = defaultdict(list)
        self._count = len(tolerations)

    def why_closed(self, node: Node) -> tuple[str, str] | None:
        """(reason, sentence) why no variant's pods can be placed on `node`; None when they can."""
        if node.metadata.deleting:
            return Reason.NODE_DELETING, "is being deleted"
        if node.unschedulable:
            return Reason.NODE_UNSCHEDULABLE, "is cordoned (unschedulable)"
        if not node.ready:
            return Reason.NODE_NOT_READY, "is not ready"
        taints = blocking_taints(node)
        excluded = self._excluded_by(taints)
        if excluded and len(excluded) == self._count:
            listed = ", ".join(map(shown, taints))
            return Reason.NODE_TAINTED, f"has taint {listed}, which no variant's pods tolerate"
        if excluded:
            self._partly[taints].append(node.metadata.name)
        return None

    def problems(self) -> Iterator[Problem]:
        """Where some variants may run and others may not, by taint."""
        for taints, nodes in sorted(self._partly.items(), key=lambda entry: str(entry[0])):
            excluded = self._excluded[taints]
            yield Problem(
                subject=f"Taint {', '.join(map(shown, taints))}",
                reason=Reason.TAINT_NOT_TOLERATED_BY_ALL,
                message=f"{listed('node', nodes)}: counted as capacity for every variant, but the pods of "
                f"{listed('variant', excluded)} do not tolerate it: add the toleration to their templates",
            )

    def _excluded_by(self, taints: tuple[Taint, ...]) -> Sequence[str]:
        """Variants whose pods do not tolerate `taints`."""
        if not taints:
            return ()
        if taints not in self._excluded:
            self._excluded[taints] = [
                variant
                for tolerations, variants in self._variants.items()
                if not tolerated(taints, tolerations)
                for variant in variants
            ]
        return self._excluded[taints]


def listed(noun: str, names: Sequence[str]) -> str:
    """Names for a sentence: "node a", "nodes a, b", "nodes a, b, c, d, e and 95 more"."""
    if len(names) == 1:
        return f"{noun} {names[0]}"
    rest = len(names) - _NAMES_SHOWN
    return f"{noun}s {', '.join(names[:_NAMES_SHOWN])}" + (f" and {rest} more" if rest > 0 else "")
