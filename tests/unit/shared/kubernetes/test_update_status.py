import pytest

from inferno_shared.errors import ConflictError
from inferno_shared.kubernetes import VARIANT_AUTOSCALINGS, JsonObject, merge_patch
from unit.shared.kubernetes.memory_api import MemoryApi

PATH = "/apis/llmd.ai/v1alpha1/namespaces/ns/variantautoscalings/v"


def put(memory: MemoryApi, **status: object) -> None:
    memory.put(PATH, {"metadata": {"name": "v", "namespace": "ns"}, "status": status})


async def test_only_the_difference_is_written_bound_to_the_version_that_was_read(memory: MemoryApi) -> None:
    put(memory, replicas=1, accelerator="H100", note="old")
    client = memory.client()
    wrote = await client.update_status(
        VARIANT_AUTOSCALINGS, "v", "ns", lambda _: {"replicas": 2, "accelerator": "H100"}
    )
    assert wrote
    assert memory.objects[PATH]["status"] == {"replicas": 2, "accelerator": "H100"}
    assert memory.writes[0].path == f"{PATH}/status"
    assert memory.writes[0].body == {
        "metadata": {"resourceVersion": "1"},
        "status": {"replicas": 2, "note": None},
    }


@pytest.mark.parametrize("answer", [None, {"replicas": 1}])
async def test_nothing_is_written_when_nothing_changed(memory: MemoryApi, answer: JsonObject | None) -> None:
    put(memory, replicas=1)
    assert not await memory.client().update_status(VARIANT_AUTOSCALINGS, "v", "ns", lambda _: answer)
    assert memory.writes == []


async def test_a_conflict_reads_again_and_decides_on_the_new_object(memory: MemoryApi) -> None:
    put(memory, count=1)
    memory.before_write = lambda: put(memory, count=10)

    def count_up(current: JsonObject) -> JsonObject:
        return {"count": current["status"]["count"] + 1}

    assert await memory.client().update_status(VARIANT_AUTOSCALINGS, "v", "ns", count_up)
    assert memory.objects[PATH]["status"] == {"count": 11}


async def test_endless_conflicts_end_in_the_error(memory: MemoryApi) -> None:
    put(memory, count=1)

    def interfere() -> None:
        put(memory, count=1)
        memory.before_write = interfere

    memory.before_write = interfere
    with pytest.raises(ConflictError, match="patch variantautoscalings/status v in namespace ns"):
        await memory.client().update_status(VARIANT_AUTOSCALINGS, "v", "ns", lambda _: {"count": 2})
    assert len(memory.writes) == 5


async def test_an_object_that_is_gone_is_no_error(memory: MemoryApi) -> None:
    client = memory.client()
    assert not await client.update_status(VARIANT_AUTOSCALINGS, "v", "ns", lambda _: {"count": 2})
    put(memory, count=1)
    memory.before_write = memory.objects.clear
    assert not await client.update_status(VARIANT_AUTOSCALINGS, "v", "ns", lambda _: {"count": 2})


def test_a_merge_patch_is_the_smallest() -> None:
    assert merge_patch({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 2, "d": 4}}) == {"a": None, "b": {"d": 4}}
    assert merge_patch({"a": [1, 2]}, {"a": [1, 2]}) == {}
    assert merge_patch({"a": [1, 2]}, {"a": [1]}) == {"a": [1]}
    assert merge_patch({}, {"a": {}}) == {"a": {}}
