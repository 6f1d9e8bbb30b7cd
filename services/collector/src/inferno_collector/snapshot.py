"""Puts a Snapshot together from what was read: pure, ordered, with every problem named."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from inferno_collector.catalogue import Catalogue
from inferno_collector.configuration import Configuration
from inferno_collector.inventory import staying_pods, take_inventory
from inferno_collector.inventory.claims import published_devices
from inferno_collector.inventory.gate import TolerationsByVariant
from inferno_collector.loads import MeasuredLoads, Server
from inferno_collector.ports import metrics_port
from inferno_collector.reasons import Reason
from inferno_collector.roster import Roster, ServingPod
from inferno_collector.selectors import SelectorIndex
from inferno_collector.variants import Resolution, UnresolvableError, variant_of, variant_problem
from inferno_collector.view import ClusterView, Key
from inferno_shared.contracts import Problem, Snapshot, Variant


@dataclass(frozen=True, slots=True)
class World:
    """Everything of a snapshot but the loads: what the cluster and its ConfigMaps say."""

    view: ClusterView
    catalogue: Catalogue
    configuration: Configuration
    resolution: Resolution


def serving_pods(world: World, default_port: int) -> Iterator[ServingPod]:
    """The pods of all variants that serve, with the address of their metrics where they have an IP."""
    services = SelectorIndex(
        (service.metadata.namespace, service.selector, service) for service in world.view.services.values()
    )
    for variant in world.resolution.variants:
        for pod in filter(variant.target.serves, variant.pods):
            behind = services.candidates(pod.metadata.namespace, pod.metadata.labels)
            port = metrics_port(pod, behind, default_port) if pod.pod_ip else default_port
            yield ServingPod(
                key=pod.metadata.key,
                variant=variant.key,
                born_at=_seconds(pod.created_at),
                ready_at=_seconds(pod.ready_at),
                ready=pod.ready and not pod.metadata.deleting,
                address=_address(pod.pod_ip, port) if pod.phase == "Running" else None,
            )


def servers(resolution: Resolution, roster: Roster) -> list[Server]:
    """Each variant with its pods, those lately deleted included."""
    by_variant: dict[tuple[str, str], list[ServingPod]] = {v.key: [] for v in resolution.variants}
    for pod in roster.values():
        if pod.variant in by_variant:
            by_variant[pod.variant].append(pod)
    return [Server(v.key, v.resource.spec.model_id, by_variant[v.key]) for v in resolution.variants]


def assemble(world: World, loads: MeasuredLoads, ways_in: Iterable[Problem], *, now: float) -> Snapshot:
    """The Snapshot. A variant that the contract does not admit is reported and left out.

    `ways_in` are the problems of what we read from: watches and the load source.
    """
    variants: list[Variant] = []
    problems: list[Problem] = []
    for resolved in world.resolution.variants:
        measured = loads.by_variant[resolved.key]
        try:
            variants.append(variant_of(resolved, measured, world.catalogue, world.view))
        except UnresolvableError as error:
            problems.append(variant_problem(resolved.key, error.reason, str(error)))
            continue
        if measured.problem is not None:
            problems.append(measured.problem)
    admitted = {variant.key for variant in variants}
    managed = {pod.metadata.key for v in world.resolution.variants if v.key in admitted for pod in v.pods}
    nodes, pods = list(world.view.nodes.values()), list(world.view.pods.values())
    staying = staying_pods(nodes, pods, managed)
    published = published_devices(world.view.slices.values(), world.view.claims.values(), managed, staying)
    inventory = take_inventory(nodes, pods, managed, _tolerations(world, admitted), published)
    snapshot = Snapshot(
        taken_at=datetime.fromtimestamp(now, UTC),
        policy=world.configuration.policy,
        accelerators=[world.catalogue.accelerators[key] for key in sorted(world.catalogue.accelerators)],
        inventory=list(inventory.nodes),
        service_classes=sorted(world.catalogue.service_classes.values(), key=lambda c: (c.priority, c.name)),
        variants=variants,
        problems=[
            *ways_in,
            *world.configuration.problems,
            *world.catalogue.problems,
            *_unreadable(world.view),
            *inventory.problems,
            *world.resolution.problems,
            *problems,
        ],
    )
    return snapshot.model_copy(update={"id": snapshot.content_id()})


def _tolerations(world: World, admitted: Collection[Key]) -> TolerationsByVariant:
    """What the pods of each variant of the snapshot tolerate."""
    return {
        f"{v.key[0]}/{v.key[1]}": v.target.tolerations for v in world.resolution.variants if v.key in admitted
    }


def _unreadable(view: ClusterView) -> Iterator[Problem]:
    """Objects that could not be parsed; variants are reported by their own resolution."""
    for kind in sorted(view.malformed.keys() - {"VariantAutoscaling"}):
        for (namespace, name), message in sorted(view.malformed[kind].items()):
            where = f"{namespace}/{name}" if namespace else name
            yield Problem(subject=f"{kind} {where}", reason=Reason.INVALID_OBJECT, message=message)


def _address(ip: str | None, port: int) -> str | None:
    if ip is None:
        return None
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
