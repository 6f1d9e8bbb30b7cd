from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs

from inferno_shared.kubernetes import (
    NODES,
    VARIANT_AUTOSCALINGS,
    EventRecorder,
    ObjectReference,
    parse_metadata,
)
from unit.shared.kubernetes.memory_api import MemoryApi

NOON = datetime(2025, 9, 4, 12, tzinfo=UTC)
VARIANT = ObjectReference.to(
    VARIANT_AUTOSCALINGS, parse_metadata({"metadata": {"name": "v", "namespace": "ns", "uid": "u-1"}})
)


class Wall:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def recorder(memory: MemoryApi, wall: Wall | None = None) -> EventRecorder:
    return EventRecorder(memory.client(), "inferno-actuator", instance="pod-0", wall_clock=wall or Wall())


async def test_an_event_says_what_happened_to_whom(memory: MemoryApi) -> None:
    await recorder(memory).record(VARIANT, "Normal", "ScaledUp", "desired 1 -> 4")
    (path,) = memory.objects
    event = memory.objects[path]
    assert path.startswith("/api/v1/namespaces/ns/events/v.")
    assert event["involvedObject"] == {
        "apiVersion": "llmd.ai/v1alpha1",
        "kind": "VariantAutoscaling",
        "namespace": "ns",
        "name": "v",
        "uid": "u-1",
    }
    assert {key: event[key] for key in ("type", "reason", "message", "count", "lastTimestamp")} == {
        "type": "Normal",
        "reason": "ScaledUp",
        "message": "desired 1 -> 4",
        "count": 1,
        "lastTimestamp": "2025-09-04T12:00:00Z",
    }
    assert event["source"] == {"component": "inferno-actuator", "host": "pod-0"}


async def test_the_same_event_again_raises_the_count(memory: MemoryApi) -> None:
    wall = Wall()
    events = recorder(memory, wall)
    for _ in range(3):
        await events.record(VARIANT, "Warning", "MetricsMissing", "no series")
        wall.now += timedelta(minutes=1)
    (event,) = memory.objects.values()
    assert event["count"] == 3
    assert event["firstTimestamp"] == "2025-09-04T12:00:00Z"
    assert event["lastTimestamp"] == "2025-09-04T12:02:00Z"


async def test_another_message_is_another_event_even_at_the_same_moment(memory: MemoryApi) -> None:
    events = recorder(memory)
    await events.record(VARIANT, "Normal", "ScaledUp", "desired 1 -> 2")
    await events.record(VARIANT, "Normal", "ScaledUp", "desired 2 -> 3")
    assert len(memory.objects) == 2


async def test_an_event_that_the_server_has_expired_is_written_anew(memory: MemoryApi) -> None:
    events = recorder(memory)
    await events.record(VARIANT, "Normal", "ScaledUp", "desired 1 -> 2")
    memory.objects.clear()
    await events.record(VARIANT, "Normal", "ScaledUp", "desired 1 -> 2")
    (event,) = memory.objects.values()
    assert event["count"] == 1


async def test_a_failure_is_logged_and_stays_away_from_the_caller(memory: MemoryApi) -> None:
    memory.down = True
    with capture_logs() as logs:
        await recorder(memory).record(VARIANT, "Normal", "ScaledUp", "desired 1 -> 2")
    assert [(it["event"], it["subject"]) for it in logs] == [("event not written", "VariantAutoscaling ns/v")]


async def test_an_event_of_a_cluster_scoped_object_goes_to_the_default_namespace(memory: MemoryApi) -> None:
    node = ObjectReference.to(NODES, parse_metadata({"metadata": {"name": "n"}}))
    await recorder(memory).record(node, "Normal", "Seen", "a node")
    (path,) = memory.objects
    assert path.startswith("/api/v1/namespaces/default/events/n.")
