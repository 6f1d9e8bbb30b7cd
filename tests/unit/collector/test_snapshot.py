from builders import H100_DEVICE, SEED_NAME, SEED_NAMESPACE, a_load
from inferno_collector.configuration import Configuration
from inferno_collector.loads import MeasuredLoad, MeasuredLoads
from inferno_collector.roster import update_roster
from inferno_collector.snapshot import World, assemble, servers, serving_pods
from inferno_collector.variants import resolve_variants
from inferno_collector.view import ClusterView
from inferno_shared.contracts import Load, LoadState, Problem, Snapshot
from unit.collector.worlds import (
    a_deployment_json,
    a_node_json,
    a_pod_json,
    a_service_json,
    a_variant_json,
    a_view,
    the_catalogue,
)


def a_world(view: ClusterView) -> World:
    return World(view, the_catalogue(), Configuration(), resolve_variants(view, the_catalogue()))


def assembled(view: ClusterView, now: float = 0, ways_in: tuple[Problem, ...] = ()) -> Snapshot:
    world = a_world(view)
    loads = {variant.key: MeasuredLoad(a_load()) for variant in world.resolution.variants}
    return assemble(world, MeasuredLoads(loads, {}), ways_in, now=now)


def test_the_seeds_world_is_a_valid_snapshot() -> None:
    snapshot = assembled(a_view())
    assert snapshot == Snapshot.model_validate_json(snapshot.model_dump_json())
    assert snapshot.id == snapshot.content_id()
    assert [a.name for a in snapshot.accelerators] == ["A100", "G2", "H100", "MI300X"]
    assert [c.name for c in snapshot.service_classes] == ["Premium", "Freemium"]
    assert [(n.device, n.allocatable, n.unmanaged) for n in snapshot.inventory] == [(H100_DEVICE, 8, 0)]
    assert [v.name for v in snapshot.variants] == [SEED_NAME]
    assert snapshot.problems == []


def test_the_same_world_has_the_same_id_at_any_time() -> None:
    assert assembled(a_view(), now=0).id == assembled(a_view(), now=1000).id
    assert assembled(a_view()).id != assembled(a_view(nodes=[])).id


def test_pods_of_a_variant_that_is_left_out_are_unmanaged() -> None:
    view = a_view(
        variants=[a_variant_json(), a_variant_json("b", modelID="unheard-of")],
        deployments=[a_deployment_json(), a_deployment_json("b")],
        pods=[a_pod_json("p-0"), a_pod_json("b-0", deployment="b")],
    )
    snapshot = assembled(view)
    assert [v.name for v in snapshot.variants] == [SEED_NAME]
    assert snapshot.inventory[0].unmanaged == 1


def test_a_variant_beyond_the_contract_is_reported_and_its_pods_are_unmanaged() -> None:
    view = a_view(variants=[a_variant_json(minReplicas=20_000_000)])
    snapshot = assembled(view)
    assert snapshot.variants == []
    assert snapshot.inventory[0].unmanaged == 1
    assert snapshot.problems[0].reason == "InvalidConfiguration"


def test_a_variant_with_unknown_load_stays_with_its_problem() -> None:
    world = a_world(a_view())
    problem = Problem(subject=f"VariantAutoscaling {SEED_NAMESPACE}/{SEED_NAME}", reason="X", message="y")
    unknown = MeasuredLoad(Load(state=LoadState.UNKNOWN), problem=problem)
    loads = MeasuredLoads({(SEED_NAMESPACE, SEED_NAME): unknown}, {})
    snapshot = assemble(world, loads, [], now=0)
    assert len(snapshot.variants) == 1
    assert snapshot.problems == [problem]


def test_objects_that_cannot_be_read_and_lost_watches_are_reported() -> None:
    broken = a_node_json("broken")
    broken["spec"]["unschedulable"] = "maybe"
    lost = Problem(subject="Watch pods", reason="WatchLost", message="not followed for 30 s: refused")
    snapshot = assembled(a_view(nodes=[a_node_json(), broken]), ways_in=(lost,))
    assert [(p.subject, p.reason) for p in snapshot.problems] == [
        ("Watch pods", "WatchLost"),
        ("Node broken", "InvalidObject"),
    ]


def test_addresses_of_metrics_are_those_of_running_pods() -> None:
    pods = [
        a_pod_json("p-0", ip="10.0.0.1"),
        a_pod_json("p-1", ip="fd00::1"),
        a_pod_json("p-2", ip=None, phase="Pending", ready_at=None),
    ]
    world = a_world(a_view(pods=pods, services=[a_service_json()]))
    addresses = {pod.key[1]: pod.address for pod in serving_pods(world, 8000)}
    assert addresses == {"p-0": "10.0.0.1:8200", "p-1": "[fd00::1]:8200", "p-2": None}


def test_a_vanished_pod_stays_with_its_variant_for_a_while() -> None:
    world = a_world(a_view(pods=[a_pod_json("p-0"), a_pod_json("p-1")]))
    both = update_roster({}, serving_pods(world, 8000), now=0, keep_seconds=60)
    one = list(serving_pods(a_world(a_view(pods=[a_pod_json("p-0")])), 8000))
    soon = update_roster(both, one, now=60, keep_seconds=60)
    assert {pod.key[1]: (pod.exists, pod.ready) for pod in servers(world.resolution, soon)[0].pods} == {
        "p-0": (True, True),
        "p-1": (False, False),
    }
    later = update_roster(soon, one, now=61, keep_seconds=60)
    assert len(servers(world.resolution, later)[0].pods) == 1
