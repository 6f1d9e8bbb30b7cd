"""The state machine of a pod's server, on a made-up clock."""

from datetime import datetime

from devcluster.kubelet.lifecycle import (
    Action,
    LifecyclePolicy,
    ServerState,
    Stage,
    deletion_requested,
    exited,
    killed,
    next_action,
    probed,
    signalled,
    started,
)
from unit.devcluster_kubelet.kubelet_world import START, after

POLICY = LifecyclePolicy(first_probe_seconds=5)


def running(at: datetime = START) -> ServerState:
    return started(ServerState(), at, POLICY)


def ready(at: datetime = START) -> ServerState:
    return probed(running(at), at, POLICY, healthy=True)


def crashed(times: int, *, lasting_seconds: float = 1) -> ServerState:
    state, now = ServerState(), 0.0
    for _ in range(times):
        state = started(state, after(now), POLICY)
        now += lasting_seconds
        state = exited(state, 1, after(now), POLICY)
    return state


def test_a_new_pod_is_started() -> None:
    assert next_action(ServerState(), START) == (Action.START, None)


def test_the_first_probe_waits_for_the_start_up_delay() -> None:
    assert next_action(running(), after(4.9)) == (Action.WAIT, after(5))
    assert next_action(running(), after(5)) == (Action.PROBE, None)


def test_probes_are_frequent_until_ready_and_rare_afterwards() -> None:
    unhealthy = probed(running(), after(5), POLICY, healthy=False)
    assert (unhealthy.ready, unhealthy.due_at) == (False, after(5.5))
    healthy = probed(unhealthy, after(5.5), POLICY, healthy=True)
    assert (healthy.ready, healthy.due_at) == (True, after(15.5))


def test_a_server_that_stops_answering_is_not_ready_but_not_restarted() -> None:
    state = probed(ready(), after(10), POLICY, healthy=False)
    assert (state.ready, state.stage, state.restarts) == (False, Stage.RUNNING, 0)


def test_the_first_crash_restarts_at_once_and_counts() -> None:
    state = exited(ready(), 1, after(1), POLICY)
    assert next_action(state, after(1)) == (Action.START, None)
    assert started(state, after(1), POLICY).restarts == 1


def test_further_crashes_back_off_twice_as_long_each_time_up_to_five_minutes() -> None:
    assert [crashed(times).backoff_seconds for times in (1, 2, 3, 4, 9)] == [0, 10, 20, 40, 300]
    assert next_action(crashed(2), after(11)) == (Action.WAIT, after(12))
    assert next_action(crashed(2), after(12)) == (Action.START, None)


def test_a_long_run_forgives_earlier_crashes() -> None:
    state = started(crashed(3), after(100), POLICY)
    state = exited(state, 1, after(100 + 600), POLICY)
    assert (state.crashes, state.stage) == (1, Stage.STARTING)


def test_a_deleted_pod_gets_its_grace_period_and_then_no_more() -> None:
    state = deletion_requested(ready())
    assert (state.ready, next_action(state, after(1))[0]) == (False, Action.TERMINATE)
    state = signalled(state, after(1), 30)
    assert next_action(state, after(30)) == (Action.WAIT, after(31))
    assert next_action(state, after(31)) == (Action.KILL, None)
    assert next_action(killed(state), after(31)) == (Action.WAIT, None)


def test_a_stopped_pod_is_deleted_and_not_started_again() -> None:
    state = exited(signalled(deletion_requested(ready()), START, 30), 0, after(2), POLICY)
    assert next_action(state, after(2)) == (Action.DELETE, None)


def test_a_pod_that_is_deleted_while_it_backs_off_needs_no_signal() -> None:
    assert next_action(deletion_requested(crashed(2)), after(3)) == (Action.DELETE, None)


def test_asking_twice_for_deletion_changes_nothing() -> None:
    state = signalled(deletion_requested(ready()), START, 30)
    assert deletion_requested(state) == state


def test_a_probe_that_comes_too_late_is_ignored() -> None:
    stopping = deletion_requested(ready())
    assert probed(stopping, after(1), POLICY, healthy=True) == stopping
