"""A VariantAutoscaling outlives its Deployment unless its annotation ties them together."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from builders import SEED_NAME, SEED_NAMESPACE
from devcluster.apiserver import running_api
from inferno_actuator.fencing import NoFence
from inferno_actuator.ownership import Ownership, wants_owner
from inferno_shared.kubernetes import DEPLOYMENTS, VARIANT_AUTOSCALINGS, KubernetesClient
from unit.actuator.cluster_world import JsonObject, install
from unit.actuator.test_actuation import deploy, to_three


@pytest.fixture
async def kubernetes() -> AsyncIterator[KubernetesClient]:
    async with (
        running_api() as cluster,
        KubernetesClient.connect(kubeconfig=str(cluster.kubeconfig)) as kubernetes,
    ):
        await install(kubernetes)
        await deploy(kubernetes)
        yield kubernetes


async def metadata(kubernetes: KubernetesClient) -> JsonObject:
    found: JsonObject = (await kubernetes.get(VARIANT_AUTOSCALINGS, SEED_NAME, SEED_NAMESPACE))["metadata"]
    return found


async def settle(kubernetes: KubernetesClient, *, wants: bool, owned: bool, uid: str | None = None) -> None:
    decision = to_three()
    found = uid or (await metadata(kubernetes))["uid"]
    known = replace(decision.known, uid=found, wants_owner=wants, owned=owned)
    await Ownership(kubernetes, NoFence()).settle([replace(decision, known=known)])


def test_the_annotation_must_say_true() -> None:
    key = "inferno.llmd.ai/delete-with-target"
    assert [wants_owner({key: text}) for text in ("true", " True ", "false", "")] == [
        True,
        True,
        False,
        False,
    ]
    assert not wants_owner({})


async def test_by_default_a_variant_has_no_owner(kubernetes: KubernetesClient) -> None:
    await settle(kubernetes, wants=False, owned=False)
    assert "ownerReferences" not in await metadata(kubernetes)


async def test_the_annotation_sets_a_reference_that_blocks_and_controls_nothing(
    kubernetes: KubernetesClient,
) -> None:
    await settle(kubernetes, wants=True, owned=False)
    deployment = await kubernetes.get(DEPLOYMENTS, SEED_NAME, SEED_NAMESPACE)
    assert (await metadata(kubernetes))["ownerReferences"] == [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": SEED_NAME,
            "uid": deployment["metadata"]["uid"],
            "controller": False,
            "blockOwnerDeletion": False,
        }
    ]


async def test_owners_of_others_stay_and_ours_goes_with_the_annotation(kubernetes: KubernetesClient) -> None:
    other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u"}
    await kubernetes.merge_patch(
        VARIANT_AUTOSCALINGS, {"metadata": {"ownerReferences": [other]}}, SEED_NAME, SEED_NAMESPACE
    )
    await settle(kubernetes, wants=True, owned=False)
    kinds = [owner["kind"] for owner in (await metadata(kubernetes))["ownerReferences"]]
    assert kinds == ["ConfigMap", "Deployment"]
    await settle(kubernetes, wants=False, owned=True)
    kinds = [owner["kind"] for owner in (await metadata(kubernetes))["ownerReferences"]]
    assert kinds == ["ConfigMap"]


async def test_an_object_made_anew_meanwhile_and_a_target_that_is_gone_are_left_alone(
    kubernetes: KubernetesClient,
) -> None:
    await settle(kubernetes, wants=True, owned=False, uid="of-an-earlier-one")
    assert "ownerReferences" not in await metadata(kubernetes)
    await kubernetes.delete(DEPLOYMENTS, SEED_NAME, SEED_NAMESPACE)
    await settle(kubernetes, wants=True, owned=False)
    assert "ownerReferences" not in await metadata(kubernetes)
