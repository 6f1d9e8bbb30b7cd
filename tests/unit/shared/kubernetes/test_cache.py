import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from math import inf

import pytest

from inferno_shared.errors import UnreachableError
from inferno_shared.kubernetes import (
    CONFIG_MAPS,
    Backoff,
    ConfigMap,
    KubernetesClient,
    ResourceCache,
    parse_config_map,
)
from unit.shared.kubernetes.fake_api import (
    FakeApi,
    a_bookmark,
    a_list,
    a_map,
    an_event,
    answers,
    expired,
    says,
    watch,
)
from unit.shared.waiting import until

PATH = "/api/v1/namespaces/ns/configmaps"


@dataclass
class Observed:
    """A cache with a clock that only waiting moves, and what it did."""

    cache: ResourceCache[ConfigMap]
    delays: list[float] = field(default_factory=list)
    changes: int = 0
    now: float = 0.0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def names(self) -> list[str]:
        return sorted(name for _, name in self.cache.objects)

    def color(self, name: str) -> str:
        return self.cache.objects["ns", name].data["color"]


@asynccontextmanager
async def following(client: KubernetesClient, *, hold_at_delay: int = 0) -> AsyncIterator[Observed]:
    """Follow; hold still in the given delay until `go_on` is set."""

    async def sleep(seconds: float) -> None:
        observed.delays.append(seconds)
        observed.now += seconds
        if len(observed.delays) == hold_at_delay:
            await observed.go_on.wait()

    def changed() -> None:
        observed.changes += 1

    cache = ResourceCache(
        client,
        CONFIG_MAPS,
        parse_config_map,
        namespace="ns",
        label_selector="a=b",
        field_selector="metadata.name!=x",
        on_change=changed,
        clock=lambda: observed.now,
        backoff=Backoff(jitter=lambda: 1.0),
        sleep=sleep,
    )
    observed = Observed(cache)
    task = asyncio.create_task(cache.run())
    try:
        yield observed
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def script(api: FakeApi, *handlers: Callable[..., object]) -> None:
    """One path serves list and watch alike: answers come in the order in which they are asked."""
    api.on("GET", PATH, *handlers)  # type: ignore[arg-type] # handlers of the fake


def asked_versions(api: FakeApi) -> list[str | None]:
    """The version of each watch; None for a list."""
    return [it.query.get("resourceVersion") for it in api.seen]


async def test_it_holds_what_was_listed_and_follows_changes(api: FakeApi, client: KubernetesClient) -> None:
    script(
        api,
        answers(a_list(a_map("a", color="red"), a_map("b", color="red"))),
        watch(
            an_event("MODIFIED", a_map("a", "11", color="blue")),
            an_event("ADDED", a_map("c", "12", color="red")),
            an_event("DELETED", a_map("b", "13")),
            then="hang",
        ),
    )
    async with following(client) as observed:
        await until(lambda: observed.changes == 4)
        assert observed.names == ["a", "c"]
        assert observed.color("a") == "blue"
        assert observed.cache.synced
        assert observed.cache.problem is None
        assert observed.cache.stale_seconds(observed.now + 1000) == 0
    assert {(it.query["labelSelector"], it.query["fieldSelector"]) for it in api.seen} == {
        ("a=b", "metadata.name!=x")
    }


async def test_it_resumes_from_the_last_event_or_bookmark(api: FakeApi, client: KubernetesClient) -> None:
    script(
        api,
        answers(a_list(version="10")),
        watch(an_event("ADDED", a_map("a", "11"))),
        watch(a_bookmark("15")),
        watch(then="hang"),
    )
    async with following(client) as observed:
        await until(lambda: len(api.seen) == 4)
        assert asked_versions(api) == [None, "10", "11", "15"]
        assert observed.delays == []  # a watch that the server ended after it brought something is no failure


@pytest.mark.parametrize("gone", [says(410, "too old"), watch(expired())])
async def test_it_lists_again_when_its_version_is_too_old(
    api: FakeApi, client: KubernetesClient, gone: Callable[..., object]
) -> None:
    script(
        api,
        answers(a_list(a_map("a", "1", color="red"), a_map("b", "2"), version="10")),
        gone,
        answers(a_list(a_map("a", "21", color="blue"), a_map("c", "22"), version="30")),
        watch(then="hang"),
    )
    async with following(client) as observed:
        await until(lambda: len(api.seen) == 4)
        await until(lambda: observed.cache.problem is None)
        assert observed.names == ["a", "c"]
        assert observed.color("a") == "blue"
        assert asked_versions(api) == [None, "10", None, "30"]
        assert observed.changes == 2


async def test_it_lists_again_when_the_server_was_restored_to_an_earlier_state(
    api: FakeApi, client: KubernetesClient
) -> None:
    script(
        api,
        answers(a_list(a_map("a"), version="100")),
        watch(a_bookmark("7"), then="hang"),
        answers(a_list(a_map("b"), version="8")),
        watch(then="hang"),
    )
    async with following(client) as observed:
        await until(lambda: observed.names == ["b"])
    assert asked_versions(api)[:3] == [None, "100", None]


async def test_a_relist_without_a_difference_is_no_change(api: FakeApi, client: KubernetesClient) -> None:
    same = answers(a_list(a_map("a", "1")))
    script(api, same, watch(expired()), same, watch(then="hang"))
    async with following(client) as observed:
        await until(lambda: len(api.seen) == 4)
        assert observed.changes == 1


async def test_it_backs_off_while_the_server_is_down_and_says_why(
    api: FakeApi, client: KubernetesClient
) -> None:
    down = says(503, "etcd is down")
    script(api, *[down] * 4, answers(a_list(a_map("a"))), watch(then="hang"))
    async with following(client, hold_at_delay=2) as observed:
        await until(lambda: len(observed.delays) == 2)
        assert observed.cache.problem is not None
        assert "list configmaps in namespace ns: etcd is down" in observed.cache.problem
        assert not observed.cache.synced
        assert observed.cache.stale_seconds(observed.now) == inf
        observed.go_on.set()
        await until(lambda: observed.cache.synced)
        assert observed.delays == [0.5, 1, 2, 4]
        assert observed.cache.problem is None


async def test_it_waits_as_long_as_the_server_asks(api: FakeApi, client: KubernetesClient) -> None:
    script(api, says(429, "slow down", {"Retry-After": "9"}), answers(a_list()), watch(then="hang"))
    async with following(client) as observed:
        await until(lambda: observed.cache.synced)
        assert observed.delays == [9]


async def test_a_new_crd_is_read_within_seconds(api: FakeApi, client: KubernetesClient) -> None:
    unknown = says(404, "the server could not find the requested resource")
    initializing = says(429, "storage is (re)initializing", {"Retry-After": "1"})
    script(api, *[unknown] * 6, *[initializing] * 3, answers(a_list(a_map("a"))), watch(then="hang"))
    async with following(client) as observed:
        await until(lambda: observed.cache.synced)
        assert observed.delays == [0.5, 1, 2, 4, 5, 5, 1, 1, 2]


async def test_a_cut_watch_keeps_the_objects_ages_and_resumes(api: FakeApi, client: KubernetesClient) -> None:
    script(
        api,
        answers(a_list(a_map("a"), version="10")),
        watch(an_event("ADDED", a_map("b", "11")), then="cut"),
        says(500, "starting"),
        says(500, "starting"),
        watch(an_event("ADDED", a_map("c", "12")), then="hang"),
    )
    async with following(client, hold_at_delay=2) as observed:
        await until(lambda: len(observed.delays) == 2)
        assert observed.names == ["a", "b"]
        assert observed.cache.problem is not None
        assert observed.cache.stale_seconds(observed.now) == observed.now > 0
        observed.go_on.set()
        await until(lambda: observed.names == ["a", "b", "c"])
        assert observed.cache.stale_seconds(observed.now) == 0
        assert asked_versions(api) == [None, "10", "11", "11", "11"]


async def test_a_missing_rbac_rule_is_named_until_it_is_granted(
    api: FakeApi, client: KubernetesClient
) -> None:
    script(api, says(403, "configmaps is forbidden"), answers(a_list(a_map("a"))), watch(then="hang"))
    async with following(client, hold_at_delay=1) as observed:
        await until(lambda: bool(observed.delays))
        assert "resources ['configmaps'] verbs ['list'] in a Role" in (observed.cache.problem or "")
        observed.go_on.set()
        await until(lambda: observed.cache.synced)
        assert observed.names == ["a"]
    assert observed.delays == [0.5]


async def test_servers_that_end_every_watch_at_once_are_not_hammered(
    api: FakeApi, client: KubernetesClient
) -> None:
    script(api, answers(a_list()), watch(), watch(), watch(), watch(then="hang"))
    async with following(client) as observed:
        await until(lambda: len(api.seen) == 5)
        assert observed.delays == [0.5, 1, 2]
        assert observed.cache.problem is None


async def test_a_malformed_object_is_set_aside_until_it_is_mended(
    api: FakeApi, client: KubernetesClient
) -> None:
    broken = {"metadata": {"name": "b", "namespace": "ns", "resourceVersion": "11"}, "data": {"color": 7}}
    mended = asyncio.Event()
    script(
        api,
        answers(a_list(a_map("a"), a_map("b", color="red"))),
        watch(an_event("MODIFIED", broken), then="end", until=mended),
        watch(an_event("MODIFIED", a_map("b", "12", color="blue")), then="hang"),
    )
    async with following(client) as observed:
        await until(lambda: bool(observed.cache.malformed))
        assert observed.cache.malformed == {("ns", "b"): "data.color: must be a string, is 7"}
        assert observed.names == ["a"]
        mended.set()
        await until(lambda: not observed.cache.malformed)
        assert observed.color("b") == "blue"


async def test_waiting_for_the_first_list_is_bounded_and_says_what_is_wrong(
    api: FakeApi, client: KubernetesClient
) -> None:
    script(api, says(403, "forbidden"))
    async with following(client, hold_at_delay=1) as observed:
        await until(lambda: bool(observed.delays))
        with pytest.raises(UnreachableError, match=r"not read within 0\.01 s: list .* grant"):
            await observed.cache.wait_until_synced(0.01)


async def test_a_stopped_cache_counts_as_stale(api: FakeApi, client: KubernetesClient) -> None:
    script(api, answers(a_list()), watch(then="hang"))
    async with following(client) as observed:
        await until(lambda: len(api.seen) == 2 and observed.cache.stale_seconds(100) == 0)
    assert observed.cache.stale_seconds(100) == 100


def test_backoff_grows_to_its_maximum_and_starts_over() -> None:
    backoff = Backoff(initial_seconds=1, max_seconds=4, jitter=lambda: 0.5)
    assert [backoff.next_seconds() for _ in range(4)] == [0.75, 1.5, 3, 3]
    backoff.reset()
    assert backoff.next_seconds() == 0.75
