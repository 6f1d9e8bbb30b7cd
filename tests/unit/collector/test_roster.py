from inferno_collector.loads import Server
from inferno_collector.roster import Roster, ServingPod, update_roster

VARIANT = ("ns", "v")


def a_pod(name: str, *, born_at: float = 100, ready_at: float | None = None) -> ServingPod:
    return ServingPod(("ns", name), VARIANT, born_at=born_at, ready_at=ready_at, ready=ready_at is not None)


def updated(previous: Roster, *pods: ServingPod, now: float = 500) -> Roster:
    return update_roster(previous, pods, now=now, keep_seconds=60)


def startup_seconds(roster: Roster) -> float | None:
    return Server(VARIANT, "m", list(roster.values())).startup_seconds


def test_startup_time_is_the_median_from_creation_to_ready() -> None:
    pods = [a_pod("a", ready_at=150), a_pod("b", ready_at=170), a_pod("c", ready_at=500), a_pod("d")]
    assert startup_seconds(updated({}, *pods)) == 70
    assert startup_seconds(updated({}, a_pod("d"))) is None


def test_a_restarted_container_does_not_lengthen_the_startup_time() -> None:
    started = updated({}, a_pod("a", ready_at=150))
    down = updated(started, a_pod("a"))
    assert startup_seconds(updated(down, a_pod("a", ready_at=9000))) == 50


def test_a_new_pod_of_the_same_name_starts_anew() -> None:
    started = updated({}, a_pod("a", ready_at=150))
    assert startup_seconds(updated(started, a_pod("a", born_at=1000, ready_at=1020))) == 20


def test_a_vanished_pod_is_kept_for_a_while_and_then_forgotten() -> None:
    roster = updated({}, a_pod("a", ready_at=150), now=500)
    assert [pod.exists for pod in updated(roster, now=560).values()] == [False]
    assert updated(roster, now=561) == {}


def test_a_vanished_pod_that_comes_back_exists_again() -> None:
    gone = updated(updated({}, a_pod("a")), now=510)
    assert [pod.exists for pod in updated(gone, a_pod("a")).values()] == [True]


def test_a_pod_just_become_ready_is_not_missed_yet() -> None:
    pod = a_pod("a", ready_at=480)
    assert not pod.has_been_ready_for(30, now=500)
    assert pod.has_been_ready_for(30, now=511)
