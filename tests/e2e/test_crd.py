"""The CRD on a real API server and on the development cluster: the same answers, word for word."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane.plane import KubectlError
from e2e.clusters import CRD, SAMPLES, Cluster, install, until

Change = Callable[[dict[str, Any]], object]
SPACE = "crd-tests"


def a_variant(name: str = "variant") -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((SAMPLES / "vllm-va.yaml").read_text())
    document["metadata"] |= {"name": name, "namespace": SPACE}
    return document


@pytest.fixture(autouse=True)
def _installed(cluster: Cluster) -> None:
    install(cluster, SPACE)


def apply(cluster: Cluster, document: dict[str, Any]) -> str:
    return cluster.kubectl("apply", "-f", "-", stdin=json.dumps(document))


def stored(cluster: Cluster, name: str = "variant") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cluster.kubectl("get", "va", name, "-n", SPACE, "-o", "json"))
    return found


def first(document: dict[str, Any]) -> dict[str, Any]:
    accelerator: dict[str, Any] = document["spec"]["modelProfile"]["accelerators"][0]
    return accelerator


def with_parameters(**parameters: object) -> Change:
    """The first accelerator with these instead of alpha and beta."""

    def change(document: dict[str, Any]) -> None:
        entry = first(document)
        del entry["alpha"], entry["beta"]
        entry.update(parameters)

    return change


DECODE, PREFILL = {"alpha": "20", "beta": "0.4"}, {"gamma": "200", "delta": "0.01"}
AT = "spec.modelProfile.accelerators[0]"
PATTERN = r"should match '^\d+(\.\d+)?$'"
REJECTIONS: dict[str, tuple[Change, str]] = {
    "no model": (lambda d: d["spec"].pop("modelID"), "spec.modelID: Required value"),
    "empty model": (
        lambda d: d["spec"].update(modelID=""),
        "spec.modelID in body should be at least 1 chars long",
    ),
    "long model": (
        lambda d: d["spec"].update(modelID="m" * 254),
        "spec.modelID: Too long: may not be more than 253 bytes",
    ),
    "model not text": (
        lambda d: d["spec"].update(modelID=7),
        'spec.modelID in body must be of type string: "integer"',
    ),
    "no profile": (lambda d: d["spec"].pop("modelProfile"), "spec.modelProfile: Required value"),
    "no accelerators": (
        lambda d: d["spec"]["modelProfile"].update(accelerators=[]),
        "spec.modelProfile.accelerators in body should have at least 1 items",
    ),
    "same accelerator twice": (
        lambda d: d["spec"]["modelProfile"]["accelerators"].append(dict(first(d))),
        'spec.modelProfile.accelerators[4]: Duplicate value: {"acc":"A100"}',
    ),
    "accelerator without name": (lambda d: first(d).pop("acc"), f"{AT}.acc: Required value"),
    "no units": (
        lambda d: first(d).update(accCount=0),
        f"{AT}.accCount in body should be greater than or equal to 1",
    ),
    "too many units": (
        lambda d: first(d).update(accCount=1025),
        f"{AT}.accCount in body should be less than or equal to 1024",
    ),
    "no batch": (lambda d: first(d).pop("maxBatchSize"), f"{AT}.maxBatchSize: Required value"),
    "empty batch": (
        lambda d: first(d).update(maxBatchSize=0),
        f"{AT}.maxBatchSize in body should be greater than or equal to 1",
    ),
    "large batch": (
        lambda d: first(d).update(maxBatchSize=8193),
        f"{AT}.maxBatchSize in body should be less than or equal to 8192",
    ),
    "no tokens": (
        lambda d: first(d).update(atTokens=0),
        f"{AT}.atTokens in body should be greater than or equal to 1",
    ),
    "alpha not a number": (lambda d: first(d).update(alpha="fast"), f"{AT}.alpha in body {PATTERN}"),
    "negative beta": (lambda d: first(d).update(beta="-0.4"), f"{AT}.beta in body {PATTERN}"),
    "alpha 0": (lambda d: first(d).update(alpha="0.0"), "alpha must be above 0 (milliseconds)"),
    "alpha without beta": (lambda d: first(d).pop("beta"), "alpha and beta go together"),
    "no parameters": (
        with_parameters(),
        "exactly one of alpha with beta, or perfParms, is needed",
    ),
    "both forms": (
        lambda d: first(d).update(perfParms={"decodeParms": DECODE, "prefillParms": PREFILL}),
        "exactly one of alpha with beta, or perfParms, is needed",
    ),
    "no prefill": (
        with_parameters(perfParms={"decodeParms": DECODE}),
        f"{AT}.perfParms.prefillParms: Required value",
    ),
    "decode alpha 0": (
        with_parameters(perfParms={"decodeParms": DECODE | {"alpha": "0"}, "prefillParms": PREFILL}),
        "alpha must be above 0 (milliseconds)",
    ),
    "gamma not a number": (
        with_parameters(perfParms={"decodeParms": DECODE, "prefillParms": PREFILL | {"gamma": "x"}}),
        f"{AT}.perfParms.prefillParms.gamma in body {PATTERN}",
    ),
    "negative minimum": (
        lambda d: d["spec"].update(minReplicas=-1),
        "spec.minReplicas in body should be greater than or equal to 0",
    ),
    "maximum 0": (
        lambda d: d["spec"].update(maxReplicas=0, minReplicas=0),
        "spec.maxReplicas in body should be greater than or equal to 1",
    ),
    "maximum below minimum": (
        lambda d: d["spec"].update(minReplicas=3, maxReplicas=2),
        "maxReplicas must not be below minReplicas",
    ),
    "cost not a number": (
        lambda d: d["spec"].update(variantCost="cheap"),
        f"spec.variantCost in body {PATTERN}",
    ),
    "target without name": (
        lambda d: d["spec"].update(scaleTargetRef={"kind": "Deployment"}),
        "spec.scaleTargetRef.name: Required value",
    ),
    "keepAccelerator not a boolean": (
        lambda d: d["spec"].update(keepAccelerator="yes"),
        'spec.keepAccelerator in body must be of type boolean: "string"',
    ),
}


def test_the_crd_is_established_with_its_short_name(cluster: Cluster) -> None:
    names = json.loads(cluster.kubectl("get", "crd", "variantautoscalings.llmd.ai", "-o", "json"))["status"]

    assert names["acceptedNames"]["shortNames"] == ["va"]
    assert {c["type"]: c["status"] for c in names["conditions"]} == {
        "NamesAccepted": "True",
        "Established": "True",
    }


@pytest.mark.parametrize("case", REJECTIONS)
def test_an_unusable_value_is_rejected_with_a_message(cluster: Cluster, case: str) -> None:
    change, message = REJECTIONS[case]
    document = a_variant("rejected")
    change(document)

    with pytest.raises(KubectlError) as refused:
        apply(cluster, document)

    assert message in str(refused.value)
    assert 'The VariantAutoscaling "rejected" is invalid' in str(refused.value)


def test_every_rule_of_the_schema_is_among_the_rejections() -> None:
    text = "\n".join(message for _, message in REJECTIONS.values())
    document = yaml.safe_load(next(CRD.glob("*.yaml")).read_text())
    schema = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]

    def rules(node: dict[str, Any]) -> list[str]:
        own = [rule["message"] for rule in node.get("x-kubernetes-validations", [])]
        children = [*node.get("properties", {}).values(), *([node["items"]] if "items" in node else [])]
        return own + [message for child in children for message in rules(child)]

    assert [message for message in rules(schema) if message not in text] == []


def test_the_later_form_of_parameters_is_accepted(cluster: Cluster) -> None:
    document = a_variant("later-form")
    with_parameters(perfParms={"decodeParms": DECODE, "prefillParms": PREFILL})(document)

    apply(cluster, document)

    assert first(stored(cluster, "later-form"))["perfParms"] == {
        "decodeParms": DECODE,
        "prefillParms": PREFILL,
    }


def test_defaults_are_filled_in_and_unknown_fields_are_kept(cluster: Cluster) -> None:
    document = a_variant()
    del first(document)["accCount"]
    document["spec"] |= {"scaleTargetRef": {"name": "other"}, "fromTheFuture": {"a": 1}}
    first(document)["laterField"] = ["x"]

    apply(cluster, document)

    spec = stored(cluster)["spec"]
    assert spec["minReplicas"] == 1
    assert spec["keepAccelerator"] is True
    assert "maxReplicas" not in spec
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}
    assert spec["fromTheFuture"] == {"a": 1}
    assert first(stored(cluster))["accCount"] == 1
    assert first(stored(cluster))["laterField"] == ["x"]


def test_spec_and_status_are_written_apart(cluster: Cluster) -> None:
    apply(cluster, a_variant())
    before = stored(cluster)
    alloc = {"desiredOptimizedAlloc": {"accelerator": "H100", "numReplicas": 3}}
    patch = json.dumps({"spec": {"minReplicas": 5}, "status": alloc})

    cluster.kubectl(
        "patch", "va", "variant", "-n", SPACE, "--type=merge", "--subresource=status", "-p", patch
    )
    after_status = stored(cluster)
    cluster.kubectl("patch", "va", "variant", "-n", SPACE, "--type=merge", "-p", patch)
    after_spec = stored(cluster)

    assert after_status["status"] == alloc
    assert after_status["spec"] == before["spec"]
    assert after_status["metadata"]["generation"] == before["metadata"]["generation"]
    assert after_spec["spec"]["minReplicas"] == 5
    assert after_spec["status"] == alloc
    assert after_spec["metadata"]["generation"] == before["metadata"]["generation"] + 1


def test_a_status_of_the_wrong_shape_is_rejected(cluster: Cluster) -> None:
    apply(cluster, a_variant())
    patch = json.dumps({"status": {"desiredOptimizedAlloc": {"numReplicas": "three"}}})

    with pytest.raises(KubectlError, match='numReplicas in body must be of type integer: \\"string\\"'):
        cluster.kubectl(
            "patch", "va", "variant", "-n", SPACE, "--type=merge", "--subresource=status", "-p", patch
        )


def test_kubectl_get_va_prints_the_guides_columns(cluster: Cluster, tmp_path: Path) -> None:
    document = a_variant("printed")
    apply(cluster, document)
    patch = tmp_path / "status.json"
    patch.write_text(
        json.dumps(
            {
                "status": {
                    "currentAlloc": {
                        "accelerator": "H100",
                        "numReplicas": 1,
                        "load": {"arrivalRate": "37.50"},
                    },
                    "desiredOptimizedAlloc": {"accelerator": "H100", "numReplicas": 3},
                    "conditions": [
                        {
                            "type": "MetricsAvailable",
                            "status": "True",
                            "reason": "MetricsFound",
                            "message": "",
                            "lastTransitionTime": "2025-09-04T18:37:23Z",
                        }
                    ],
                }
            }
        )
    )
    cluster.kubectl(
        *("patch", "va", "printed", "-n", SPACE, "--type=merge", "--subresource=status"),
        *("--patch-file", str(patch)),
    )

    header, row = cluster.kubectl("get", "variantautoscaling", "printed", "-n", SPACE).splitlines()
    wide_header, wide_row = cluster.kubectl("get", "va", "printed", "-n", SPACE, "-o", "wide").splitlines()

    assert header.split() == ["NAME", "MODEL", "ACCELERATOR", "CURRENTREPLICAS", "OPTIMIZED", "AGE"]
    assert row.split()[:5] == ["printed", "Qwen/Qwen3-0.6B", "H100", "1", "3"]
    assert wide_header.split()[6:] == ["RATE", "METRICS", "PLAN"]
    assert wide_row.split()[6:] == ["37.50", "MetricsFound"]


def test_a_variant_without_status_prints_empty_columns(cluster: Cluster) -> None:
    apply(cluster, a_variant("new"))

    row = until(lambda: cluster.kubectl("get", "va", "new", "-n", SPACE, "--no-headers"))

    assert row.split()[:2] == ["new", "Qwen/Qwen3-0.6B"]
    assert len(row.split()) == 3


def test_kubectl_explain_knows_the_fields(cluster: Cluster) -> None:
    text = cluster.kubectl("explain", "va.spec.modelProfile.accelerators.alpha")

    assert "Decode step, fixed part, in ms." in text
