"""The columns of `kubectl get pods`: ready containers, and one word for the state of a pod.

The word is what an operator looks at first, so every state that Kubernetes names is named here too:
`Pending`, `Init:0/1`, `CrashLoopBackOff`, `Running`, `Completed`, `Terminating`, ...
"""

from collections.abc import Iterator
from datetime import datetime

from devcluster.apiserver.objects.json_types import JsonObject, dig
from devcluster.apiserver.objects.resource_types import Column
from devcluster.apiserver.objects.timestamps import age, parse_rfc3339


def _ready(pod: JsonObject, now: datetime) -> str:
    del now
    sidecars = {container["name"] for container in _sidecars(pod)}
    total = len(dig(pod, "spec", "containers") or ()) + len(sidecars)
    ready = sum(1 for status in _statuses(pod, "containerStatuses") if status.get("ready"))
    ready += sum(
        1
        for status in _statuses(pod, "initContainerStatuses")
        if status.get("name") in sidecars and status.get("ready")
    )
    return f"{ready}/{total}"


def state_of(pod: JsonObject) -> str:
    """The one word for a pod's state."""
    status = pod.get("status") or {}
    state = str(status.get("reason") or status.get("phase") or "Unknown")
    if (condition := _condition(pod, "PodScheduled")) and condition.get("reason") == "SchedulingGated":
        state = "SchedulingGated"
    initialising = _initialising(pod)
    if initialising and (_condition(pod, "Initialized") or {}).get("status") != "True":
        state = initialising
    else:
        state = _state_of_containers(pod, state)
    if "deletionTimestamp" in pod["metadata"]:
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return state


def _initialising(pod: JsonObject) -> str | None:
    """How far the init containers are, or None when they are through (sidecars: have started)."""
    declared = dig(pod, "spec", "initContainers") or []
    sidecars = {container["name"] for container in _sidecars(pod)}
    for index, status in enumerate(_statuses(pod, "initContainerStatuses")):
        state = status.get("state") or {}
        terminated, waiting = state.get("terminated"), state.get("waiting") or {}
        if terminated and terminated.get("exitCode") == 0:
            continue
        if status.get("name") in sidecars and status.get("started"):
            continue
        if terminated:
            return f"Init:{_end(terminated)}"
        if waiting.get("reason") and waiting["reason"] != "PodInitializing":
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{len(declared)}"
    return None


def _state_of_containers(pod: JsonObject, state: str) -> str:
    running = False
    for status in reversed(list(_statuses(pod, "containerStatuses"))):
        container = status.get("state") or {}
        if (reason := dig(container, "waiting", "reason")) is not None:
            state = str(reason)
        elif terminated := container.get("terminated"):
            state = _end(terminated)
        elif status.get("ready") and container.get("running") is not None:
            running = True
    if state == "Completed" and running:
        ready = (_condition(pod, "Ready") or {}).get("status") == "True"
        return "Running" if ready else "NotReady"
    return state


def _end(terminated: JsonObject) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _restarts(pod: JsonObject, now: datetime) -> str:
    count, latest = 0, None
    for status in (*_statuses(pod, "initContainerStatuses"), *_statuses(pod, "containerStatuses")):
        count += int(status.get("restartCount") or 0)
        finished = parse_rfc3339(dig(status, "lastState", "terminated", "finishedAt"))
        if finished and (latest is None or finished > latest):
            latest = finished
    if count and latest is not None:
        return f"{count} ({age(latest.isoformat(), now)} ago)"
    return str(count)


def _readiness_gates(pod: JsonObject, now: datetime) -> str:
    del now
    gates = [gate.get("conditionType") for gate in dig(pod, "spec", "readinessGates") or ()]
    if not gates:
        return "<none>"
    met = sum(1 for gate in gates if (_condition(pod, gate) or {}).get("status") == "True")
    return f"{met}/{len(gates)}"


def _sidecars(pod: JsonObject) -> list[JsonObject]:
    containers = dig(pod, "spec", "initContainers") or []
    return [container for container in containers if container.get("restartPolicy") == "Always"]


def _statuses(pod: JsonObject, field: str) -> Iterator[JsonObject]:
    yield from dig(pod, "status", field) or ()


def _condition(pod: JsonObject, kind: str) -> JsonObject | None:
    conditions: list[JsonObject] = dig(pod, "status", "conditions") or []
    return next((condition for condition in conditions if condition.get("type") == kind), None)


POD_COLUMNS = (
    Column("Name", lambda pod, _: pod["metadata"]["name"], format="name"),
    Column("Ready", _ready),
    Column("Status", lambda pod, _: state_of(pod)),
    Column("Restarts", _restarts),
    Column("Age", lambda pod, now: age(pod["metadata"].get("creationTimestamp"), now)),
    Column("IP", lambda pod, _: dig(pod, "status", "podIP") or "<none>", priority=1),
    Column("Node", lambda pod, _: dig(pod, "spec", "nodeName") or "<none>", priority=1),
    Column("Nominated Node", lambda pod, _: dig(pod, "status", "nominatedNodeName") or "<none>", priority=1),
    Column("Readiness Gates", _readiness_gates, priority=1),
)
