"""A VariantAutoscaling is owned by its Deployment and outlives it, unless its annotation says otherwise."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from builders import SEED_NAME, SEED_NAMESPACE
from devcluster.apiserver import running_api
from inferno_actuator.fencing import NoFence
from inferno_actuator.ownership import Ownership
from inferno_actuator.ties import Tie, tie_in_place, tie_of
from inferno_shared.errors import ForbiddenError, NotFoundError
from inferno_shared.kubernetes import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    VARIANT_AUTOSCALINGS,
    KubernetesClient,
    OwnerReference,
    Resource,
    ScaleTargetRef,
)
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


ANNOTATION = "inferno.llmd.ai/delete-with-target"


async def metadata(kubernetes: KubernetesClient) -> JsonObject:
    found: JsonObject = (await kubernetes.get(VARIANT_AUTOSCALINGS, SEED_NAME, SEED_NAMESPACE))["metadata"]
    return found


async def gone(kubernetes: KubernetesClient) -> bool:
    try:
        await metadata(kubernetes)
    except NotFoundError:
        return True
    return False


async def kinds(kubernetes: KubernetesClient) -> list[str]:
    return [owner["kind"] for owner in (await metadata(kubernetes)).get("ownerReferences", [])]


async def settle(
    kubernetes: KubernetesClient, *, tie: Tie = Tie.OUTLIVES, tied: Tie = Tie.NONE, uid: str | None = None
) -> None:
    decision = to_three()
    found = uid or (await metadata(kubernetes))["uid"]
    known = replace(decision.known, uid=found, tie=tie, tied=tied)
    await Ownership(kubernetes, NoFence()).settle([replace(decision, known=known)])


@pytest.mark.parametrize(
    ("text", "tie"),
    [
        ("true", Tie.FOLLOWS),
        (" True ", Tie.FOLLOWS),
        ("false", Tie.OUTLIVES),
        ("", Tie.OUTLIVES),
        ("nonsense", Tie.OUTLIVES),
        ("never", Tie.NONE),
    ],
)
def test_the_annotation_chooses_the_tie_and_nonsense_never_deletes(text: str, tie: Tie) -> None:
    assert tie_of({ANNOTATION: text}) is tie
    assert tie_of({}) is Tie.OUTLIVES


def test_the_tie_in_place_is_read_from_the_owners() -> None:
    target = ScaleTargetRef("apps/v1", "Deployment", "x")
    deployment = OwnerReference("Deployment", "x", "u1", controller=False)
    namespace = OwnerReference("Namespace", "n", "u2", controller=False)
    other = OwnerReference("Deployment", "y", "u3", controller=False)
    assert tie_in_place([deployment, namespace], target) is Tie.OUTLIVES
    assert tie_in_place([deployment], target) is Tie.FOLLOWS
    assert tie_in_place([namespace, other], target) is Tie.NONE, "the target is gone, or was made anew"


async def test_many_new_variants_are_tied_a_few_per_cycle(kubernetes: KubernetesClient) -> None:
    decision, ownership = to_three(), Ownership(kubernetes, NoFence())
    for tied, due in ((Tie.NONE, 5), (Tie.OUTLIVES, 0)):
        known = replace(decision.known, tie=Tie.OUTLIVES, tied=tied)
        assert ownership.due([replace(decision, known=known)] * 1_000) == due


async def test_by_default_the_target_and_the_namespace_own_it_and_control_and_block_nothing(
    kubernetes: KubernetesClient,
) -> None:
    await settle(kubernetes)
    deployment = await kubernetes.get(DEPLOYMENTS, SEED_NAME, SEED_NAMESPACE)
    namespace = await kubernetes.get(NAMESPACES, SEED_NAMESPACE)
    free = {"controller": False, "blockOwnerDeletion": False}
    assert (await metadata(kubernetes))["ownerReferences"] == [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": SEED_NAME,
            "uid": deployment["metadata"]["uid"],
            **free,
        },
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "name": SEED_NAMESPACE,
            "uid": namespace["metadata"]["uid"],
            **free,
        },
    ]


async def test_it_outlives_its_deployment_and_belongs_to_the_one_that_is_made_anew(
    kubernetes: KubernetesClient,
) -> None:
    await settle(kubernetes)
    await kubernetes.delete(DEPLOYMENTS, SEED_NAME, SEED_NAMESPACE)
    await deploy(kubernetes)
    await settle(kubernetes)
    anew = await kubernetes.get(DEPLOYMENTS, SEED_NAME, SEED_NAMESPACE)
    owners = (await metadata(kubernetes))["ownerReferences"]
    assert [owner["uid"] for owner in owners if owner["kind"] == "Deployment"] == [anew["metadata"]["uid"]]


async def test_with_the_annotation_it_goes_with_its_deployment(kubernetes: KubernetesClient) -> None:
    await settle(kubernetes, tie=Tie.FOLLOWS)
    assert await kinds(kubernetes) == ["Deployment"]
    await kubernetes.delete(DEPLOYMENTS, SEED_NAME, SEED_NAMESPACE)
    async with asyncio.timeout(5):
        while not await gone(kubernetes):  # noqa: ASYNC110 - the garbage collector has no event to offer
            await asyncio.sleep(0.01)


async def test_owners_of_others_stay_and_ours_go_with_the_annotation(kubernetes: KubernetesClient) -> None:
    other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u"}
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "x", "namespace": SEED_NAMESPACE},
    }
    other["uid"] = (await kubernetes.create(CONFIG_MAPS, config_map, SEED_NAMESPACE))["metadata"]["uid"]
    await kubernetes.merge_patch(
        VARIANT_AUTOSCALINGS, {"metadata": {"ownerReferences": [other]}}, SEED_NAME, SEED_NAMESPACE
    )
    await settle(kubernetes)
    assert await kinds(kubernetes) == ["ConfigMap", "Deployment", "Namespace"]
    await settle(kubernetes, tie=Tie.FOLLOWS, tied=Tie.OUTLIVES)
    assert await kinds(kubernetes) == ["ConfigMap", "Deployment"]
    await settle(kubernetes, tie=Tie.NONE, tied=Tie.FOLLOWS)
    assert await kinds(kubernetes) == ["ConfigMap"]


async def test_an_object_made_anew_meanwhile_and_a_target_that_is_gone_are_left_alone(
    kubernetes: KubernetesClient,
) -> None:
    await settle(kubernetes, uid="of-an-earlier-one")
    assert "ownerReferences" not in await metadata(kubernetes)
    await kubernetes.delete(DEPLOYMENTS, SEED_NAME, SEED_NAMESPACE)
    await settle(kubernetes)
    assert "ownerReferences" not in await metadata(kubernetes)


async def test_a_missing_right_is_said_once_and_asked_for_once_per_cycle(
    kubernetes: KubernetesClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    read = KubernetesClient.get

    async def refuse(
        client: KubernetesClient, resource: Resource, name: str, *rest: str, **more: str
    ) -> JsonObject:
        nonlocal asked
        if resource is not NAMESPACES:
            return await read(client, resource, name, *rest, **more)
        asked += 1
        raise ForbiddenError("no right to get namespaces", status=403)

    decision = to_three()
    known = replace(decision.known, uid=(await metadata(kubernetes))["uid"])
    many = [replace(decision, known=known)] * 3
    ownership = Ownership(kubernetes, NoFence())
    with monkeypatch.context() as patched, capture_logs() as said:
        patched.setattr(KubernetesClient, "get", refuse)
        for expected in (3, 4, 5):
            await ownership.settle(many)
            assert asked == expected
    assert [line["event"] for line in said].count("owner references are not set, all else goes on") == 1
    await ownership.settle(many)
    assert await kinds(kubernetes) == ["Deployment", "Namespace"]
