"""Rollout steps, with the numbers of a Deployment of 4 replicas, maxSurge 1, maxUnavailable 1."""

from datetime import UTC, datetime
from typing import Any

from devcluster.controllers.rollout import RolloutStep, next_step
from devcluster.controllers.rollout_status import deployment_status
from devcluster.controllers.workloads import (
    Deployment,
    ReplicaSet,
    parse_deployment,
    parse_replica_set,
    template_hash,
)

NOW = datetime(2025, 9, 4, 18, 0, tzinfo=UTC)


def a_template(image: str = "v2") -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "vllm"}},
        "spec": {"containers": [{"name": "vllm", "image": image}]},
    }


def a_deployment(
    replicas: int = 4, *, status: dict[str, Any] | None = None, revision: int = 0, **spec: object
) -> Deployment:
    return parse_deployment(
        {
            "metadata": {
                "namespace": "ns",
                "name": "decode",
                "uid": "d",
                "generation": 2,
                "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            },
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "vllm"}},
                "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}},
                "template": a_template(),
                **spec,
            },
            "status": status or {},
        }
    )


def a_replica_set(
    image: str, replicas: int, *, available: int | None = None, revision: int = 1, existing: int | None = None
) -> ReplicaSet:
    hashed = template_hash(a_template(image))
    return parse_replica_set(
        {
            "metadata": {
                "namespace": "ns",
                "name": f"decode-{image}",
                "uid": f"uid-{image}",
                "resourceVersion": "1",
                "creationTimestamp": f"2025-09-04T17:00:0{image[-1]}Z",
                "labels": {"pod-template-hash": hashed},
                "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            },
            "spec": {"replicas": replicas, "template": a_template(image)},
            "status": {
                "replicas": replicas if existing is None else existing,
                "readyReplicas": replicas if available is None else available,
                "availableReplicas": replicas if available is None else available,
            },
        }
    )


def sizes(step: RolloutStep) -> dict[str, int]:
    return {one.replica_set.name: one.replicas for one in step.scale}


def test_a_new_deployment_gets_one_replica_set_of_full_size() -> None:
    step = next_step(a_deployment(), [])
    assert (step.create_replicas, step.revision) == (4, 1)


def test_a_new_template_starts_with_the_surge() -> None:
    step = next_step(a_deployment(), [a_replica_set("v1", 4)])
    assert (step.create_replicas, step.revision, sizes(step)) == (1, 2, {})


def test_old_pods_go_as_far_as_the_minimum_stays_available() -> None:
    step = next_step(
        a_deployment(), [a_replica_set("v1", 4), a_replica_set("v2", 1, available=0, revision=2)]
    )
    assert sizes(step) == {"decode-v1": 3}


def test_the_new_set_takes_the_room_that_the_old_one_left() -> None:
    step = next_step(
        a_deployment(), [a_replica_set("v1", 3), a_replica_set("v2", 1, available=0, revision=2)]
    )
    assert sizes(step) == {"decode-v2": 2}


def test_each_available_new_pod_replaces_an_old_one() -> None:
    step = next_step(
        a_deployment(), [a_replica_set("v1", 3), a_replica_set("v2", 2, available=2, revision=2)]
    )
    assert sizes(step) == {"decode-v1": 1}


def test_unhealthy_old_pods_go_first() -> None:
    broken = a_replica_set("v0", 2, available=0)
    step = next_step(a_deployment(), [broken, a_replica_set("v1", 3), a_replica_set("v2", 0, revision=2)])
    assert sizes(step)["decode-v0"] == 0


def test_a_rollout_ends_with_nothing_to_do() -> None:
    step = next_step(a_deployment(revision=2), [a_replica_set("v1", 0), a_replica_set("v2", 4, revision=2)])
    assert step == RolloutStep(None, 2, (), ())


def test_a_change_of_size_is_one_step() -> None:
    step = next_step(a_deployment(replicas=1), [a_replica_set("v2", 4)])
    assert sizes(step) == {"decode-v2": 1}


def test_rolling_back_uses_the_old_set_again_and_counts_the_revision_up() -> None:
    step = next_step(a_deployment(), [a_replica_set("v2", 0, revision=1), a_replica_set("v3", 4, revision=2)])
    assert (step.create_replicas, step.revision, sizes(step)) == (None, 3, {"decode-v2": 1, "decode-v3": 3})


def test_recreate_waits_until_the_old_pods_are_gone() -> None:
    deployment = a_deployment(strategy={"type": "Recreate"})
    step = next_step(deployment, [a_replica_set("v1", 4)])
    assert (step.create_replicas, sizes(step)) == (None, {"decode-v1": 0})
    assert next_step(deployment, [a_replica_set("v1", 0)]).create_replicas == 4


def test_a_paused_deployment_follows_only_its_size() -> None:
    step = next_step(a_deployment(replicas=6, paused=True), [a_replica_set("v1", 4)])
    assert (step.create_replicas, sizes(step)) == (None, {"decode-v1": 6})


def test_only_so_many_empty_sets_are_kept() -> None:
    old = [a_replica_set(f"v{index}", 0, revision=index) for index in (3, 4, 5)]
    step = next_step(a_deployment(revisionHistoryLimit=1), [*old, a_replica_set("v2", 4, revision=6)])
    assert [one.name for one in step.delete] == ["decode-v3", "decode-v4"]


def test_percentages_round_surge_up_and_unavailable_down() -> None:
    strategy = {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    deployment = a_deployment(replicas=1, strategy=strategy)
    assert (deployment.max_surge, deployment.max_unavailable) == (1, 0)


def test_neither_surge_nor_unavailable_would_stall_so_one_may_be_unavailable() -> None:
    strategy = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "10%"}}
    assert a_deployment(replicas=4, strategy=strategy).max_unavailable == 1


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}


def test_the_status_of_a_scale_up_reads_as_in_the_guide() -> None:
    done = deployment_status(a_deployment(replicas=3), [a_replica_set("v2", 3)], NOW)
    four = a_deployment(replicas=4, status=done)
    status = deployment_status(four, [a_replica_set("v2", 4, available=3)], NOW)
    assert (status["replicas"], status["updatedReplicas"], status["readyReplicas"]) == (4, 4, 3)
    assert (status["availableReplicas"], status["unavailableReplicas"]) == (3, 1)
    assert conditions(status) == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }


def test_too_few_available_pods_show() -> None:
    status = deployment_status(a_deployment(), [a_replica_set("v2", 4, available=2)], NOW)
    assert conditions(status)["Available"] == ("False", "MinimumReplicasUnavailable")


def test_a_rollout_without_progress_times_out() -> None:
    stuck = [a_replica_set("v2", 4, available=0)]
    status = deployment_status(a_deployment(), stuck, NOW)
    assert conditions(status)["Progressing"] == ("True", "NewReplicaSetCreated")
    later = NOW.replace(minute=11)
    status = deployment_status(a_deployment(status=status), stuck, later)
    assert conditions(status)["Progressing"] == ("False", "ProgressDeadlineExceeded")


def test_equal_templates_have_equal_hashes_whatever_the_order_of_their_keys() -> None:
    assert template_hash({"a": 1, "b": 2}) == template_hash({"b": 2, "a": 1})
    assert template_hash({"a": 1}) != template_hash({"a": 2})
