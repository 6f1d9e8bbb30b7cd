from typing import Any

import pytest

from builders import SEED_MODEL, SEED_NAME, SEED_NAMESPACE, a_load
from inferno_collector.catalogue import Catalogue, read_catalogue
from inferno_collector.loads import MeasuredLoad
from inferno_collector.variants import Resolution, UnresolvableError, resolve_variants, variant_of
from inferno_collector.view import ClusterView
from inferno_shared.contracts import LinearParameters, PrefillDecodeParameters, Variant
from unit.collector.worlds import (
    CLASSES,
    COSTS,
    a_deployment_json,
    a_leader_worker_set_json,
    a_pod_json,
    a_pod_of_a_group_json,
    a_variant_json,
    a_view,
    the_catalogue,
)


def resolved(view: ClusterView, catalogue: Catalogue | None = None) -> Resolution:
    return resolve_variants(view, catalogue or the_catalogue())


def the_variant(view: ClusterView) -> Variant:
    [found] = resolved(view).variants
    return variant_of(found, MeasuredLoad(a_load()), the_catalogue(), view)


def complaints(resolution: Resolution) -> list[tuple[str, str, str]]:
    return [(p.subject, p.reason, p.message) for p in resolution.problems]


def test_the_seeds_variant_is_premium_though_its_reference_matches_nothing() -> None:
    variant = the_variant(a_view())
    assert (variant.namespace, variant.name, variant.model) == (SEED_NAMESPACE, SEED_NAME, SEED_MODEL)
    assert variant.service_class == "Premium"
    assert [p.accelerator for p in variant.profiles] == ["A100", "H100", "MI300X", "G2"]
    assert variant.profiles[1].parameters == LinearParameters(alpha=20.58, beta=0.41)
    assert (variant.min_replicas, variant.max_replicas, variant.keep_accelerator) == (1, None, True)
    assert resolved(a_view()).problems == []


def test_what_runs_now_is_read_from_label_deployment_and_pods() -> None:
    pods = [a_pod_json("p-0"), a_pod_json("p-1", ready_at=None), a_pod_json("old", phase="Failed")]
    variant = the_variant(a_view(deployments=[a_deployment_json(replicas=3)], pods=pods))
    assert variant.current.accelerator == "H100"
    assert (variant.current.replicas, variant.current.ready_replicas) == (3, 1)


def test_the_batch_size_that_the_server_was_started_with_is_known() -> None:
    deployment = a_deployment_json(args=["--max-num-seqs", "16"])
    assert the_variant(a_view(deployments=[deployment])).max_batch_size == 16
    assert the_variant(a_view()).max_batch_size is None


def test_a_price_of_the_variants_own_is_handed_on() -> None:
    assert the_variant(a_view()).cost_per_replica_hour is None
    priced = a_view(variants=[a_variant_json(variantCost="12.5")])
    assert the_variant(priced).cost_per_replica_hour == 12.5


def test_without_the_label_the_accelerator_is_what_the_pods_nodes_have() -> None:
    unlabelled = a_variant_json()
    del unlabelled["metadata"]["labels"]
    assert the_variant(a_view(variants=[unlabelled])).current.accelerator == "H100"
    assert the_variant(a_view(variants=[unlabelled], pods=[])).current.accelerator is None


@pytest.mark.parametrize(
    "reference", [{"key": "Gold", "name": "x"}, {"key": "x", "name": "Gold"}, {"name": "Gold"}]
)
def test_a_reference_that_names_a_class_with_the_model_counts(reference: dict[str, str]) -> None:
    classes = CLASSES | {"gold": f"{{name: Gold, priority: 50, data: [{{model: {SEED_MODEL}}}]}}"}
    catalogue = read_catalogue(COSTS, classes, Catalogue())
    resolution = resolved(a_view(variants=[a_variant_json(sloClassRef=reference)]), catalogue)
    assert resolution.variants[0].service_class == "Gold"
    assert resolution.problems == []


def test_a_model_in_several_classes_without_a_reference_is_of_the_most_important_with_a_warning() -> None:
    classes = CLASSES | {"gold": f"{{name: Gold, priority: 50, data: [{{model: {SEED_MODEL}}}]}}"}
    resolution = resolved(a_view(), read_catalogue(COSTS, classes, Catalogue()))
    assert resolution.variants[0].service_class == "Premium"
    [(_, reason, message)] = complaints(resolution)
    assert reason == "InvalidConfiguration"
    assert "in classes Premium, Gold" in message


def test_a_model_of_no_class_is_left_out_with_the_classes_that_exist() -> None:
    resolution = resolved(a_view(variants=[a_variant_json(modelID="unheard-of")]))
    assert resolution.variants == []
    [(subject, reason, message)] = complaints(resolution)
    assert subject == f"VariantAutoscaling {SEED_NAMESPACE}/{SEED_NAME}"
    assert reason == "InvalidConfiguration"
    assert "no service class holds model unheard-of (classes: Freemium, Premium)" in message


def test_a_missing_target_is_left_out() -> None:
    resolution = resolved(a_view(deployments=[]))
    assert resolution.variants == []
    assert complaints(resolution)[0][1] == "TargetNotFound"


def test_a_target_of_another_kind_is_refused() -> None:
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": "x"}
    resolution = resolved(a_view(variants=[a_variant_json(scaleTargetRef=reference)]))
    [(_, reason, message)] = complaints(resolution)
    assert reason == "TargetNotFound", "so that the condition TargetResolved says it, too"
    assert message.startswith(
        "spec.scaleTargetRef is a Job (batch/v1), whose pods are not known: name one of"
    )
    assert "LeaderWorkerSet (leaderworkerset.x-k8s.io/v1)" in message


def test_two_variants_cannot_scale_one_deployment() -> None:
    twin = a_variant_json("z-twin", scaleTargetRef={"kind": "Deployment", "name": SEED_NAME})
    resolution = resolved(a_view(variants=[a_variant_json(), twin]))
    assert [v.key[1] for v in resolution.variants] == [SEED_NAME]
    assert complaints(resolution)[0][0].endswith("z-twin")


def test_a_malformed_variant_touches_no_other() -> None:
    resolution = resolved(a_view(variants=[a_variant_json(), a_variant_json("bad", minReplicas="two")]))
    assert [v.key[1] for v in resolution.variants] == [SEED_NAME]
    [(subject, reason, message)] = complaints(resolution)
    assert subject == f"VariantAutoscaling {SEED_NAMESPACE}/bad"
    assert (reason, "spec.minReplicas" in message) == ("InvalidConfiguration", True)


def test_one_unusable_profile_costs_only_itself() -> None:
    profiles = [
        {"acc": "H100", "alpha": "20.58", "beta": "0.41", "maxBatchSize": 4},
        {"acc": "A100", "alpha": "-1", "beta": "0.41", "maxBatchSize": 4},
    ]
    view = a_view(variants=[a_variant_json(modelProfile={"accelerators": profiles})])
    assert [p.accelerator for p in the_variant(view).profiles] == ["H100"]
    assert "accelerators[1].alpha" in complaints(resolved(view))[0][2]


def test_the_later_upstream_form_of_a_profile_is_model_b() -> None:
    parameters = {
        "decodeParms": {"alpha": "20.58", "beta": "0.41"},
        "prefillParms": {"gamma": "200", "delta": "0.01"},
    }
    profile = {"acc": "H100", "accCount": 2, "maxBatchSize": 8, "perfParms": parameters}
    view = a_view(variants=[a_variant_json(modelProfile={"accelerators": [profile]})])
    [found] = the_variant(view).profiles
    assert found.parameters == PrefillDecodeParameters(alpha=20.58, beta=0.41, gamma=200, delta=0.01)
    assert (found.acc_count, found.max_batch_size) == (2, 8)


def test_a_variant_that_is_being_deleted_takes_no_part() -> None:
    going: dict[str, Any] = a_variant_json()
    going["metadata"]["deletionTimestamp"] = "2025-09-04T18:37:23Z"
    resolution = resolved(a_view(variants=[going]))
    assert (resolution.variants, resolution.problems) == ([], [])


def test_pods_are_told_apart_by_selector_and_namespace() -> None:
    view = a_view(
        variants=[a_variant_json("a"), a_variant_json("b")],
        deployments=[a_deployment_json("a"), a_deployment_json("b")],
        pods=[
            a_pod_json("a-1", deployment="a"),
            a_pod_json("b-1", deployment="b"),
            a_pod_json("b-2", deployment="b"),
            a_pod_json("elsewhere", deployment="a", namespace="other"),
        ],
    )
    found = {v.key[1]: [pod.metadata.name for pod in v.pods] for v in resolved(view).variants}
    assert found == {"a": ["a-1"], "b": ["b-1", "b-2"]}


def test_a_pod_that_two_deployments_select_belongs_to_its_owner() -> None:
    labels = {"app": "vllm"}
    view = a_view(
        variants=[a_variant_json("a"), a_variant_json("b")],
        deployments=[a_deployment_json("a", labels=labels), a_deployment_json("b", labels=labels)],
        pods=[a_pod_json("p", deployment="b", labels=labels)],
    )
    found = {v.key[1]: len(v.pods) for v in resolved(view).variants}
    assert found == {"a": 0, "b": 1}


def test_a_value_beyond_the_contract_is_reported_not_raised() -> None:
    view = a_view(variants=[a_variant_json(minReplicas=20_000_000)])
    [found] = resolved(view).variants
    with pytest.raises(UnresolvableError, match="min_replicas"):
        variant_of(found, MeasuredLoad(a_load()), the_catalogue(), view)


STATEFUL_SET = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": SEED_NAME}
GROUPS = {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "name": SEED_NAME}


def test_a_stateful_set_is_a_target_like_a_deployment() -> None:
    pod = a_pod_json("p-0")
    pod["metadata"]["ownerReferences"][0] |= {"kind": "StatefulSet", "name": SEED_NAME}
    view = a_view(
        variants=[a_variant_json(scaleTargetRef=STATEFUL_SET)],
        deployments=[],
        stateful_sets=[a_deployment_json(replicas=2, args=["--max-num-seqs", "8"])],
        pods=[pod],
    )
    variant = the_variant(view)
    assert (variant.current.replicas, variant.current.ready_replicas) == (2, 1)
    assert variant.max_batch_size == 8
    assert variant.scale_target is not None
    assert variant.scale_target.kind == "StatefulSet"


def test_a_replica_of_a_leader_worker_set_is_a_group_and_ready_when_all_of_it_is() -> None:
    pods = [a_pod_of_a_group_json(group, place) for group in (0, 1) for place in (0, 1)]
    view = a_view(
        variants=[a_variant_json(scaleTargetRef=GROUPS)],
        deployments=[],
        leader_worker_sets=[a_leader_worker_set_json(replicas=2, args=["--max-num-seqs", "32"])],
        pods=[*pods[:3], a_pod_of_a_group_json(1, 1, ready_at=None)],
    )
    [found] = resolved(view).variants
    variant = the_variant(view)
    assert (variant.current.replicas, variant.current.ready_replicas) == (2, 1)
    assert variant.max_batch_size == 32
    assert len(found.pods) == 4
    assert [pod.metadata.name for pod in filter(found.target.serves, found.pods)] == [
        f"{SEED_NAME}-0",
        f"{SEED_NAME}-1",
    ]


def test_workloads_of_one_name_and_two_kinds_are_two() -> None:
    other = a_variant_json("other", scaleTargetRef=STATEFUL_SET)
    labels = {"app": "other"}
    view = a_view(
        variants=[a_variant_json(), other], stateful_sets=[a_deployment_json(labels=labels)], pods=[]
    )
    assert [(v.key[1], v.target.kind) for v in resolved(view).variants] == [
        (SEED_NAME, "Deployment"),
        ("other", "StatefulSet"),
    ]


def test_a_kind_that_cannot_be_read_is_the_problem_of_its_variants_alone() -> None:
    reason = "list statefulsets: forbidden: grant the collector list and watch"
    other = a_variant_json("other", scaleTargetRef=STATEFUL_SET)
    resolution = resolved(a_view(variants=[a_variant_json(), other], unread={"StatefulSet": reason}))
    assert [v.key[1] for v in resolution.variants] == [SEED_NAME]
    [(subject, why, message)] = complaints(resolution)
    assert (subject, why) == (f"VariantAutoscaling {SEED_NAMESPACE}/other", "TargetNotFound")
    assert message == f"StatefulSet {SEED_NAMESPACE}/{SEED_NAME} cannot be read: {reason}"
