"""The store: versions, conflicts, history."""

import pytest

from devcluster.apiserver.objects.store import (
    Event,
    EventType,
    HistoryLostError,
    ObjectExistsError,
    ObjectMissingError,
    Store,
    VersionConflictError,
)

KEY = ("default", "a")


def document(**extra: object) -> dict[str, object]:
    return {"metadata": {"name": "a", "namespace": "default"}, **extra}


def test_each_write_gets_the_next_version_of_one_counter() -> None:
    store = Store()
    first = store.create("pods", KEY, document())
    second = store.create("nodes", ("", "n"), document())
    third = store.update("pods", KEY, document(x=1))
    assert [first.resource_version, second.resource_version, third.resource_version] == [1, 2, 3]
    assert third.document["metadata"]["resourceVersion"] == "3"


def test_a_stored_version_keeps_its_content_when_the_object_changes() -> None:
    store = Store()
    before = store.create("pods", KEY, document(x=1))
    store.update("pods", KEY, document(x=2))
    assert before.document["x"] == 1
    assert b'"x":1' in before.encoded


def test_creating_twice_is_refused() -> None:
    store = Store()
    store.create("pods", KEY, document())
    with pytest.raises(ObjectExistsError):
        store.create("pods", KEY, document())


def test_a_stale_version_is_refused_and_nothing_is_written() -> None:
    store = Store()
    stale = store.create("pods", KEY, document()).resource_version
    store.update("pods", KEY, document(x=1))
    with pytest.raises(VersionConflictError):
        store.update("pods", KEY, document(x=2), expected_version=stale)
    found = store.get("pods", KEY)
    assert found is not None
    assert found.document["x"] == 1


def test_a_missing_object_can_be_neither_updated_nor_deleted() -> None:
    store = Store()
    with pytest.raises(ObjectMissingError):
        store.update("pods", KEY, document())
    with pytest.raises(ObjectMissingError):
        store.delete("pods", KEY)


def test_a_list_is_in_the_order_of_namespace_and_name_also_after_changes() -> None:
    store = Store()
    for key in (("b", "1"), ("a", "2"), ("a", "1")):
        store.create("pods", key, {"metadata": {}})
    assert [stored.key for stored in store.listed("pods")] == [("a", "1"), ("a", "2"), ("b", "1")]
    store.delete("pods", ("a", "1"))
    assert [stored.key for stored in store.listed("pods", "a")] == [("a", "2")]


def test_history_tells_what_happened_after_a_version() -> None:
    store = Store()
    store.create("pods", KEY, document())
    store.update("pods", KEY, document(x=1))
    store.delete("pods", KEY)
    events = store.events_since("pods", 1)
    assert [event.type for event in events] == [EventType.MODIFIED, EventType.DELETED]
    assert events[-1].current.document["metadata"]["resourceVersion"] == "3"
    assert store.events_since("pods", 3) == []


def test_history_is_bounded_and_says_so() -> None:
    store = Store(history_size=2)
    store.create("pods", KEY, document())
    for number in range(3):
        store.update("pods", KEY, document(x=number))
    assert [event.resource_version for event in store.events_since("pods", 2)] == [3, 4]
    with pytest.raises(HistoryLostError, match=r"too old resource version: 1 \(2\)"):
        store.events_since("pods", 1)


def test_forgotten_history_makes_every_known_version_too_old() -> None:
    store = Store()
    known = store.create("pods", KEY, document()).resource_version
    store.forget_history()
    with pytest.raises(HistoryLostError):
        store.events_since("pods", known)
    assert store.events_since("pods", store.version) == []


def test_versions_of_another_life_are_gone_be_they_lower_or_higher() -> None:
    store = Store(first_version=1_000)
    assert store.create("pods", KEY, document()).resource_version == 1_001
    for version in (999, 1_002):
        with pytest.raises(HistoryLostError):
            store.events_since("pods", version)
    assert len(store.events_since("pods", 1_000)) == 1


def test_listeners_hear_changes_of_their_collection_until_they_leave() -> None:
    store = Store()
    heard: list[Event] = []
    leave = store.subscribe("pods", heard.append)
    store.create("pods", KEY, document())
    store.create("nodes", KEY, document())
    leave()
    store.delete("pods", KEY)
    assert [(event.type, event.previous) for event in heard] == [(EventType.ADDED, None)]


def test_global_listeners_hear_every_collection() -> None:
    store = Store()
    heard: list[str] = []
    store.subscribe_all(lambda collection, event: heard.append(f"{event.type} {collection}"))
    store.create("pods", KEY, document())
    store.delete("pods", KEY)
    assert heard == ["ADDED pods", "DELETED pods"]
