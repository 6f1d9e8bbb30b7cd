import pytest

from inferno_shared.errors import ForbiddenError, GoneError, KubernetesError, UnreachableError
from inferno_shared.kubernetes import CONFIG_MAPS, KubernetesClient
from inferno_shared.kubernetes.watching import SilentWatchError, WatchEvent
from unit.shared.kubernetes.fake_api import (
    FakeApi,
    a_bookmark,
    a_map,
    an_event,
    expired,
    says,
    watch,
)

PATH = "/api/v1/namespaces/ns/configmaps"


async def collect(client: KubernetesClient, *, silence_seconds: float = 5) -> list[WatchEvent]:
    stream = client.watch(CONFIG_MAPS, "ns", resource_version="10", silence_seconds=silence_seconds)
    return [event async for event in stream]


async def test_events_arrive_in_order_until_the_server_ends_the_watch(
    api: FakeApi, client: KubernetesClient
) -> None:
    api.on(
        "GET",
        PATH,
        watch(
            an_event("ADDED", a_map("a", "11")),
            an_event("MODIFIED", a_map("a", "12")),
            a_bookmark("15"),
            an_event("DELETED", a_map("a", "16")),
        ),
    )
    events = await collect(client)
    assert [event.type for event in events] == ["ADDED", "MODIFIED", "BOOKMARK", "DELETED"]
    assert [event.resource_version for event in events] == ["11", "12", "15", "16"]


async def test_the_watch_asks_for_bookmarks_a_version_selectors_and_a_time_limit(
    api: FakeApi, client: KubernetesClient
) -> None:
    api.on("GET", "/api/v1/configmaps", watch())
    opened: list[bool] = []
    stream = client.watch(
        CONFIG_MAPS,
        resource_version="42",
        label_selector="a=b",
        timeout_seconds=77,
        on_open=lambda: opened.append(True),
    )
    assert [event async for event in stream] == []
    assert opened == [True]
    assert api.seen[0].query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "42",
        "timeoutSeconds": "77",
        "labelSelector": "a=b",
    }


async def test_an_event_larger_than_any_buffer_arrives_whole(api: FakeApi, client: KubernetesClient) -> None:
    big = a_map("a", "11", text="x" * 3_000_000)
    api.on("GET", PATH, watch(an_event("ADDED", big), an_event("ADDED", a_map("b", "12"))))
    events = await collect(client)
    assert [event.resource_version for event in events] == ["11", "12"]
    assert events[0].object == big


async def test_a_version_that_is_too_old_is_gone_whichever_way_the_server_says_it(
    api: FakeApi, client: KubernetesClient
) -> None:
    api.on("GET", PATH, says(410, "too old resource version"), watch(a_bookmark("11"), expired()))
    with pytest.raises(GoneError, match="watch configmaps in namespace ns"):
        await collect(client)
    with pytest.raises(GoneError, match="too old resource version"):
        await collect(client)


async def test_another_error_event_is_its_own_error(api: FakeApi, client: KubernetesClient) -> None:
    api.on("GET", PATH, watch(an_event("ERROR", {"kind": "Status", "code": 403, "message": "no"})))
    with pytest.raises(ForbiddenError, match=r"verbs \['watch'\]"):
        await collect(client)


async def test_a_silent_watch_is_noticed(api: FakeApi, client: KubernetesClient) -> None:
    api.on("GET", PATH, watch(a_bookmark("11"), then="hang"))
    with pytest.raises(SilentWatchError, match=r"no answer within 0\.05 s"):
        await collect(client, silence_seconds=0.05)


async def test_a_cut_connection_is_unreachable_but_not_silent(api: FakeApi, client: KubernetesClient) -> None:
    api.on("GET", PATH, watch(a_bookmark("11"), then="cut"))
    with pytest.raises(UnreachableError) as caught:
        await collect(client)
    assert not isinstance(caught.value, SilentWatchError)


async def test_a_stream_that_ends_within_an_event_is_unreachable(
    api: FakeApi, client: KubernetesClient
) -> None:
    api.on("GET", PATH, watch(b'{"type": "ADDED", "obj'))
    with pytest.raises(UnreachableError, match="cut in the middle of an event"):
        await collect(client)


@pytest.mark.parametrize(
    "line", [b"<html>\n", b'{"type": "ADDED"}\n', b'{"type": "RENAMED", "object": {}}\n', b"[]\n"]
)
async def test_nonsense_in_the_stream_is_an_error(
    api: FakeApi, client: KubernetesClient, line: bytes
) -> None:
    api.on("GET", PATH, watch(line))
    with pytest.raises(KubernetesError, match="watch event"):
        await collect(client)
