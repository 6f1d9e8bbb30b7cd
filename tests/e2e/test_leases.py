"""Leader election on both clusters: one leader at a time, handed over at once or after its time."""

import asyncio
from contextlib import suppress

import pytest

from e2e.clusters import until_true
from inferno_shared.kubernetes import LEASES, KubernetesClient, LeaseElector

SPACE = "default"


def an_elector(client: KubernetesClient, lease: str, identity: str) -> LeaseElector:
    return LeaseElector(
        client, SPACE, lease, identity, duration_seconds=3, renew_seconds=0.5, retry_seconds=0.5
    )


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.fixture
def lease(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).partition("[")[0].replace("_", "-")[:60].strip("-")


async def test_a_leader_that_ends_hands_over_at_once(any_client: KubernetesClient, lease: str) -> None:
    first, second = an_elector(any_client, lease, "first"), an_elector(any_client, lease, "second")
    running = asyncio.create_task(first.run())
    await until_true(lambda: first.is_leader)
    waiting = asyncio.create_task(second.run())

    await stop(running)
    started = asyncio.get_running_loop().time()
    await until_true(lambda: second.is_leader)
    seconds = asyncio.get_running_loop().time() - started
    await stop(waiting)

    assert not first.is_leader
    assert seconds < 2.5
    assert second.transitions == 1


async def test_a_leader_that_vanishes_is_followed_after_its_time(
    any_client: KubernetesClient, lease: str
) -> None:
    first, second = an_elector(any_client, lease, "first"), an_elector(any_client, lease, "second")
    await first.step()
    await second.step()
    lone = first.is_leader and not second.is_leader
    waiting = asyncio.create_task(second.run())
    await until_true(lambda: second.is_leader)
    both = first.is_leader and second.is_leader
    written = await any_client.get(LEASES, lease, SPACE)
    await stop(waiting)

    assert lone
    assert not both
    assert written["spec"]["holderIdentity"] == "second"
    assert written["spec"]["leaseTransitions"] == 1


async def test_two_that_start_together_have_one_leader(any_client: KubernetesClient, lease: str) -> None:
    electors = [an_elector(any_client, lease, f"candidate-{number}") for number in range(4)]

    await asyncio.gather(*(elector.step() for elector in electors))

    assert sum(elector.is_leader for elector in electors) == 1
