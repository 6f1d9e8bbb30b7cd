import time
from datetime import UTC, datetime

import pytest

from inferno_shared.errors import MalformedObjectError
from inferno_shared.kubernetes import ContainerPort, parse_pod
from unit.shared.kubernetes.models.raw import UTC_START, a_container, a_pod

READY = {"type": "Ready", "status": "True", "lastTransitionTime": "2025-09-04T18:38:00Z"}


def test_a_pod_is_read() -> None:
    pod = parse_pod(
        a_pod(a_container(command=["vllm"], args=["--port", "8200"], ports=[{"containerPort": 8200}]))
    )
    assert pod.metadata.key == ("ns", "p")
    assert pod.created_at == datetime(2025, 9, 4, 18, 37, 23, tzinfo=UTC)
    assert (pod.phase, pod.node_name, pod.pod_ip, pod.terminal) == ("Running", "n", "10.0.0.7", False)
    assert (pod.owner.name if pod.owner else None, pod.metadata.owner_uid) == ("rs", "rs-1")
    (container,) = pod.containers
    assert (container.command, container.args) == (("vllm",), ("--port", "8200"))
    assert container.ports == (ContainerPort(None, 8200),)


def test_a_pod_is_ready_since_its_condition_turned_true() -> None:
    ready = parse_pod(a_pod(conditions=[{"type": "Initialized", "status": "True"}, READY]))
    assert (ready.ready, ready.ready_at) == (True, datetime(2025, 9, 4, 18, 38, tzinfo=UTC))
    not_ready = parse_pod(a_pod(conditions=[READY | {"status": "False"}]))
    assert (not_ready.ready, not_ready.ready_at) == (False, None)
    assert not parse_pod(a_pod()).ready


@pytest.mark.parametrize(
    ("containers", "init", "gpus"),
    [
        ([a_container(gpus="2"), a_container("b", gpus="1")], (), 3),
        ([a_container(gpus="1")], (a_container("warm-up", gpus="4"),), 4),
        ([a_container(gpus="3")], (a_container("warm-up", gpus="2"),), 3),
        ([a_container(gpus="1")], (a_container("sidecar", gpus="1", restartPolicy="Always"),), 2),
        (
            [a_container(gpus="1")],
            (a_container("sidecar", gpus="1", restartPolicy="Always"), a_container("warm-up", gpus="2")),
            3,
        ),
    ],
)
def test_requests_are_what_the_scheduler_counts(
    containers: list[dict[str, object]], init: tuple[dict[str, object], ...], gpus: int
) -> None:
    assert parse_pod(a_pod(*containers, init=init)).requests == {"nvidia.com/gpu": gpus}


def test_a_request_wins_over_the_limit_and_cpu_is_left_aside() -> None:
    resources = {
        "limits": {"amd.com/gpu": "2", "memory": "8Gi"},
        "requests": {"amd.com/gpu": 1, "cpu": "500m"},
    }
    assert parse_pod(a_pod(a_container(resources=resources))).requests == {"amd.com/gpu": 1}


def test_a_pod_that_was_only_created_is_read() -> None:
    pod = parse_pod({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}})
    assert (pod.phase, pod.node_name, pod.pod_ip, pod.requests) == ("Pending", None, None, {})


def test_sidecars_are_told_from_init_containers_that_end() -> None:
    pod = parse_pod(a_pod(init=(a_container("proxy", restartPolicy="Always"), a_container("once"))))
    assert [it.name for it in pod.sidecars] == ["proxy"]
    assert [it.name for it in pod.containers] == ["vllm"]


def _edited(path: str, value: object) -> dict[str, object]:
    raw = a_pod(a_container(ports=[{"containerPort": 1}]), conditions=[dict(READY)])
    target: object = raw
    *parents, last = path.replace("]", "").replace("[", ".").split(".")
    for part in parents:
        target = target[int(part)] if isinstance(target, list) else target[part]  # type: ignore[index]
    target[last] = value  # type: ignore[index]
    return raw


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metadata.name", ""),
        ("metadata.labels", ["app"]),
        ("metadata.ownerReferences", {}),
        ("metadata.creationTimestamp", "yesterday"),
        ("metadata.creationTimestamp", "2025-09-04T18:37:23"),
        ("spec.nodeName", 7),
        ("spec.containers", "vllm"),
        ("spec.containers[0].args", ["--port", 8200]),
        ("spec.containers[0].ports[0].containerPort", "http"),
        ("spec.containers[0].resources.limits", [1]),
        ("status.conditions[0].lastTransitionTime", 5),
        ("status.phase", {}),
    ],
)
def test_a_field_of_the_wrong_type_is_named(field: str, value: object) -> None:
    with pytest.raises(MalformedObjectError) as caught:
        parse_pod(_edited(field, value))
    assert caught.value.field.startswith(field)
    assert str(caught.value).startswith(f"{caught.value.field}: must be ")


@pytest.mark.parametrize(
    "raw", [{}, {"metadata": None}, {"metadata": []}, {"metadata": {"name": "p"}, "spec": 1}]
)
def test_nonsense_is_malformed_and_nothing_else(raw: dict[str, object]) -> None:
    with pytest.raises(MalformedObjectError):
        parse_pod(raw)


def test_five_thousand_pods_parse_well_within_half_a_second() -> None:
    raw = a_pod(conditions=[READY])
    started = time.process_time()
    for _ in range(5_000):
        parse_pod(raw)
    assert time.process_time() - started < 0.5


def test_times_are_kept_with_their_zone() -> None:
    assert parse_pod(a_pod()).created_at == datetime.fromisoformat(UTC_START)
