"""Two actuators on one cluster: one writes, the other takes over, nothing is exported twice."""

from functools import partial
from unittest.mock import ANY

from builders import SEED_NAME, SEED_NAMESPACE
from inferno_actuator.leader import LEASE_NAME
from inferno_shared.kubernetes import LEASES
from unit.actuator.cluster_world import (
    NAMESPACE,
    ClusterWorld,
    JsonObject,
    another_actuator,
    cluster_world,
    until,
)

DESIRED = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{SEED_NAMESPACE}/inferno_desired_replicas"


async def external(world: ClusterWorld) -> JsonObject:
    """What an HPA gets from this actuator."""
    answer: JsonObject = (await world.http.get(DESIRED)).raise_for_status().json()
    return answer


def tells_the_time(world: ClusterWorld) -> bool:
    """Whether this actuator has read in the Lease how old the plan is."""
    return "inferno.llmd.ai/planned-at" in world.actuator.leadership.annotations


async def test_a_leader_that_shuts_down_hands_over_at_once_and_its_successor_writes_a_later_term() -> None:
    async with cluster_world(leader_election=True, identity="first") as world:
        assert (await world.status())["actuation"]["fencingToken"] == 0
        async with another_actuator(
            world, leader_election=True, identity="second", external_metrics=True
        ) as second:
            await until(lambda: second.actuator.cluster.synced, "its caches")
            assert f'variant_name="{SEED_NAME}"' in await world.metrics()
            assert "inferno_leader 0.0" in await second.metrics()
            assert f'variant_name="{SEED_NAME}"' not in await second.metrics()
            assert (await second.http.get("/readyz")).status_code == 200, "a standby is ready"
            assert (await second.http.post("/invoke")).status_code == 503

            desired = await external(world)
            assert [item["value"] for item in desired["items"]] == ["3"]
            # Which comes with the lease's next renewal, and is read with the standby's next try.
            for each in (world, second):
                await until(partial(tells_the_time, each), "the time of the plan", seconds=20)
            assert await external(second) == desired | {"items": [desired["items"][0] | {"timestamp": ANY}]}
            explained = await second.http.get(f"/plan/{SEED_NAMESPACE}/{SEED_NAME}")
            assert (explained.status_code, explained.json()["detail"]) == (
                503,
                "this process does not run the loop, first does: ask it",
            )
            assert (await second.http.get("/plan")).json()["problems"][0]["reason"] == "NotLeading"

            await world.stop()
            lease = await second.kubernetes.get(LEASES, LEASE_NAME, NAMESPACE)
            assert lease["spec"]["holderIdentity"] in ("", "second")
            await until(lambda: second.actuator.leadership.is_leader, "the hand-over", seconds=5)
            await until(lambda: second.turns > 0, "its first turn")
            assert (await second.status())["actuation"]["fencingToken"] == 1
            assert f'variant_name="{SEED_NAME}"' in await second.metrics()
