from typing import Any

import pytest

from inferno_shared.contracts import LinearParameters, PrefillDecodeParameters
from inferno_shared.errors import MalformedObjectError
from inferno_shared.kubernetes import ScaleTargetRef, SloClassRef, parse_variant_autoscaling
from unit.shared.kubernetes.models.raw import a_profile, a_variant


def with_profiles(*profiles: dict[str, Any]) -> dict[str, Any]:
    return a_variant(modelProfile={"accelerators": list(profiles)})


def test_what_is_left_out_has_the_documented_default() -> None:
    variant = parse_variant_autoscaling(a_variant())
    spec = variant.spec
    assert variant.accelerator_name == "H100"
    assert spec.scale_target_ref == ScaleTargetRef("apps/v1", "Deployment", "v")
    assert (spec.min_replicas, spec.max_replicas, spec.keep_accelerator, spec.variant_cost) == (
        1,
        None,
        True,
        None,
    )
    assert spec.slo_class_ref is None
    assert variant.status == {}


def test_everything_that_can_be_said_is_read() -> None:
    variant = parse_variant_autoscaling(
        a_variant(
            sloClassRef={"name": "premium-slo", "key": "opt-125m"},
            scaleTargetRef={"kind": "StatefulSet", "name": "target"},
            minReplicas=0,
            maxReplicas=9,
            keepAccelerator=False,
            variantCost="12.5",
            someFieldOfALaterVersion={"x": 1},
        )
    )
    spec = variant.spec
    assert spec.slo_class_ref == SloClassRef("premium-slo", "opt-125m")
    assert spec.scale_target_ref == ScaleTargetRef("apps/v1", "StatefulSet", "target")
    assert (spec.min_replicas, spec.max_replicas, spec.keep_accelerator, spec.variant_cost) == (
        0,
        9,
        False,
        12.5,
    )


def test_both_forms_of_parameters_are_read() -> None:
    performance = {
        "decodeParms": {"alpha": "20.58", "beta": "0.41"},
        "prefillParms": {"gamma": "5.2", "delta": "0.1"},
    }
    variant = parse_variant_autoscaling(
        with_profiles(
            a_profile(acc="A100", atTokens=512, accCount=2),
            {"acc": "H100", "maxBatchSize": 4, "perfParms": performance},
        )
    )
    flat, nested = variant.spec.accelerators
    assert flat.parameters == LinearParameters(alpha=10, beta=0.5)
    assert (flat.acc_count, flat.max_batch_size, flat.at_tokens) == (2, 8, 512)
    assert nested.parameters == PrefillDecodeParameters(alpha=20.58, beta=0.41, gamma=5.2, delta=0.1)


@pytest.mark.parametrize(
    ("profile", "problem"),
    [
        (a_profile(alpha="-1"), "alpha: must be a decimal number in quotes such as \"20.58\", is '-1'"),
        (a_profile(alpha="1e3"), "alpha: must be a decimal number"),
        (a_profile(alpha="NaN"), "alpha: must be a decimal number"),
        (a_profile(alpha="0"), "alpha: Input should be greater than 0"),
        (a_profile(beta=None), "beta: must be a decimal number"),
        (a_profile(perfParms={"decodeParms": {"alpha": "1"}}), "has both alpha/beta and perfParms"),
        (
            a_profile(alpha=None, beta=None, perfParms={"decodeParms": {}}),
            "perfParms.decodeParms.alpha: must be",
        ),
        (a_profile(maxBatchSize=0), "maxBatchSize: must be a whole number of at least 1, is 0"),
        (a_profile(maxBatchSize=None), "maxBatchSize: must be a whole number of at least 1, is None"),
        (a_profile(maxBatchSize="4"), "maxBatchSize: must be a whole number of at least 1, is '4'"),
        (a_profile(accCount=0), "accCount: must be a whole number of at least 1"),
        (a_profile(acc=""), "acc: must be a non-empty string"),
        (a_profile(acc="H100"), "acc: H100 has a profile already"),
    ],
)
def test_one_bad_profile_is_named_and_costs_no_other(profile: dict[str, Any], problem: str) -> None:
    variant = parse_variant_autoscaling(with_profiles(a_profile(acc="H100"), profile))
    assert [it.acc for it in variant.spec.accelerators] == ["H100"]
    (message,) = variant.spec.malformed_profiles
    assert message.startswith("spec.modelProfile.accelerators[1]")
    assert problem in message


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"modelID": ""}, "spec.modelID"),
        ({"modelProfile": {"accelerators": []}}, "spec.modelProfile.accelerators"),
        (
            {"modelProfile": {"accelerators": [a_profile(alpha="x")]}},
            "spec.modelProfile.accelerators[0].alpha",
        ),
        ({"modelProfile": {"accelerators": ["H100"]}}, "spec.modelProfile.accelerators[0]"),
        ({"minReplicas": -1}, "spec.minReplicas"),
        ({"minReplicas": 3, "maxReplicas": 2}, "spec.maxReplicas"),
        ({"keepAccelerator": "yes"}, "spec.keepAccelerator"),
        ({"variantCost": "cheap"}, "spec.variantCost"),
        ({"sloClassRef": "premium"}, "spec.sloClassRef"),
    ],
)
def test_a_variant_that_cannot_be_read_names_the_field(spec: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedObjectError) as caught:
        parse_variant_autoscaling(a_variant(**spec))
    assert caught.value.field == field
