"""What a pod's status says at each point of its life."""

from typing import Any

from devcluster.kubelet.lifecycle import LifecyclePolicy, ServerState, Stage, exited, probed, started
from devcluster.kubelet.pods import ScheduledPod
from devcluster.kubelet.status import pod_status
from unit.devcluster_kubelet.kubelet_world import START, a_container, a_pod, after

POLICY = LifecyclePolicy()
SIDECAR = {
    "name": "routing-proxy",
    "image": "ghcr.io/llm-d/llm-d-routing-sidecar:v0.2.0",
    "restartPolicy": "Always",
    "args": ["--port=8000", "--vllm-port=8200"],
}


def status(state: ServerState, pod: ScheduledPod | None = None, at: float = 10) -> dict[str, Any]:
    return pod_status(
        pod or a_pod(initContainers=[SIDECAR]),
        state,
        server="vllm",
        pod_ip="127.1.0.1",
        host_ip="127.0.0.1",
        now=after(at),
    )


def conditions(found: dict[str, Any]) -> dict[str, str]:
    return {one["type"]: one["status"] for one in found["conditions"]}


def running(*, healthy: bool) -> ServerState:
    return probed(started(ServerState(), START, POLICY), START, POLICY, healthy=healthy)


def test_before_its_start_a_pod_is_pending() -> None:
    found = status(ServerState())
    assert found["phase"] == "Pending"
    assert found["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}


def test_a_started_server_runs_but_is_not_ready() -> None:
    found = status(running(healthy=False))
    assert (found["phase"], found["podIP"], found["podIPs"]) == (
        "Running",
        "127.1.0.1",
        [{"ip": "127.1.0.1"}],
    )
    assert conditions(found) == {
        "PodScheduled": "True",
        "Initialized": "True",
        "Ready": "False",
        "ContainersReady": "False",
    }
    ready = next(one for one in found["conditions"] if one["type"] == "Ready")
    assert ready["message"] == "containers with unready status: [vllm]"


def test_a_healthy_server_makes_the_pod_ready_with_its_sidecar() -> None:
    found = status(running(healthy=True))
    assert set(conditions(found).values()) == {"True"}
    assert found["initContainerStatuses"][0]["started"] is True
    assert found["initContainerStatuses"][0]["ready"] is True


def test_an_ordinary_init_container_has_completed() -> None:
    pod = a_pod(initContainers=[{"name": "download", "image": "x"}])
    state = status(running(healthy=True), pod)["initContainerStatuses"][0]["state"]
    assert state["terminated"]["reason"] == "Completed"


def test_a_second_container_counts_as_ready_without_a_process() -> None:
    pod = a_pod(containers=[a_container(), {"name": "exporter", "image": "x"}])
    ready = {one["name"]: one["ready"] for one in status(running(healthy=False), pod)["containerStatuses"]}
    assert ready == {"vllm": False, "exporter": True}


def test_a_crash_loop_shows_as_kubectl_users_know_it() -> None:
    state = started(exited(running(healthy=True), 1, after(1), POLICY), after(1), POLICY)
    state = exited(state, 137, after(2), POLICY)
    found = status(state)["containerStatuses"][0]
    assert state.stage is Stage.BACKING_OFF
    assert found["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert found["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=vllm")
    assert (found["restartCount"], found["lastState"]["terminated"]["exitCode"]) == (1, 137)


def test_a_transition_time_moves_only_with_its_status() -> None:
    first = status(running(healthy=False), at=1)
    again = status(running(healthy=False), a_pod(initContainers=[SIDECAR], status=first), at=5)
    assert again == first
    ready = status(running(healthy=True), a_pod(initContainers=[SIDECAR], status=first), at=7)
    times = {one["type"]: one["lastTransitionTime"][-3:] for one in ready["conditions"]}
    assert times == {
        "PodScheduled": "01Z",
        "Initialized": "01Z",
        "Ready": "07Z",
        "ContainersReady": "07Z",
    }
