"""A pod's status as the kubelet reports it, made from the state of its server."""

from datetime import datetime

from devcluster.controllers.conditions import Condition, merged, rfc3339
from devcluster.kubelet.lifecycle import Exit, ServerState, Stage
from devcluster.kubelet.pods import ContainerSpec, ScheduledPod
from inferno_shared.kubernetes import JsonObject


def pod_status(
    pod: ScheduledPod, state: ServerState, *, server: str | None, pod_ip: str, host_ip: str, now: datetime
) -> JsonObject:
    """The status to write. `server` names the container that is a process; others start with it."""
    start_time = pod.status.get("startTime") or rfc3339(now)
    sidecars = [_plain(pod, one, state, start_time) for one in pod.init_containers]
    containers = [
        _server(pod, one, state) if one.name == server else _plain(pod, one, state, start_time)
        for one in pod.containers
    ]
    unready = [one["name"] for one in containers if not one["ready"]]
    return {
        "phase": _phase(state),
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "podIP": pod_ip,
        "podIPs": [{"ip": pod_ip}],
        "startTime": start_time,
        "conditions": merged(pod.conditions, _conditions(unready, state), now),
        **({"initContainerStatuses": sidecars} if sidecars else {}),
        "containerStatuses": containers,
    }


def _phase(state: ServerState) -> str:
    if state.stage is Stage.ENDED:
        return "Failed" if state.last_exit and state.last_exit.code else "Succeeded"
    return "Running" if state.started_at else "Pending"


def _conditions(unready: list[str], state: ServerState) -> list[Condition]:
    scheduled = Condition("PodScheduled", holds=True, reason="")
    initialized = Condition("Initialized", holds=state.started_at is not None, reason="")
    if not unready:
        ready = [Condition(kind, holds=True, reason="") for kind in ("Ready", "ContainersReady")]
    else:
        message = f"containers with unready status: [{' '.join(unready)}]"
        ready = [
            Condition(kind, holds=False, reason="ContainersNotReady", message=message)
            for kind in ("Ready", "ContainersReady")
        ]
    return [scheduled, initialized, *ready]


def _server(pod: ScheduledPod, container: ContainerSpec, state: ServerState) -> JsonObject:
    return {
        **_identity(pod, container),
        "ready": state.ready,
        "started": state.has_process,
        "restartCount": state.restarts,
        "state": _server_state(pod, container, state),
        "lastState": _terminated(state.last_exit)
        if state.last_exit and state.stage is not Stage.ENDED
        else {},
    }


def _server_state(pod: ScheduledPod, container: ContainerSpec, state: ServerState) -> JsonObject:
    if state.has_process and state.started_at is not None:
        return {"running": {"startedAt": rfc3339(state.started_at)}}
    if state.stage is Stage.ENDED and state.last_exit is not None:
        return _terminated(state.last_exit)
    if state.stage is Stage.BACKING_OFF:
        name, namespace = pod.pod.metadata.name, pod.pod.metadata.namespace
        message = (
            f"back-off {state.backoff_seconds:g}s restarting failed container={container.name} "
            f"pod={name}_{namespace}({pod.uid})"
        )
        return {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
    return {"waiting": {"reason": "ContainerCreating"}}


def _plain(pod: ScheduledPod, container: ContainerSpec, state: ServerState, start_time: str) -> JsonObject:
    """A container without a process of its own: it runs as soon as the pod does.

    An ordinary init container has done its work by then; a sidecar goes on.
    """
    status = {**_identity(pod, container), "restartCount": 0, "lastState": {}}
    if state.started_at is None:
        waiting = {"waiting": {"reason": "PodInitializing"}}
        return {**status, "ready": False, "started": False, "state": waiting}
    if state.stage is Stage.ENDED:
        end = Exit(0, state.started_at, state.last_exit.finished_at if state.last_exit else state.started_at)
        return {**status, "ready": False, "started": False, "state": _terminated(end)}
    is_init = any(one.name == container.name for one in pod.init_containers)
    if is_init and not container.restartable:
        done = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": start_time}}
        return {**status, "ready": True, "started": False, "state": done}
    return {**status, "ready": True, "started": True, "state": {"running": {"startedAt": start_time}}}


def _identity(pod: ScheduledPod, container: ContainerSpec) -> JsonObject:
    return {
        "name": container.name,
        "image": container.image,
        "imageID": "",
        "containerID": f"emulated://{pod.uid}-{container.name}",
    }


def _terminated(end: Exit) -> JsonObject:
    return {
        "terminated": {
            "exitCode": end.code,
            "reason": "Error" if end.code else "Completed",
            "startedAt": rfc3339(end.started_at),
            "finishedAt": rfc3339(end.finished_at),
        }
    }
