"""The actuator's HTTP API and its behaviour towards a Kubernetes API, both over the wire."""

from collections.abc import AsyncIterator

import httpx
import pytest

from builders import SEED_NAME, SEED_NAMESPACE, a_snapshot, a_variant
from inferno_shared.contracts import Snapshot
from inferno_shared.kubernetes import EVENTS, VARIANT_AUTOSCALINGS
from unit.actuator.cluster_world import NAMESPACE, SETTINGS, ClusterWorld, cluster_world, seed_variant, until
from unit.actuator.world import a_plan, an_allocation, answer

DESIRED = f'inferno_desired_replicas{{accelerator_type="H100",namespace="{SEED_NAMESPACE}",variant_name="'


@pytest.fixture
async def world() -> AsyncIterator[ClusterWorld]:
    async with cluster_world() as world:
        yield world


async def test_the_first_turn_writes_the_status_and_exports_the_metric(world: ClusterWorld) -> None:
    status = await world.status()
    assert status["desiredOptimizedAlloc"]["numReplicas"] == 3
    assert status["currentAlloc"]["load"]["arrivalRate"] == "37.50"
    assert [(c["type"], c["status"]) for c in status["conditions"]] == [
        ("TargetResolved", "True"),
        ("MetricsAvailable", "True"),
        ("OptimizationReady", "True"),
        ("Actuated", "True"),
    ]
    assert f'{DESIRED}{SEED_NAME}"}} 3.0' in await world.metrics()
    events = (await world.kubernetes.list(EVENTS, SEED_NAMESPACE)).items
    assert [(event["type"], event["reason"]) for event in events] == [("Normal", "ScaleUp")]
    assert (await world.http.get("/readyz")).status_code == 200


async def test_our_own_writes_cause_no_turn_and_a_request_causes_one(world: ClusterWorld) -> None:
    summary = (await world.http.post("/invoke")).json()
    assert (summary["number"], summary["trigger"], summary["outcome"]) == (2, "invoke", "planned")
    assert summary["variants"] == 1
    assert summary["status_writes"] == 0
    assert set(summary["stage_seconds"]) == {"collect", "optimize", "decide", "apply"}


async def test_a_changed_spec_label_and_config_map_each_turn_the_loop_at_once(
    world: ClusterWorld,
) -> None:
    async def patched(patch: dict[str, object]) -> None:
        await world.kubernetes.merge_patch(VARIANT_AUTOSCALINGS, patch, SEED_NAME, SEED_NAMESPACE)

    await patched({"spec": {"minReplicas": 2}})
    await until(lambda: world.turns == 2, "a turn for the spec")
    await patched({"metadata": {"labels": {"inference.optimization/acceleratorName": "A100"}}})
    await until(lambda: world.turns == 3, "a turn for the label")
    await world.configure(GLOBAL_OPT_INTERVAL="30s")
    await until(lambda: world.turns == 4, "a turn for the ConfigMap")
    assert world.actuator.cluster.interval_seconds() == 30


async def test_two_quick_changes_of_config_maps_turn_the_loop_once() -> None:
    async with cluster_world(debounce_seconds=0.3) as world:
        await world.configure(GLOBAL_OPT_INTERVAL="30s")
        await world.configure(GLOBAL_OPT_INTERVAL="45s")
        await until(lambda: world.turns == 2, "one turn")
        assert world.actuator.cluster.interval_seconds() == 45
        assert (await world.http.post("/invoke")).json()["number"] == 3


async def test_an_interval_that_is_none_is_reported_and_the_last_one_stays(world: ClusterWorld) -> None:
    await world.configure(GLOBAL_OPT_INTERVAL="soon")
    await until(lambda: world.turns == 2, "a turn for the ConfigMap")
    assert world.actuator.cluster.interval_seconds() == 60
    (problem,) = (await world.http.get("/plan")).json()["problems"]
    assert problem["subject"] == f"ConfigMap {NAMESPACE}/{SETTINGS}"
    assert problem["message"].startswith("GLOBAL_OPT_INTERVAL: 'soon' is not a duration")
    assert problem["message"].endswith("60 s stays in force")


async def test_a_deleted_variant_loses_its_series_at_once(world: ClusterWorld) -> None:
    world.snapshots.snapshot = a_snapshot(variants=[a_variant(), a_variant("b")])
    await world.kubernetes.create(VARIANT_AUTOSCALINGS, seed_variant("b"), SEED_NAMESPACE)
    await until(lambda: len(world.actuator.gauges.shown.decisions) == 2, "both variants")
    await world.kubernetes.delete(VARIANT_AUTOSCALINGS, "b", SEED_NAMESPACE)
    await until(lambda: len(world.actuator.gauges.shown.decisions) == 1, "the series to go")
    assert f'{DESIRED}b"' not in await world.metrics()


async def test_a_conflicting_writer_does_not_lose_the_status(world: ClusterWorld) -> None:
    await world.fault(match={"method": "PATCH", "path_regex": "variantautoscalings"}, status=409, count=2)
    world.snapshots.snapshot = a_snapshot(variants=[a_variant(replicas=3)])
    summary = (await world.http.post("/invoke")).json()
    assert (summary["status_writes"], summary["write_failure"]) == (1, None)
    assert (await world.status())["actuation"] == {"applied": True}


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_a_status_that_cannot_be_written_is_told_and_written_later(
    world: ClusterWorld, status: int
) -> None:
    await world.fault(match={"method": "PATCH", "path_regex": "variantautoscalings"}, status=status, count=1)
    world.snapshots.snapshot = a_snapshot(variants=[a_variant(replicas=3)])
    summary = (await world.http.post("/invoke")).json()
    assert summary["outcome"] == "planned"
    assert "variantautoscalings" in summary["write_failure"]
    assert (await world.http.post("/invoke")).json()["status_writes"] == 1


async def test_a_slow_api_server_delays_statuses_not_what_is_exported() -> None:
    async with cluster_world(apply_timeout_seconds=0.3) as world:
        await world.fault(match={"path_regex": "variantautoscalings"}, delay_seconds=1, count=1)
        world.snapshots.snapshot = a_snapshot(variants=[a_variant(replicas=2)])
        summary = (await world.http.post("/invoke")).json()
        assert "not done within 0.3 s" in summary["write_failure"]
        assert f'{DESIRED}{SEED_NAME}"}} 3.0' in await world.metrics()
        assert (await world.http.post("/invoke")).json()["status_writes"] == 1
        assert (await world.status())["currentAlloc"]["numReplicas"] == 2


async def test_a_rail_and_who_acts_are_explained_beside_the_plan(world: ClusterWorld) -> None:
    await world.configure(MAX_SCALE_UP="1")
    await until(lambda: world.turns == 2, "a turn for the ConfigMap")
    world.snapshots.snapshot = a_snapshot(variants=[a_variant(rate_rpm=200)])
    world.snapshots.optimizer = lambda request: answer(
        a_plan(Snapshot.model_validate_json(request.content), [an_allocation(replicas=9)])
    )
    await world.http.post("/invoke")
    detail = (await world.http.get(f"/plan/{SEED_NAMESPACE}/{SEED_NAME}")).json()
    assert (detail["planned_replicas"], detail["desired_replicas"]) == (9, 4)
    assert [(rail["rail"], rail["wanted"], rail["allowed"]) for rail in detail["rails"]] == [
        ("StepUpBound", 9, 4)
    ]
    assert any(line.startswith("Guarded is True (StepUpBound): Plan 9") for line in detail["explanation"])
    assert any(line.startswith("Actuated is True (HpaFollows)") for line in detail["explanation"])
    assert "SloBinds; plan 9, changed by StepUpBound" in detail["words"]


async def test_a_cut_watch_loses_no_change(world: ClusterWorld) -> None:
    await world.fault(cut_watches=True, forget_history=True)
    await world.configure(GLOBAL_OPT_INTERVAL="30s")
    await until(lambda: world.actuator.cluster.interval_seconds() == 30, "the change", seconds=10)


async def test_a_dead_optimizer_is_in_the_condition_the_summary_and_the_events(world: ClusterWorld) -> None:
    world.snapshots.optimizer = lambda _: httpx.Response(500, json={"detail": "the solver died"})
    summary = (await world.http.post("/invoke")).json()
    assert summary["outcome"] == "failed"
    assert (summary["failure"]["stage"], summary["failure"]["reason"]) == ("optimize", "Refused")
    status = await world.status()
    ready = next(c for c in status["conditions"] if c["type"] == "OptimizationReady")
    assert (ready["status"], ready["reason"]) == ("False", "OptimizationFailed")
    assert "the solver died" in ready["message"]
    assert status["desiredOptimizedAlloc"]["numReplicas"] == 3
    world.snapshots.optimizer = None
    await world.http.post("/invoke")
    events = (await world.kubernetes.list(EVENTS, SEED_NAMESPACE)).items
    assert [event["reason"] for event in events] == [
        "ScaleUp",
        "OptimizationFailed",
        "OptimizationSucceeded",
    ]


async def test_the_plan_is_explained(world: ClusterWorld) -> None:
    plan = (await world.http.get("/plan")).json()
    assert plan["snapshot_id"] == world.snapshots.snapshot.id
    assert plan["fresh"] is True
    assert plan["variants"][0]["words"].startswith("1 -> 3 replicas on H100 (SloBinds): ")
    detail = (await world.http.get(f"/plan/{SEED_NAMESPACE}/{SEED_NAME}")).json()
    assert detail["desired_replicas"] == 3
    identity = "serves Qwen/Qwen3-0.6B in class Premium, promised ITL 24 ms, TTFT 500 ms."
    assert detail["explanation"][0] == f"{SEED_NAMESPACE}/{SEED_NAME} {identity}"
    assert detail["explanation"][-1].startswith("Expected then: ITL 21.48 ms, mean wait 101.37 ms")


async def test_a_variant_without_a_decision_is_a_problem_document_that_names_those_with_one(
    world: ClusterWorld,
) -> None:
    answer = await world.http.get("/plan/llm-d-sim/nobody")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert SEED_NAME in answer.json()["detail"]


async def test_the_external_metrics_api_is_served_when_asked_for(world: ClusterWorld) -> None:
    path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{SEED_NAMESPACE}/inferno_desired_replicas"
    items = (await world.http.get(path, params={"labelSelector": f"variant_name={SEED_NAME}"})).json()[
        "items"
    ]
    assert [item["value"] for item in items] == ["3"]


async def test_the_external_metrics_api_is_not_served_unless_asked_for() -> None:
    async with cluster_world(external_metrics=False) as world:
        assert (await world.http.get("/apis/external.metrics.k8s.io/v1beta1")).status_code == 404


async def test_readiness_says_why_not() -> None:
    async with cluster_world() as world:
        world.snapshots.collector = lambda _: httpx.Response(500, text="no")
        world.actuator.journal.in_force = None
        await world.http.post("/invoke")
        answer = await world.http.get("/readyz")
        assert answer.status_code == 503
        assert "no plan since the start: Stage collect failed" in answer.json()["detail"]


async def test_with_leader_election_the_holder_of_the_lease_turns_the_loop() -> None:
    async with cluster_world(leader_election=True, identity="first") as world:
        assert world.actuator.leadership.holder == "first"
        assert "inferno_leader 1.0" in await world.metrics()
