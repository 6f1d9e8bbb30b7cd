"""What a scrape sees."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from builders import a_snapshot, a_variant
from inferno_actuator import metric_names
from inferno_actuator.gauges import Gauges, Shown
from inferno_actuator.metric_names import MetricName
from inferno_actuator.triggers import Trigger
from inferno_shared.contracts import Certificate, Demand, Stage
from unit.actuator.world import SEED_KEY, World, a_plan, an_allocation

SEED_LABELS = {"variant_name": SEED_KEY[1], "namespace": SEED_KEY[0], "accelerator_type": "H100"}


async def test_the_seeds_metrics_have_the_seeds_names_and_labels() -> None:
    world = World()
    await world.loop.run_once(Trigger.START)
    assert world.value("inferno_desired_replicas", **SEED_LABELS) == 3
    assert world.value("inferno_current_replicas", **SEED_LABELS) == 1
    assert world.value("inferno_desired_ratio", **SEED_LABELS) == 3


async def test_the_ratio_of_nothing_running_is_the_desired_count() -> None:
    world = World(a_snapshot(variants=[a_variant(replicas=0)]))
    await world.loop.run_once(Trigger.START)
    assert world.value("inferno_desired_ratio", **SEED_LABELS) == 3


async def test_predictions_stand_beside_their_targets_in_seconds() -> None:
    world = World()
    await world.loop.run_once(Trigger.START)
    assert world.value("inferno_predicted_itl_seconds", **SEED_LABELS) == pytest.approx(0.02148383)
    assert world.value("inferno_target_itl_seconds", **SEED_LABELS) == 0.024
    assert world.value("inferno_predicted_ttft_seconds", **SEED_LABELS) == pytest.approx(0.1013704)
    assert world.value("inferno_target_ttft_seconds", **SEED_LABELS) == 0.5
    assert world.value("inferno_variant_cost_cents_per_hour", **SEED_LABELS) == 150
    assert world.value("inferno_plan_cost_cents_per_hour") == 150
    assert world.value("inferno_gpus_used", device="NVIDIA-H100-80GB-HBM3") == 3
    assert world.value("inferno_gpus_limit", device="NVIDIA-H100-80GB-HBM3") == 32


async def test_ages_grow_between_cycles() -> None:
    world = World()
    await world.loop.run_once(Trigger.START)
    world.clock.advance(42)
    assert world.value("inferno_plan_age_seconds") == 42
    assert world.value("inferno_snapshot_age_seconds") == 42
    assert world.value("inferno_plan_max_age_seconds") == 300


async def test_no_series_is_exported_twice_however_many_cycles_ran() -> None:
    world = World(a_snapshot(variants=[a_variant("a"), a_variant("b")]))
    for replicas in range(1, 6):
        world.allocations = [an_allocation(v, replicas=replicas) for v in world.snapshot.variants]
        await world.loop.run_once(Trigger.INTERVAL)
        lines = [line for line in generate_latest(world.registry).decode().splitlines() if line[0] != "#"]
        series = [line.rsplit(" ", 1)[0] for line in lines]
        assert len(series) == len(set(series))
        assert set(world.desired().values()) == {replicas}


def test_every_metric_is_named_once_and_by_convention() -> None:
    metrics = [value for value in vars(metric_names).values() if isinstance(value, MetricName)]
    names = [metric.name for metric in metrics]
    assert len(names) == len(set(names))
    assert all(name.startswith("inferno_") for name in names)


def test_a_registry_knows_every_family_before_the_first_plan() -> None:
    world = World()
    registry = CollectorRegistry(auto_describe=True)
    registry.register(Gauges(world.clock, lambda: True))
    assert b"inferno_desired_replicas{" not in generate_latest(registry)


def test_a_plan_without_limits_exports_no_limit() -> None:
    snapshot = a_snapshot()
    plan = a_plan(snapshot)
    unlimited = [c.model_copy(update={"limit": None}) for c in plan.capacity]
    shown = Shown(capacity=tuple(unlimited), planned_at=1_000.0)
    world = World()
    world.gauges.show(shown)
    assert world.series("inferno_gpus_limit") == []
    assert len(world.series("inferno_gpus_used")) == 1


async def test_words_about_a_variant_stand_beside_its_numbers() -> None:
    world = World()
    await world.loop.run_once(Trigger.START)
    identity = {"variant_name": SEED_KEY[1], "namespace": SEED_KEY[0]}
    info = {**identity, "model_name": "Qwen/Qwen3-0.6B", "service_class": "Premium"}
    assert world.value("inferno_variant_info", **info) == 1
    assert world.value("inferno_variant_decision", **identity, reason="SloBinds") == 1
    measured = {**identity, "type": "MetricsAvailable", "reason": "MetricsFound"}
    assert world.value("inferno_variant_condition", **measured) == 1
    assert world.value("inferno_ready_replicas", **SEED_LABELS) == 1
    assert world.value("inferno_arrivals_requests_per_second", **SEED_LABELS) == 0.625


async def test_a_demand_and_what_is_served_of_it_are_rates_per_second() -> None:
    world = World()
    demand = Demand(
        namespace="a", model="m", service_class="Premium", priority=1, rate_rpm=60.0, served_rpm=30.0
    )
    unknown = demand.model_copy(update={"model": "other", "rate_rpm": None, "served_rpm": None})
    world.gauges.show(Shown(demands=(demand, unknown), planned_at=1_000.0))
    labels = {"namespace": "a", "model_name": "m", "service_class": "Premium", "priority": "1"}
    assert world.value("inferno_demand_requests_per_second", **labels) == 1
    assert world.value("inferno_served_requests_per_second", **labels) == 0.5
    assert len(world.series("inferno_demand_requests_per_second")) == 1


async def test_a_plan_says_how_good_it_is_proven_to_be() -> None:
    world = World()
    cost = Stage(objective="cost", value=101.0, bound=100.0, gap=0.01, status="feasible")
    certificate = Certificate(status="feasible", verified=True, stages=[cost])
    world.gauges.show(Shown(certificate=certificate, planned_at=1_000.0))
    assert world.value("inferno_plan_status", status="feasible") == 1
    assert world.value("inferno_plan_status", status="optimal") == 0
    assert world.value("inferno_plan_gap_ratio", objective="cost") == 0.01
