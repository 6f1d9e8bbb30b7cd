"""A deposed leader never writes over a later one, whatever it believes: two actuators, one API server."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from builders import SEED_NAME, SEED_NAMESPACE
from devcluster.apiserver import RunningApi, running_api
from inferno_actuator.apply import Pace, Publisher, Update, WriteCounts
from inferno_actuator.fencing import LeaseFence, NoFence
from inferno_actuator.leader import LEASE_NAME
from inferno_actuator.status import token_of
from inferno_shared.errors import KubernetesError
from inferno_shared.kubernetes import LEASES, VARIANT_AUTOSCALINGS, KubernetesClient, LeaseElector
from unit.actuator.cluster_world import NAMESPACE, install
from unit.actuator.world import NOON, SEED_KEY, JsonObject, Statuses, a_known


class Silent:
    """Records no Event."""

    async def record(self, *_: object) -> None:
        """Say nothing."""


class Candidate:
    """One actuator's leadership, fence and publisher; its clock is turned by hand."""

    def __init__(self, kubernetes: KubernetesClient, identity: str, clock: Callable[[], float]) -> None:
        self.elector = LeaseElector(kubernetes, NAMESPACE, LEASE_NAME, identity, clock=clock)
        self.fence = LeaseFence(kubernetes, self.elector, namespace=NAMESPACE, identity=identity)
        self.kubernetes = kubernetes
        self.publisher = Publisher(kubernetes, Silent(), fence=self.fence, pace=Pace())

    async def write(self, replicas: int, *, uid: str = "") -> WriteCounts:
        return await self.publisher.publish([desire(replicas, uid=uid)], now=NOON)


def desire(replicas: int, *, uid: str = "") -> Update:
    def render(before: Any, _generation: int) -> JsonObject:  # noqa: ANN401 - a status, whatever it is
        return {**before, "desiredOptimizedAlloc": {"accelerator": "H100", "numReplicas": replicas}}

    return Update(a_known(uid=uid), render, lambda _: ())


class Hands:
    """A clock for each process: a paused one stands still while the world goes on."""

    def __init__(self) -> None:
        self.a, self.b = 0.0, 0.0


@pytest.fixture
async def cluster() -> AsyncIterator[RunningApi]:
    async with running_api() as cluster:
        yield cluster


@pytest.fixture
async def kubernetes(cluster: RunningApi) -> AsyncIterator[KubernetesClient]:
    async with KubernetesClient.connect(kubeconfig=str(cluster.kubeconfig)) as kubernetes:
        await install(kubernetes)
        yield kubernetes


async def replicas(kubernetes: KubernetesClient) -> int:
    variant = await kubernetes.get(VARIANT_AUTOSCALINGS, SEED_NAME, SEED_NAMESPACE)
    desired: int = variant["status"]["desiredOptimizedAlloc"]["numReplicas"]
    return desired


async def token(kubernetes: KubernetesClient) -> int | None:
    variant = await kubernetes.get(VARIANT_AUTOSCALINGS, SEED_NAME, SEED_NAMESPACE)
    return token_of(variant["status"])


async def two_terms(kubernetes: KubernetesClient) -> tuple[Candidate, Candidate]:
    """A leads and wrote 3; then it is paused, its lease runs out, and B leads; A still believes it leads."""
    hands = Hands()
    a = Candidate(kubernetes, "a", lambda: hands.a)
    b = Candidate(kubernetes, "b", lambda: hands.b)
    await a.elector.step()
    await b.elector.step()
    assert (await a.write(3)).written == 1
    hands.b += 16
    await b.elector.step()
    assert a.elector.is_leader, "its clock stands still"
    assert b.elector.is_leader
    return a, b


async def test_a_deposed_leader_that_does_not_know_it_writes_nothing_over_the_next_one(
    kubernetes: KubernetesClient,
) -> None:
    a, b = await two_terms(kubernetes)
    assert (await b.write(5)).written == 1
    counts = await a.write(1)
    assert (counts.written, counts.fenced, counts.failed) == (0, 1, 0)
    assert await replicas(kubernetes) == 5
    assert await token(kubernetes) == 1


async def test_a_write_under_way_when_the_next_leader_writes_is_void(kubernetes: KubernetesClient) -> None:
    """A read the object, B wrote it, and only then A's write arrives."""
    a, b = await two_terms(kubernetes)
    patch = kubernetes.merge_patch
    overtaken = False

    async def late(*args: Any, **kwargs: Any) -> JsonObject:  # noqa: ANN401 - passed on
        nonlocal overtaken
        if not overtaken:
            overtaken = True
            assert (await b.write(5)).written == 1
        return await patch(*args, **kwargs)

    slow = _Slowed(kubernetes, late)
    a.publisher = Publisher(slow, Silent(), fence=a.fence, pace=Pace())
    counts = await a.write(1)
    assert overtaken
    assert (counts.written, counts.fenced) == (0, 1)
    assert await replicas(kubernetes) == 5


class _Slowed(KubernetesClient):
    """The same API server, but each write takes its time."""

    def __init__(self, client: KubernetesClient, patch: Callable[..., Any]) -> None:
        super().__init__(client._transport)
        self._patch = patch

    async def merge_patch(self, *args: Any, **kwargs: Any) -> JsonObject:  # noqa: ANN401 - passed on
        answer: JsonObject = await self._patch(*args, **kwargs)
        return answer


async def test_a_new_leader_puts_its_token_into_every_status_changed_or_not(
    kubernetes: KubernetesClient,
) -> None:
    _, b = await two_terms(kubernetes)
    assert await token(kubernetes) == 0
    assert (await b.write(3)).written == 1
    assert await token(kubernetes) == 1


async def test_a_lease_that_was_deleted_and_counts_anew_is_lifted_and_the_loop_goes_on(
    kubernetes: KubernetesClient,
) -> None:
    _, b = await two_terms(kubernetes)
    await b.write(5)
    await kubernetes.delete(LEASES, LEASE_NAME, NAMESPACE)
    c = Candidate(kubernetes, "c", lambda: 0.0)
    await c.elector.step()
    assert (c.elector.is_leader, c.fence.token) == (True, 0)
    assert (await c.write(6)).written == 1
    assert await replicas(kubernetes) == 6
    assert await token(kubernetes) == 2
    assert (await kubernetes.get(LEASES, LEASE_NAME, NAMESPACE))["spec"]["leaseTransitions"] == 2
    await c.elector.step()
    assert (c.elector.is_leader, c.elector.transitions) == (True, 2)


async def test_when_the_lease_cannot_be_asked_nothing_is_written() -> None:
    class Down(KubernetesClient):
        def __init__(self) -> None:
            """No transport: nothing gets through."""

        async def get(self, *_: object, **__: object) -> JsonObject:
            raise KubernetesError("down")

    class Leading:
        is_leader = True
        transitions = 0
        holder = "a"

        @property
        def annotations(self) -> dict[str, str]:
            return {}

        async def run(self) -> None:
            """Lead."""

    fence = LeaseFence(Down(), Leading(), namespace=NAMESPACE, identity="a")
    statuses = Statuses()
    statuses.add(status={"actuation": {"fencingToken": 7}})
    counts = await Publisher(statuses, Silent(), fence=fence, pace=Pace()).publish(
        [desire(1, uid="u1")], now=NOON
    )
    assert (counts.fenced, statuses.writes) == (1, [])


async def test_without_an_election_nothing_is_fenced() -> None:
    statuses = Statuses()
    statuses.add(status={"actuation": {"fencingToken": 7}})
    publisher = Publisher(statuses, Silent(), fence=NoFence(), pace=Pace())
    assert (await publisher.publish([desire(1, uid="u1")], now=NOON)).written == 1
    assert statuses.status(SEED_KEY)["actuation"] == {"fencingToken": 7}


async def test_a_custom_resource_definition_that_drops_the_token_does_not_cause_a_write_per_cycle() -> None:
    class Term:
        token = 3
        may_write = True

        async def outrun(self, seen: int) -> bool:
            raise AssertionError(seen)

    statuses = Statuses()
    statuses.add()
    publisher = Publisher(statuses, Silent(), fence=Term(), pace=Pace())
    for _ in range(3):
        known = statuses.known()[SEED_KEY]
        update = Update(known, desire(3).render, lambda _: ())
        await publisher.publish([update], now=NOON)
        statuses.status().pop("actuation", None)
    assert len(statuses.writes) == 1
