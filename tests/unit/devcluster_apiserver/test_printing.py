"""Ages, quantities, JSON paths and columns: what kubectl prints."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devcluster.apiserver.objects import quantities
from devcluster.apiserver.objects.json_types import JsonObject, JsonValue
from devcluster.apiserver.objects.resource_types import Column
from devcluster.apiserver.objects.timestamps import age, human_duration, rfc3339
from devcluster.apiserver.printing.core_columns import EVENT_COLUMNS, NODE_COLUMNS, SERVICE_COLUMNS
from devcluster.apiserver.printing.json_path import compile_path
from devcluster.apiserver.printing.pod_columns import POD_COLUMNS, state_of
from devcluster.apiserver.printing.tables import cells
from devcluster.apiserver.printing.workload_columns import AUTOSCALER_COLUMNS, DEPLOYMENT_COLUMNS

NOW = datetime(2025, 9, 4, 18, 37, 23, tzinfo=UTC)
MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (2 * MINUTE, "2m"),
        (150, "2m30s"),
        (11 * MINUTE + 5, "11m"),
        (147 * MINUTE, "147m"),
        (3 * HOUR + 41 * MINUTE, "3h41m"),
        (4 * HOUR, "4h"),
        (9 * HOUR + 59 * MINUTE, "9h"),
        (47 * HOUR, "47h"),
        (50 * HOUR, "2d2h"),
        (8 * DAY + HOUR, "8d"),
        (800 * DAY, "2y70d"),
        (3000 * DAY, "8y"),
    ],
)
def test_durations_as_the_guide_shows_them(seconds: int, expected: str) -> None:
    assert human_duration(seconds) == expected


def test_age_of_a_missing_or_broken_time_is_unknown() -> None:
    assert age(None, NOW) == "<unknown>"
    assert age("soon", NOW) == "<unknown>"
    assert age(rfc3339(NOW - timedelta(minutes=5)), NOW) == "5m"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1334m", "1334m"),
        ("1000m", "1"),
        ("1", "1"),
        (3, "3"),
        ("0.5", "500m"),
        ("2000", "2k"),
        ("1024Mi", "1Gi"),
        ("80Gi", "80Gi"),
        ("0", "0"),
        ("1e3", "1k"),
        ("-500m", "-500m"),
        ("lots", "lots"),
    ],
)
def test_quantities_are_written_one_way(text: object, expected: str) -> None:
    assert quantities.canonical(text) == expected


@given(st.integers(-(10**9), 10**9))
def test_a_canonical_quantity_means_the_same_number(milli: int) -> None:
    text = f"{milli}m"
    assert quantities.parse(quantities.canonical(text)) == quantities.parse(text)


DOCUMENT: JsonObject = {
    "metadata": {"labels": {"a.b/c": "x"}},
    "status": {"conditions": [{"type": "A", "reason": "r1"}, {"type": "B", "reason": "r2"}], "n": [1, 2]},
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".status.conditions[0].reason", ["r1"]),
        (".status.conditions[-1].reason", ["r2"]),
        ('.status.conditions[?(@.type=="B")].reason', ["r2"]),
        (".status.conditions[*].type", ["A", "B"]),
        (r".metadata.labels.a\.b/c", ["x"]),
        (".metadata.labels['a.b/c']", ["x"]),
        ("{.status.n}", [[1, 2]]),
        (".absent.field", []),
    ],
)
def test_json_paths(path: str, expected: list[JsonValue]) -> None:
    assert compile_path(path)(DOCUMENT) == expected


def test_a_json_path_that_is_not_understood_is_refused() -> None:
    with pytest.raises(ValueError, match="is not understood"):
        compile_path(".a[")


def shown(columns: tuple[Column, ...], document: JsonObject, *names: str) -> list[JsonValue]:
    document.setdefault("metadata", {"name": "x"})
    row = dict(zip((column.name for column in columns), cells(columns, document, NOW), strict=True))
    return [row[name] for name in names]


def an_autoscaler(current: str | None) -> JsonObject:
    metric = {"metric": {"name": "inferno_desired_replicas"}}
    target = {"type": "AverageValue", "averageValue": "1"}
    status = [{"type": "External", "external": {**metric, "current": {"averageValue": current}}}]
    return {
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "d"},
            "minReplicas": 1,
            "maxReplicas": 10,
            "metrics": [{"type": "External", "external": {**metric, "target": target}}],
        },
        "status": {"currentReplicas": 3, "currentMetrics": status if current else None},
    }


def test_targets_of_an_autoscaler_as_the_guide_shows_them() -> None:
    columns = ("Reference", "Targets", "MinPods", "MaxPods", "Replicas")
    assert shown(AUTOSCALER_COLUMNS, an_autoscaler("1334m"), *columns) == [
        "Deployment/d",
        "1334m/1 (avg)",
        "1",
        10,
        3,
    ]
    assert shown(AUTOSCALER_COLUMNS, an_autoscaler("1000m"), "Targets") == ["1/1 (avg)"]
    assert shown(AUTOSCALER_COLUMNS, an_autoscaler(None), "Targets") == ["<unknown>/1 (avg)"]


def test_targets_of_other_metric_types() -> None:
    utilization = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    total = {"metric": {"name": "q"}, "target": {"type": "Value", "value": "30"}}
    autoscaler: JsonObject = {
        "spec": {
            "metrics": [
                {"type": "Resource", "resource": utilization},
                {"type": "External", "external": total},
                {"type": "Pods", "pods": {"metric": {"name": "p"}, "target": {"averageValue": "2"}}},
            ]
        },
        "status": {
            "currentMetrics": [{"type": "Resource", "resource": {"current": {"averageUtilization": 5}}}]
        },
    }
    assert shown(AUTOSCALER_COLUMNS, autoscaler, "Targets") == ["cpu: 5%/80%, <unknown>/30 + 1 more..."]


def test_deployment_columns_count_ready_of_wanted() -> None:
    deployment: JsonObject = {
        "spec": {"replicas": 3},
        "status": {"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1},
    }
    assert shown(DEPLOYMENT_COLUMNS, deployment, "Ready", "Up-to-date", "Available") == ["1/3", 2, 1]


def container_status(name: str, **state: JsonValue) -> JsonObject:
    ready = "running" in state
    return {"name": name, "ready": ready, "restartCount": 0, "state": dict(state)}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        ({"status": {"phase": "Pending"}}, "Pending"),
        ({"status": {"phase": "Failed", "reason": "Evicted"}}, "Evicted"),
        (
            {
                "status": {
                    "phase": "Pending",
                    "containerStatuses": [container_status("c", waiting={"reason": "Z"})],
                }
            },
            "Z",
        ),
        (
            {"status": {"containerStatuses": [container_status("c", terminated={"exitCode": 3})]}},
            "ExitCode:3",
        ),
        (
            {"status": {"phase": "Running", "containerStatuses": [container_status("c", running={})]}},
            "Running",
        ),
        (
            {
                "spec": {"initContainers": [{"name": "i"}, {"name": "j"}]},
                "status": {"initContainerStatuses": [container_status("i", running={})]},
            },
            "Init:0/2",
        ),
        (
            {
                "spec": {"initContainers": [{"name": "i"}]},
                "status": {"initContainerStatuses": [container_status("i", terminated={"exitCode": 1})]},
            },
            "Init:ExitCode:1",
        ),
        ({"metadata": {"deletionTimestamp": "x"}, "status": {"phase": "Running"}}, "Terminating"),
        (
            {
                "status": {
                    "phase": "Pending",
                    "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}],
                }
            },
            "SchedulingGated",
        ),
    ],
)
def test_one_word_for_the_state_of_a_pod(pod: JsonObject, expected: str) -> None:
    assert state_of({"metadata": {}, **pod}) == expected


def test_sidecars_count_as_containers_and_restarts_say_when() -> None:
    ended = rfc3339(NOW - timedelta(seconds=30))
    sidecar = {**container_status("proxy", running={}), "started": True}
    served = {**container_status("vllm", running={}), "restartCount": 2}
    served["lastState"] = {"terminated": {"finishedAt": ended}}
    pod: JsonObject = {
        "spec": {
            "initContainers": [{"name": "proxy", "restartPolicy": "Always"}],
            "containers": [{"name": "vllm"}],
        },
        "status": {"phase": "Running", "initContainerStatuses": [sidecar], "containerStatuses": [served]},
    }
    assert shown(POD_COLUMNS, pod, "Ready", "Status", "Restarts") == ["2/2", "Running", "2 (30s ago)"]


def test_node_and_service_and_event_columns() -> None:
    node: JsonObject = {
        "metadata": {"name": "n", "labels": {"node-role.kubernetes.io/worker": ""}},
        "spec": {"unschedulable": True},
        "status": {"conditions": [{"type": "Ready", "status": "False"}]},
    }
    assert shown(NODE_COLUMNS, node, "Status", "Roles") == ["NotReady,SchedulingDisabled", "worker"]
    service: JsonObject = {
        "spec": {"type": "NodePort", "ports": [{"port": 8200, "nodePort": 30000, "protocol": "TCP"}]}
    }
    assert shown(SERVICE_COLUMNS, service, "Port(s)", "External-IP", "Selector") == [
        "8200:30000/TCP",
        "<none>",
        "<none>",
    ]
    event: JsonObject = {
        "involvedObject": {"kind": "Pod", "name": "p"},
        "lastTimestamp": rfc3339(NOW - timedelta(minutes=3)),
        "message": " text\n",
    }
    assert shown(EVENT_COLUMNS, event, "Last Seen", "Object", "Message", "Count") == [
        "3m",
        "pod/p",
        "text",
        "1",
    ]
