"""Which pods a ReplicaSet creates, deletes and counts."""

from datetime import UTC, datetime, timedelta
from typing import Any

from devcluster.controllers.replica_set import next_available_at, pod_step, replica_set_status
from devcluster.controllers.workloads import OwnedPod, ReplicaSet, parse_owned_pod, parse_replica_set

NOW = datetime(2025, 9, 4, 18, 0, tzinfo=UTC)


def a_set(replicas: int, *, min_ready_seconds: int = 0) -> ReplicaSet:
    return parse_replica_set(
        {
            "metadata": {
                "namespace": "ns",
                "name": "rs",
                "uid": "rs",
                "resourceVersion": "1",
                "generation": 3,
            },
            "spec": {
                "replicas": replicas,
                "minReadySeconds": min_ready_seconds,
                "template": {"metadata": {"labels": {"app": "vllm"}}},
            },
        }
    )


def a_pod(name: str, *, ready_for: float | None = 60, age: int = 100, **changes: Any) -> OwnedPod:  # noqa: ANN401 - any JSON
    conditions = []
    if ready_for is not None:
        since = (NOW - timedelta(seconds=ready_for)).isoformat()
        conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": since}]
    return parse_owned_pod(
        {
            "metadata": {
                "namespace": "ns",
                "name": name,
                "uid": name,
                "labels": {"app": "vllm"},
                "creationTimestamp": (NOW - timedelta(seconds=age)).isoformat(),
                **changes.get("metadata", {}),
            },
            "spec": {"nodeName": changes.get("node", "node-0")},
            "status": {"phase": changes.get("phase", "Running"), "conditions": conditions},
        }
    )


def names(pods: tuple[OwnedPod, ...]) -> list[str]:
    return [pod.name for pod in pods]


def test_missing_pods_are_created() -> None:
    assert pod_step(a_set(3), [a_pod("a")]).create == 2


def test_pods_created_but_not_seen_yet_are_not_created_twice() -> None:
    assert pod_step(a_set(3), [a_pod("a")], expected=2).create == 0


def test_finished_and_deleting_pods_do_not_count() -> None:
    leaving = a_pod("b", metadata={"deletionTimestamp": "2025-09-04T18:00:00Z"})
    assert pod_step(a_set(2), [a_pod("a", phase="Failed"), leaving]).create == 2


def test_unready_pods_go_first_then_the_youngest() -> None:
    pods = [a_pod("old", ready_for=90), a_pod("young", ready_for=10), a_pod("unready", ready_for=None)]
    assert names(pod_step(a_set(1), pods).delete) == ["unready", "young"]


def test_unscheduled_pods_go_before_unready_ones() -> None:
    pods = [a_pod("unready", ready_for=None), a_pod("waiting", ready_for=None, node="", phase="Pending")]
    assert names(pod_step(a_set(1), pods).delete) == ["waiting"]


def test_a_cheap_pod_goes_before_a_younger_one() -> None:
    cheap = a_pod("cheap", metadata={"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-5"}})
    assert names(pod_step(a_set(1), [a_pod("young", ready_for=1), cheap]).delete) == ["cheap"]


def test_of_two_that_became_ready_together_the_one_created_last_goes() -> None:
    pods = [a_pod("first", age=100), a_pod("last", age=90)]
    assert names(pod_step(a_set(1), pods).delete) == ["last"]


def test_the_status_counts_ready_and_available_apart() -> None:
    pods = [a_pod("a", ready_for=30), a_pod("b", ready_for=5), a_pod("c", ready_for=None)]
    status = replica_set_status(a_set(3, min_ready_seconds=10), pods, NOW)
    assert status == {
        "replicas": 3,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 2,
        "availableReplicas": 1,
        "observedGeneration": 3,
    }
    assert next_available_at(a_set(3, min_ready_seconds=10), pods, NOW) == NOW + timedelta(seconds=5)
