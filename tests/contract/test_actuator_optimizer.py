"""Both ends of `POST /optimize`: the actuator's client and the real optimizer, over ASGI."""

from collections.abc import AsyncIterator

import httpx
import pytest

from builders import a_node, a_profile, a_snapshot, a_variant
from inferno_actuator.clients import OptimizerClient
from inferno_actuator.stages import StageError
from inferno_optimizer.app import create_optimizer_app
from inferno_optimizer.settings import OptimizerSettings
from inferno_shared.contracts import Outcome, PlanReason, Policy, SaturationPolicy, Snapshot


@pytest.fixture
async def optimizer() -> AsyncIterator[OptimizerClient]:
    app = create_optimizer_app(OptimizerSettings(workers=0, max_body_bytes=200_000))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://optimizer") as http,
    ):
        yield OptimizerClient(http)


async def test_the_seeds_plan_is_believed(optimizer: OptimizerClient) -> None:
    snapshot = a_snapshot()
    plan = await optimizer.optimize(snapshot)
    (allocation,) = plan.allocations
    assert (allocation.outcome, allocation.accelerator, allocation.replicas) == (Outcome.SERVED, "H100", 3)
    assert plan.snapshot_id == snapshot.id
    assert plan.certificate.verified


async def test_the_snapshot_goes_out_as_the_collector_wrote_it(optimizer: OptimizerClient) -> None:
    written = a_snapshot(variants=[a_variant(rate_rpm=50.25)])
    snapshot = Snapshot.model_validate_json(written.model_dump_json())
    assert (await optimizer.optimize(snapshot)).snapshot_id == written.id


async def test_unknown_load_and_an_impossible_slo_are_held_beside_a_served_variant(
    optimizer: OptimizerClient,
) -> None:
    # A model whose fastest decode step is 30 ms cannot keep an ITL of 24 ms.
    slow = a_profile(parameters=a_profile().parameters.model_copy(update={"alpha": 30.0}))
    plan = await optimizer.optimize(
        a_snapshot(
            variants=[
                a_variant("dark", namespace="a", rate_rpm=None, replicas=5),
                a_variant("slow", namespace="b", profiles=[slow], replicas=2),
                a_variant("fine", namespace="c"),
            ]
        )
    )
    by_name = {allocation.name: allocation for allocation in plan.allocations}
    assert (by_name["dark"].outcome, by_name["dark"].reason) == (Outcome.HELD, PlanReason.UNKNOWN_LOAD)
    assert by_name["dark"].replicas == 5
    assert (by_name["slow"].outcome, by_name["slow"].reason) == (Outcome.HELD, PlanReason.INFEASIBLE_SLO)
    assert by_name["slow"].replicas == 2
    assert (by_name["fine"].outcome, by_name["fine"].replicas) == (Outcome.SERVED, 3)


async def test_a_plan_within_too_few_gpus_is_verified_and_says_who_went_short(
    optimizer: OptimizerClient,
) -> None:
    policy = Policy(unlimited=False, saturation_policy=SaturationPolicy.PRIORITY_EXHAUSTIVE)
    snapshot = a_snapshot(
        variants=[a_variant(rate_rpm=100)], inventory=[a_node(allocatable=4)], policy=policy
    )
    plan = await optimizer.optimize(snapshot)
    (allocation,) = plan.allocations
    assert plan.certificate.verified
    assert (allocation.outcome, allocation.replicas) == (Outcome.PARTIAL, 4)
    assert allocation.reason is PlanReason.INSUFFICIENT_CAPACITY


async def test_a_snapshot_that_the_optimizer_refuses_is_an_error_that_names_the_reason(
    optimizer: OptimizerClient,
) -> None:
    many = a_snapshot(variants=[a_variant(f"v{number}") for number in range(1000)])
    with pytest.raises(StageError, match="413"):
        await optimizer.optimize(many)
