"""What a variant may scale: Deployments, StatefulSets and LeaderWorkerSets, read into one form.

One replica of a LeaderWorkerSet is a group of `size` pods, of which the leader serves and is scraped. A
profile's `accCount` is what one replica holds, so for a group it counts the accelerators of all its pods.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from inferno_collector.inventory.placement import Tolerations, parse_tolerations
from inferno_shared.kubernetes import (
    DEPLOYMENTS,
    Container,
    LabelSelector,
    Metadata,
    Pod,
    Resource,
    ScaleTargetRef,
    parse_deployment,
    parse_metadata,
)
from inferno_shared.kubernetes.models.fields import section, whole
from inferno_shared.kubernetes.models.pods import parse_template

Raw = dict[str, Any]

STATEFUL_SETS: Final = Resource("apps", "v1", "statefulsets", "StatefulSet")
LEADER_WORKER_SETS: Final = Resource("leaderworkerset.x-k8s.io", "v1", "leaderworkersets", "LeaderWorkerSet")

_SET_NAME: Final = "leaderworkerset.sigs.k8s.io/name"
_GROUP: Final = "leaderworkerset.sigs.k8s.io/group-index"
_PLACE_IN_GROUP: Final = "leaderworkerset.sigs.k8s.io/worker-index"
_LEADER: Final = "0"

WorkloadKey = tuple[str, str, str]
"""(kind, namespace, name)."""


@dataclass(frozen=True, slots=True)
class ScaledWorkload:
    """A workload: wanted replicas, the pods that it selects and makes, and where these may run."""

    kind: str
    metadata: Metadata
    replicas: int
    selector: LabelSelector
    containers: Sequence[Container]
    tolerations: Tolerations
    pods_per_replica: int = 1

    @property
    def key(self) -> WorkloadKey:
        """(kind, namespace, name)."""
        return self.kind, self.metadata.namespace, self.metadata.name

    def owns(self, pod: Pod) -> bool:
        """Whether the pod's controller is ours: a ReplicaSet NAME-HASH, a StatefulSet NAME or NAME-GROUP."""
        owner = pod.owner
        if owner is None:
            return False
        if self.kind == DEPLOYMENTS.kind:
            return owner.name.rpartition("-")[0] == self.metadata.name
        return self.metadata.name in {owner.name, pod.metadata.labels.get(_SET_NAME)}

    def ready_replicas(self, pods: Iterable[Pod]) -> int:
        """Replicas that are ready: pods, or groups all of whose pods are."""
        ready = [pod for pod in pods if pod.ready and not pod.metadata.deleting]
        if self.kind != LEADER_WORKER_SETS.kind:
            return len(ready)
        groups: dict[str, int] = defaultdict(int)
        for pod in ready:
            groups[pod.metadata.labels.get(_GROUP, "")] += 1
        return sum(count >= self.pods_per_replica for count in groups.values())

    def serves(self, pod: Pod) -> bool:
        """Whether requests go to this pod and its metrics tell the load: of a group only the leader."""
        if self.kind != LEADER_WORKER_SETS.kind:
            return True
        return pod.metadata.labels.get(_PLACE_IN_GROUP, _LEADER) == _LEADER


def parse_workload(raw: Raw, kind: str = DEPLOYMENTS.kind) -> ScaledWorkload:
    """Read a Deployment or a StatefulSet, which are alike here. Raises MalformedObjectError."""
    deployment = parse_deployment(raw)
    template = section(section(raw, "spec", ""), "template", "spec")
    return ScaledWorkload(
        kind=kind,
        metadata=deployment.metadata,
        replicas=deployment.replicas,
        selector=deployment.selector,
        containers=deployment.template.containers,
        tolerations=parse_tolerations(template, "spec.template"),
    )


def parse_stateful_set(raw: Raw) -> ScaledWorkload:
    """Read a StatefulSet. Raises MalformedObjectError."""
    return parse_workload(raw, STATEFUL_SETS.kind)


def parse_leader_worker_set(raw: Raw) -> ScaledWorkload:
    """Read a LeaderWorkerSet; a leader without a template of its own is made like the workers.

    Raises MalformedObjectError.
    """
    metadata, spec = parse_metadata(raw), section(raw, "spec", "")
    at = "spec.leaderWorkerTemplate"
    group = section(spec, "leaderWorkerTemplate", "spec")
    workers = section(group, "workerTemplate", at)
    leader = section(group, "leaderTemplate", at) or workers
    return ScaledWorkload(
        kind=LEADER_WORKER_SETS.kind,
        metadata=metadata,
        replicas=whole(spec, "replicas", "spec", default=1),
        selector=LabelSelector({_SET_NAME: metadata.name}),
        containers=parse_template(leader, f"{at}.leaderTemplate").containers,
        tolerations=parse_tolerations(workers, f"{at}.workerTemplate"),
        pods_per_replica=whole(group, "size", at, default=1, minimum=1),
    )


PARSERS: Final[Mapping[Resource, Callable[[Raw], ScaledWorkload]]] = {
    DEPLOYMENTS: parse_workload,
    STATEFUL_SETS: parse_stateful_set,
    LEADER_WORKER_SETS: parse_leader_worker_set,
}


def kind_of(reference: ScaleTargetRef) -> str | None:
    """The kind that a reference means, in whatever version of its API group; None when we know no such."""
    group = reference.api_version.rpartition("/")[0]
    known = {(resource.group, resource.kind) for resource in PARSERS}
    return reference.kind if (group, reference.kind) in known else None
