"""Where a pod runs: the first node that has its devices free and that it may run on, the emptiest first.

Only extended resources (GPUs) are counted, because cpu and memory of a made-up node mean nothing. A pod
that fits nowhere gets the message that a real scheduler would write.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devcluster.kubelet.pods import NodeRequirement, ScheduledPod, Toleration
from inferno_shared.kubernetes import Node, Taint

_BLOCKING_EFFECTS = frozenset({"NoSchedule", "NoExecute"})


@dataclass(frozen=True, slots=True)
class Placement:
    """The node for a pod, or None and the reason in Kubernetes' words."""

    node: str | None
    message: str = ""


def place(pod: ScheduledPod, nodes: Sequence[Node], used: Mapping[str, Mapping[str, int]]) -> Placement:
    """Choose a node. `used` holds the devices in use by node name.

    4 nodes of 8 GPUs, all in use: `0/4 nodes are available: 4 Insufficient nvidia.com/gpu. ...`.
    """
    if not nodes:
        return Placement(None, "no nodes available to schedule pods")
    problems: Counter[str] = Counter()
    fitting: list[tuple[int, str]] = []
    for node in nodes:
        name = node.metadata.name
        free = _free(node, used.get(name, {}))
        found = _obstacles(pod, node, free)
        if found:
            problems.update(found)
        else:
            fitting.append((-sum(free.get(device, 0) for device in pod.pod.requests), name))
    if fitting:
        return Placement(min(fitting)[1])
    return Placement(None, _unavailable(len(nodes), problems))


def devices_in_use(pods: Sequence[ScheduledPod], assumed: Mapping[str, str]) -> dict[str, Counter[str]]:
    """Devices in use by node: of every pod that has not finished, also while it is terminating.

    `assumed` has the node of pods (by uid) whose binding the cache does not show yet.
    """
    used: dict[str, Counter[str]] = {}
    for pod in pods:
        node = pod.pod.node_name or assumed.get(pod.uid)
        if node and not pod.pod.terminal:
            used.setdefault(node, Counter()).update(pod.pod.requests)
    return used


def _obstacles(pod: ScheduledPod, node: Node, free: Mapping[str, int]) -> list[str]:
    """Why this node does not do, in the order in which the real scheduler asks; empty if it does."""
    if node.unschedulable and not _tolerated(
        Taint("node.kubernetes.io/unschedulable", "", "NoSchedule"), pod.tolerations
    ):
        return ["node(s) were unschedulable"]
    for taint in node.taints:
        if taint.effect in _BLOCKING_EFFECTS and not _tolerated(taint, pod.tolerations):
            return [f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"]
    labels = node.metadata.labels
    selected = pod.node_selector.items() <= labels.items()
    if not selected or not _has_affinity(pod.affinity, labels):
        return ["node(s) didn't match Pod's node affinity/selector"]
    if not node.ready:
        return ["node(s) were not ready"]
    short = (device for device, count in pod.pod.requests.items() if count > free.get(device, 0))
    return [f"Insufficient {device}" for device in sorted(short)]


def _free(node: Node, used: Mapping[str, int]) -> dict[str, int]:
    return {device: count - used.get(device, 0) for device, count in node.allocatable.items()}


def _tolerated(taint: Taint, tolerations: Sequence[Toleration]) -> bool:
    for one in tolerations:
        key_matches = not one.key or one.key == taint.key
        value_matches = one.operator == "Exists" or (bool(one.key) and one.value == taint.value)
        if key_matches and value_matches and one.effect in {"", taint.effect}:
            return True
    return False


def _has_affinity(terms: Sequence[Sequence[NodeRequirement]], labels: Mapping[str, str]) -> bool:
    return not terms or any(all(_holds(one, labels) for one in term) for term in terms)


def _holds(requirement: NodeRequirement, labels: Mapping[str, str]) -> bool:
    match requirement.operator:
        case "In":
            return labels.get(requirement.key) in requirement.values
        case "NotIn":
            return labels.get(requirement.key) not in requirement.values
        case "Exists":
            return requirement.key in labels
        case "DoesNotExist":
            return requirement.key not in labels
        case _:  # Gt and Lt compare numbers, which our nodes' labels do not hold
            return False


def _unavailable(total: int, problems: Counter[str]) -> str:
    reasons = ", ".join(sorted(f"{count} {problem}" for problem, count in problems.items()))
    none = f"0/{total} nodes are available"
    victims = f"preemption: {none}: {total} No preemption victims found for incoming pod."
    return f"{none}: {reasons}. {victims}"
