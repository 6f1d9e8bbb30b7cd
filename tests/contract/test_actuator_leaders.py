"""Two actuators on one cluster: one writes, the other takes over, nothing is exported twice."""

from builders import SEED_NAME
from inferno_actuator.leader import LEASE_NAME
from inferno_shared.kubernetes import LEASES
from unit.actuator.cluster_world import NAMESPACE, another_actuator, cluster_world, until


async def test_a_leader_that_shuts_down_hands_over_at_once_and_its_successor_writes_a_later_term() -> None:
    async with cluster_world(leader_election=True, identity="first") as world:
        assert (await world.status())["actuation"]["fencingToken"] == 0
        async with another_actuator(world, leader_election=True, identity="second") as second:
            await until(lambda: second.actuator.cluster.synced, "its caches")
            assert f'variant_name="{SEED_NAME}"' in await world.metrics()
            assert "inferno_leader 0.0" in await second.metrics()
            assert f'variant_name="{SEED_NAME}"' not in await second.metrics()
            assert (await second.http.get("/readyz")).status_code == 200, "a standby is ready"
            assert (await second.http.post("/invoke")).status_code == 503

            await world.stop()
            lease = await second.kubernetes.get(LEASES, LEASE_NAME, NAMESPACE)
            assert lease["spec"]["holderIdentity"] in ("", "second")
            await until(lambda: second.actuator.leadership.is_leader, "the hand-over", seconds=5)
            await until(lambda: second.turns > 0, "its first turn")
            assert (await second.status())["actuation"]["fencingToken"] == 1
            assert f'variant_name="{SEED_NAME}"' in await second.metrics()
