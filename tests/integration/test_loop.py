"""The loop end to end: real services, a cluster, and the faults that a platform has."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from inferno_shared.kubernetes import CONFIG_MAPS, DEPLOYMENTS, EVENTS, PODS, VARIANT_AUTOSCALINGS
from integration.stack import INTERVAL, LIMIT_SECONDS, NAME, NAMESPACE, SYSTEM, Stack, running_stack, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

START_SECONDS = 90.0  # three programs that start at once on a machine that others use too
EXTERNAL_METRIC = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/inferno_desired_replicas"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory, real: bool) -> AsyncIterator[Stack]:  # noqa: FBT001 - a fixture
    """One product for all tests of this module; each test leaves it healthy and at rest."""
    folder: Path = tmp_path_factory.mktemp("stack")
    async with running_stack(folder, real=real) as running:
        await settled(running, seconds=START_SECONDS)
        yield running


async def settled(stack: Stack, *, seconds: float = LIMIT_SECONDS) -> None:
    """Wait until the variant has a good plan for no load."""

    async def healthy() -> bool:
        ready = (await stack.condition("OptimizationReady")).get("status") == "True"
        metrics = (await stack.condition("MetricsAvailable")).get("status") == "True"
        return ready and metrics and await stack.desired() == 1 and await stack.exported() == 1

    await until(healthy, seconds=seconds)


async def reason(stack: Stack, kind: str, expected: str, name: str = NAME) -> dict[str, str]:
    """Wait until a condition has this reason; return the condition."""

    async def has_reason() -> dict[str, str] | None:
        condition = await stack.condition(kind, name)
        return condition if condition.get("reason") == expected else None

    found = await until(has_reason)
    assert found is not None
    return found


async def test_the_seeds_variant_gets_a_plan_with_the_seeds_columns(stack: Stack) -> None:
    status = (await stack.variant())["status"]
    assert status["currentAlloc"]["accelerator"] == "H100"
    assert status["currentAlloc"]["numReplicas"] == 1
    assert status["currentAlloc"]["variantCost"] == "50.00"
    assert status["desiredOptimizedAlloc"]["accelerator"] == "H100"
    assert status["actuation"]["applied"] is True
    assert (await stack.condition("TargetResolved"))["reason"] == "TargetFound"


async def test_the_external_metric_has_the_guides_shape(stack: Stack) -> None:
    path = f"{EXTERNAL_METRIC}?labelSelector=variant_name%3D{NAME}"
    answer = await until(lambda: stack.cluster.client.raw_get(path))
    assert answer["kind"] == "ExternalMetricValueList"
    (item,) = answer["items"]
    assert item["metricName"] == "inferno_desired_replicas"
    assert item["value"] == "1"
    assert item["metricLabels"]["variant_name"] == NAME
    assert item["metricLabels"]["accelerator_type"] == "H100"


async def test_load_scales_up_through_the_hpa_and_its_end_scales_down(stack: Stack) -> None:
    # 15 requests in 5 s are 180 a minute: at 14.3 each 13 replicas; the HPA admits at most 10.
    load = asyncio.create_task(stack.burst(15, seconds=5))

    async def scaled_up() -> bool:
        return (await stack.desired() or 0) >= 4 and await stack.replicas() >= 4

    await until(scaled_up)
    await load

    async def back() -> bool:
        return await stack.desired() == 1 and await stack.replicas() == 1

    await until(back)
    await settled(stack)


async def test_a_dead_optimizer_leaves_the_last_plan_and_recovery_is_automatic(stack: Stack) -> None:
    stack.optimizer.kill()
    condition = await reason(stack, "OptimizationReady", "OptimizationFailed")
    assert "optimize" in condition["message"].lower()
    assert await stack.desired() == 1
    assert await stack.exported() == 1
    stack.optimizer.start()
    await settled(stack)


async def test_a_hanging_collector_is_named_and_recovers(stack: Stack) -> None:
    stack.collector.send(signal.SIGSTOP)
    try:
        condition = await reason(stack, "OptimizationReady", "OptimizationFailed")
        assert "collect" in condition["message"].lower()
        assert await stack.exported() == 1
    finally:
        stack.collector.send(signal.SIGCONT)
    await settled(stack)


async def test_a_killed_actuator_picks_up_where_the_status_says(stack: Stack) -> None:
    stack.actuator.kill()
    assert await stack.desired() == 1
    stack.actuator.start()
    await settled(stack)


async def test_pods_without_an_answer_are_unknown_and_nothing_scales_down(stack: Stack) -> None:
    await minimum(stack, 3)

    async def three() -> bool:
        deployment = await stack.cluster.client.get(DEPLOYMENTS, NAME, NAMESPACE)
        return bool(deployment.get("status", {}).get("readyReplicas") == 3)

    await until(three)
    pods = await stack.cluster.client.list(PODS, NAMESPACE, label_selector="app=vllm")
    names = [pod["metadata"]["name"] for pod in pods.items]
    try:
        for name in names:  # nobody listens on the port that the pods now claim to serve their metrics on
            await annotate_port(stack, name, "1")
        condition = await until(lambda: not_available(stack))
        assert condition["reason"] in {"MetricsMissing", "MetricsStale"}
        await minimum(stack, 1)
        before = await cycles(stack)
        await until(lambda: more_cycles(stack, before + 2))
        assert await stack.desired() == 3
        assert await stack.exported() == 3
        assert await stack.replicas() == 3
    finally:
        await minimum(stack, 1)
        for name in names:
            await annotate_port(stack, name, None)
    await settled(stack)


async def minimum(stack: Stack, replicas: int) -> None:
    patch = {"spec": {"minReplicas": replicas}}
    await stack.cluster.client.merge_patch(VARIANT_AUTOSCALINGS, patch, NAME, NAMESPACE)


async def cycles(stack: Stack) -> int:
    answer = (await stack.http.get(f"https://localhost:{stack.actuator.port}/metrics")).text
    line = next(
        line for line in answer.splitlines() if line.startswith("inferno_loop_duration_seconds_count")
    )
    return int(float(line.rsplit(" ", 1)[1]))


async def more_cycles(stack: Stack, than: int) -> bool:
    return await cycles(stack) >= than


async def annotate_port(stack: Stack, pod: str, port: str | None) -> None:
    patch = {"metadata": {"annotations": {"prometheus.io/port": port}}}
    await stack.cluster.client.merge_patch(PODS, patch, pod, NAMESPACE)


async def not_available(stack: Stack) -> dict[str, str]:
    condition = await stack.condition("MetricsAvailable")
    return condition if condition.get("status") == "False" else {}


async def test_a_model_name_that_matches_no_series_is_told_with_the_names_that_exist(stack: Stack) -> None:
    other = "granite-13b"
    await stack.cluster.client.merge_patch(
        VARIANT_AUTOSCALINGS, {"spec": {"modelID": other}}, NAME, NAMESPACE
    )
    condition = await reason(stack, "MetricsAvailable", "MetricsMissing")
    assert "Qwen/Qwen3-0.6B" in condition["message"]
    assert await stack.exported() == 1
    await stack.cluster.client.merge_patch(
        VARIANT_AUTOSCALINGS, {"spec": {"modelID": "Qwen/Qwen3-0.6B"}}, NAME, NAMESPACE
    )
    await settled(stack)


async def test_a_broken_entry_is_told_by_key_and_the_last_good_value_stays(stack: Stack) -> None:
    good = (await stack.cluster.client.get(CONFIG_MAPS, "service-classes-config", SYSTEM))["data"]
    await stack.set_config(
        "service-classes-config", **{"premium.yaml": "name: [", "third.yaml": "priority: 0"}
    )

    async def told() -> list[str]:
        problems = (await stack.http.get(f"http://127.0.0.1:{stack.collector.port}/snapshot")).json()[
            "problems"
        ]
        return [p["message"] for p in problems if "premium.yaml" in p["subject"] + p["message"]]

    assert await until(told)
    snapshot = (await stack.http.get(f"http://127.0.0.1:{stack.collector.port}/snapshot")).json()
    assert {c["name"] for c in snapshot["service_classes"]} == {"Premium", "Freemium"}
    assert (await stack.condition("OptimizationReady"))["status"] == "True"
    await stack.cluster.client.merge_patch(
        CONFIG_MAPS, {"data": {**good, "third.yaml": None}}, "service-classes-config", SYSTEM
    )
    await settled(stack)


async def test_a_change_of_a_variant_is_planned_at_once(stack: Stack) -> None:
    await stack.set_config("inferno-autoscaler-variantautoscaling-config", GLOBAL_OPT_INTERVAL="10m")
    await asyncio.sleep(1.2)  # the interval in force before may still end once
    await minimum(stack, 2)

    async def two() -> bool:
        return await stack.desired() == 2

    await until(two, seconds=5)
    await minimum(stack, 1)
    await stack.set_config("inferno-autoscaler-variantautoscaling-config", GLOBAL_OPT_INTERVAL=INTERVAL)
    await settled(stack)


@pytest.mark.development_cluster_only("a real API server does not cut watches when it is told to")
async def test_cut_watches_and_forgotten_history_lose_no_change(stack: Stack) -> None:
    await stack.fault(cut_watches=True, forget_history=True)
    await minimum(stack, 2)

    async def two() -> bool:
        return await stack.exported() == 2

    await until(two)
    await minimum(stack, 1)
    await settled(stack)


@pytest.mark.development_cluster_only("a real API server does not refuse when it is told to")
@pytest.mark.parametrize("status", [409, 429, 500])
async def test_a_status_write_that_is_refused_is_made_later(stack: Stack, status: int) -> None:
    await stack.fault(
        match={"method": "PATCH", "path_regex": "variantautoscalings/.*/status"}, status=status, count=2
    )
    await minimum(stack, 2)

    async def two() -> bool:
        return await stack.desired() == 2

    await until(two)
    await minimum(stack, 1)
    await settled(stack)


async def test_a_variant_without_its_deployment_hurts_nobody_and_its_series_goes_with_it(
    stack: Stack,
) -> None:
    other = await stack.variant()
    body = {
        "apiVersion": other["apiVersion"],
        "kind": other["kind"],
        "metadata": {
            "name": "no-such-deployment",
            "namespace": NAMESPACE,
            "labels": other["metadata"]["labels"],
        },
        "spec": other["spec"],
    }
    await stack.cluster.client.create(VARIANT_AUTOSCALINGS, body, NAMESPACE)
    condition = await reason(stack, "TargetResolved", "TargetNotFound", "no-such-deployment")
    assert "no-such-deployment" in condition["message"]
    assert (await stack.condition("OptimizationReady"))["status"] == "True"
    assert await stack.exported("no-such-deployment") is None
    await stack.cluster.client.delete(VARIANT_AUTOSCALINGS, "no-such-deployment", NAMESPACE)
    await settled(stack)


async def test_events_tell_what_was_decided(stack: Stack) -> None:
    events = await stack.cluster.client.list(EVENTS, NAMESPACE)
    about = [e for e in events.items if e["involvedObject"]["kind"] == "VariantAutoscaling"]
    assert any("replicas" in event["message"] for event in about)
    assert all(event["reason"] and event["type"] in {"Normal", "Warning"} for event in about)
