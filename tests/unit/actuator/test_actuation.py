"""Ways to act: through an HPA, directly on the scale, or only as advice."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from builders import SEED_NAME, SEED_NAMESPACE, a_snapshot, a_variant
from devcluster.apiserver import running_api
from inferno_actuator.actuation.direct import DirectScaler
from inferno_actuator.actuation.verdict import Actuation
from inferno_actuator.conditions import ConditionReason
from inferno_actuator.decisions import Decision
from inferno_actuator.fencing import Fence, NoFence
from inferno_actuator.known import KnownVariant
from inferno_actuator.modes import Mode, mode_of
from inferno_actuator.triggers import Trigger
from inferno_shared.kubernetes import (
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    VARIANT_AUTOSCALINGS,
    KubernetesClient,
    Resource,
    ScaleTargetRef,
)
from unit.actuator.cluster_world import JsonObject, cluster_world, documents, install, until
from unit.actuator.test_hpas import an_hpa
from unit.actuator.world import SEED_KEY, World, a_held_allocation, a_plan, an_allocation, decided

LWS = Resource("leaderworkerset.x-k8s.io", "v1", "leaderworkersets", "LeaderWorkerSet")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")


def test_the_annotation_chooses_the_way_and_nonsense_is_told() -> None:
    key = "inferno.llmd.ai/actuation"
    assert mode_of({}) == (Mode.HPA, None)
    assert mode_of({key: " Direct "}) == (Mode.DIRECT, None)
    mode, problem = mode_of({key: "yes"})
    assert mode is Mode.HPA
    assert problem == f"annotation {key} is 'yes', none of hpa, direct, off: hpa is used"


async def test_off_exports_nothing_and_says_what_would_be_right() -> None:
    world = World()
    world.statuses.modes[SEED_KEY] = Mode.OFF
    await world.loop.run_once(Trigger.INTERVAL)
    assert world.desired() == {}
    assert world.series("inferno_desired_ratio") == []
    assert world.series("inferno_current_replicas")[0][1] == 1
    assert world.statuses.status()["desiredOptimizedAlloc"]["numReplicas"] == 3
    condition = world.statuses.condition("Actuated")
    assert (condition["status"], condition["reason"]) == ("False", "AdviseOnly")
    assert "3 replicas would be right, 1 run" in condition["message"]
    assert world.statuses.scaled == []
    assert all(type_ == "Normal" for type_, _, _ in world.statuses.events)


async def test_off_takes_effect_even_while_the_collector_is_down() -> None:
    world = World()
    await world.loop.run_once(Trigger.INTERVAL)
    assert world.desired() == {SEED_NAME: 3}
    good = world.collector
    world.collector = lambda _: httpx.Response(500)
    world.statuses.modes[SEED_KEY] = Mode.OFF
    await world.loop.run_once(Trigger.CHANGE)
    assert world.desired() == {}
    world.statuses.modes[SEED_KEY] = Mode.HPA
    world.collector = good
    await world.loop.run_once(Trigger.CHANGE)
    assert world.desired() == {SEED_NAME: 3}


async def test_direct_scales_within_the_same_rails_and_exports_as_well() -> None:
    world = World()
    world.statuses.modes[SEED_KEY] = Mode.DIRECT
    world.statuses.hpas = ()
    await world.loop.run_once(Trigger.INTERVAL)
    assert world.statuses.scaled == [(SEED_KEY, 3)]
    assert world.desired() == {SEED_NAME: 3}
    assert world.statuses.condition("Actuated")["reason"] == "Scaled"


@pytest.mark.parametrize("unknown", [True, False])
async def test_direct_refuses_while_an_hpa_scales_too_or_might(*, unknown: bool) -> None:
    world = World()
    world.statuses.modes[SEED_KEY] = Mode.DIRECT
    world.statuses.hpas = None if unknown else (an_hpa(),)
    await world.loop.run_once(Trigger.INTERVAL)
    assert world.statuses.scaled == []
    condition = world.statuses.condition("Actuated")
    assert (condition["status"], condition["reason"]) == ("False", "HpaConflict")
    assert ("Warning", "HpaConflict") in [event[:2] for event in world.statuses.events]


async def test_direct_does_not_touch_what_it_did_not_see() -> None:
    world = World()
    world.statuses.modes[SEED_KEY] = Mode.DIRECT
    world.statuses.hpas = ()
    world.see()
    await world.loop.run_once(Trigger.INTERVAL)
    assert world.statuses.scaled == []


async def test_the_tolerance_gap_shows_as_a_condition_and_an_event() -> None:
    world = World(a_snapshot(variants=[a_variant(replicas=10)]))
    world.statuses.hpas = (an_hpa(maxReplicas=50),)
    world.allocations = [an_allocation(replicas=11)]
    await world.loop.run_once(Trigger.INTERVAL)
    assert world.statuses.condition("Actuated")["reason"] == "HpaTolerance"
    assert ("Warning", "HpaTolerance") in [event[:2] for event in world.statuses.events]
    world.allocations = [an_allocation(replicas=12)]
    await world.loop.run_once(Trigger.INTERVAL)
    assert world.statuses.condition("Actuated")["status"] == "True"
    assert ("Normal", "HpaFollows") in [event[:2] for event in world.statuses.events]


# On a real scale subresource


class Term:
    """A fence at the test's command."""

    def __init__(self, token: int | None = 3) -> None:
        self.token, self.may_write = token, True

    async def outrun(self, _seen: int) -> bool:
        return False


@pytest.fixture
async def kubernetes() -> AsyncIterator[KubernetesClient]:
    async with (
        running_api() as cluster,
        KubernetesClient.connect(kubeconfig=str(cluster.kubeconfig)) as kubernetes,
    ):
        await install(kubernetes)
        yield kubernetes


async def deploy(kubernetes: KubernetesClient, resource: Resource = DEPLOYMENTS, replicas: int = 1) -> None:
    manifest = documents("samples/vllm-deployment-service-servicemon.yaml")[0]
    manifest |= {"apiVersion": resource.api_version, "kind": resource.kind}
    manifest["spec"]["replicas"] = replicas
    if resource is STATEFUL_SETS:
        manifest["spec"]["serviceName"] = "x"
    if resource is LWS:
        manifest["spec"] = {"replicas": replicas}
    manifest["metadata"]["name"] = SEED_NAME
    await kubernetes.create(resource, manifest, SEED_NAMESPACE)


async def replicas_of(kubernetes: KubernetesClient, resource: Resource = DEPLOYMENTS) -> int:
    found: int = (await kubernetes.get(resource, SEED_NAME, SEED_NAMESPACE))["spec"]["replicas"]
    return found


def to_three(resource: Resource = DEPLOYMENTS, *, current: int = 1) -> Decision:
    known = KnownVariant(
        namespace=SEED_NAMESPACE,
        name=SEED_NAME,
        target=ScaleTargetRef(resource.api_version, resource.kind, SEED_NAME),
        mode=Mode.DIRECT,
    )
    return decided(a_snapshot(variants=[a_variant(replicas=current)]), known=known)


async def act(kubernetes: KubernetesClient, decision: Decision, fence: Fence | None = None) -> Actuation:
    scaler = DirectScaler(kubernetes, fence or NoFence(), concurrency=4)
    return (await scaler.act([decision]))[decision.key]


def lws_definition() -> JsonObject:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{LWS.plural}.{LWS.group}"},
        "spec": {
            "group": LWS.group,
            "scope": "Namespaced",
            "names": {"plural": LWS.plural, "singular": "leaderworkerset", "kind": LWS.kind},
            "versions": [version],
        },
    }


@pytest.mark.parametrize("resource", [DEPLOYMENTS, STATEFUL_SETS, LWS], ids=lambda resource: resource.kind)
async def test_whatever_has_a_scale_is_found_by_discovery_and_scaled(
    kubernetes: KubernetesClient, resource: Resource
) -> None:
    if resource is LWS:
        await kubernetes.create(CUSTOM_RESOURCE_DEFINITIONS, lws_definition())
    await deploy(kubernetes, resource)
    found = await act(kubernetes, to_three(resource))
    assert found.message == f"{resource.kind} {SEED_NAMESPACE}/{SEED_NAME} was scaled from 1 to 3 replicas"
    assert await replicas_of(kubernetes, resource) == 3


@pytest.mark.parametrize(
    ("api_version", "kind", "said"),
    [
        ("apps/v1", "Deployment", "not found"),
        ("apps/v1", "Frobnicator", "API apps/v1 has no kind Frobnicator"),
        ("example.com/v1", "Frobnicator", "the cluster serves no API example.com/v1"),
        ("v1", "ConfigMap", "has no scale subresource"),
    ],
)
async def test_what_cannot_be_scaled_says_why(
    kubernetes: KubernetesClient, api_version: str, kind: str, said: str
) -> None:
    found = await act(kubernetes, to_three(Resource("", api_version, "x", kind)))
    assert (found.works, found.reason) == (False, ConditionReason.SCALE_FAILED)
    assert said in found.message


async def test_replicas_edited_by_hand_are_put_right_again(kubernetes: KubernetesClient) -> None:
    await deploy(kubernetes, replicas=9)
    found = await act(kubernetes, to_three(current=9))
    assert found.message.endswith("was scaled from 9 to 3 replicas")
    assert await replicas_of(kubernetes) == 3


async def test_a_target_that_has_what_is_desired_costs_no_request() -> None:
    unreachable: Any = None
    found = await act(unreachable, to_three(current=3))
    assert found.message.endswith("has 3 replicas, as desired")


async def test_before_it_scales_a_leader_leaves_its_token(kubernetes: KubernetesClient) -> None:
    await deploy(kubernetes)
    assert (await act(kubernetes, to_three(), Term(3))).works
    variant = await kubernetes.get(VARIANT_AUTOSCALINGS, SEED_NAME, SEED_NAMESPACE)
    assert variant["status"]["actuation"]["fencingToken"] == 3


async def test_a_deposed_leader_scales_nothing(kubernetes: KubernetesClient) -> None:
    await deploy(kubernetes)
    await act(kubernetes, to_three(), Term(4))
    await kubernetes.merge_patch(DEPLOYMENTS, {"spec": {"replicas": 7}}, SEED_NAME, SEED_NAMESPACE)
    found = await act(kubernetes, to_three(), Term(3))
    assert (found.works, found.reason) == (False, ConditionReason.SCALE_FAILED)
    assert await replicas_of(kubernetes) == 7
    silent = Term(4)
    silent.may_write = False
    assert not (await act(kubernetes, to_three(), silent)).works
    assert await replicas_of(kubernetes) == 7


async def test_a_scale_that_a_later_leader_changed_in_between_is_not_overwritten(
    kubernetes: KubernetesClient,
) -> None:
    """The deposed one has read the scale and checked the token; the later one claims and scales; too late."""
    await deploy(kubernetes)
    overtaken = False

    async def overtake() -> None:
        nonlocal overtaken
        if not overtaken:
            overtaken = True
            assert (await act(kubernetes, to_three(), Term(4))).works
            await kubernetes.merge_patch(DEPLOYMENTS, {"spec": {"replicas": 8}}, SEED_NAME, SEED_NAMESPACE)

    slow = _Overtaken(kubernetes, overtake)
    found = await act(slow, to_three(), Term(3))
    assert overtaken
    assert not found.works
    assert await replicas_of(kubernetes) == 8


class _Overtaken(KubernetesClient):
    """The same API server; something happens between each read of a scale and its write."""

    def __init__(self, client: KubernetesClient, meanwhile: Callable[[], Any]) -> None:
        super().__init__(client._transport)
        self._meanwhile = meanwhile

    async def merge_patch(self, resource: Resource, *args: Any, **kwargs: Any) -> JsonObject:  # noqa: ANN401 - passed on
        if kwargs.get("subresource") == "scale":
            await self._meanwhile()
        return await super().merge_patch(resource, *args, **kwargs)


async def test_the_whole_actuator_scales_directly_once_the_hpa_is_gone() -> None:
    async with cluster_world() as world:
        await deploy(world.kubernetes)
        annotation = {"metadata": {"annotations": {"inferno.llmd.ai/actuation": "direct"}}}
        await world.kubernetes.merge_patch(VARIANT_AUTOSCALINGS, annotation, SEED_NAME, SEED_NAMESPACE)
        await until(lambda: world.turns == 2, "a turn for the annotation")
        conditions = {c["type"]: c["reason"] for c in (await world.status())["conditions"]}
        assert conditions["Actuated"] == "HpaConflict"
        assert await replicas_of(world.kubernetes) == 1
        await world.kubernetes.delete(an_hpa_resource(), "vllm-deployment-hpa", SEED_NAMESPACE)
        await until(lambda: world.actuator.cluster.autoscalers() == (), "the HPA to be gone")
        await world.http.post("/invoke")
        assert await replicas_of(world.kubernetes) == 3
        conditions = {c["type"]: c["reason"] for c in (await world.status())["conditions"]}
        assert conditions["Actuated"] == "Scaled"


def an_hpa_resource() -> Resource:
    return Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")


async def test_a_held_variant_is_scaled_up_to_what_was_desired_and_never_down() -> None:
    world = World(a_snapshot(variants=[a_variant(replicas=5, rate_rpm=None)]))
    world.statuses.modes[SEED_KEY] = Mode.DIRECT
    world.statuses.hpas = ()
    world.allocations = [a_held_allocation()]
    await world.loop.run_once(Trigger.INTERVAL)
    assert world.statuses.scaled == [(SEED_KEY, 5)]
    assert a_plan(world.snapshot).allocations
