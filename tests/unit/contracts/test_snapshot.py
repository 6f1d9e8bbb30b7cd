"""What the Snapshot accepts, refuses and identifies."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from builders import a_snapshot, a_variant
from inferno_shared.contracts import Load, LoadState, Snapshot, unknown_fields


def as_json(snapshot: Snapshot) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(snapshot.model_dump_json())
    return body


def test_a_hand_written_what_if_may_leave_out_everything_with_a_sensible_default() -> None:
    snapshot = Snapshot.model_validate_json(
        """{"accelerators": [{"name": "H100", "device": "NVIDIA-H100-80GB-HBM3", "cost_per_hour": 50}],
            "service_classes": [{"name": "Premium", "priority": 1,
                                 "targets": [{"model": "m", "itl_ms": 24, "ttft_ms": 500}]}],
            "variants": [{"namespace": "n", "name": "v", "model": "m", "service_class": "Premium",
              "profiles": [{"accelerator": "H100", "max_batch_size": 4,
                            "parameters": {"model": "linear", "alpha": 20.58, "beta": 0.41}}],
              "load": {"state": "observed", "arrival_rate_rpm": 37.5, "input_tokens": 0,
                       "output_tokens": 279}}]}"""
    )
    assert snapshot.policy.unlimited
    assert snapshot.variants[0].min_replicas == 1
    assert snapshot.variants[0].keep_accelerator


def test_the_id_depends_on_the_content_and_not_on_the_time() -> None:
    one = a_snapshot()
    later = one.model_copy(update={"taken_at": None, "id": "other"})
    busier = a_snapshot(variants=[a_variant(rate_rpm=38)])
    assert later.content_id() == one.id
    assert busier.id != one.id


def test_a_snapshot_survives_the_wire_unchanged() -> None:
    snapshot = a_snapshot()
    assert Snapshot.model_validate_json(snapshot.model_dump_json()) == snapshot


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("variants", 0, "load", "arrival_rate_rpm"), -1, "greater than or equal to 0"),
        (("variants", 0, "load", "arrival_rate_rpm"), float("nan"), "finite"),
        (("variants", 0, "load", "output_tokens"), 0, "output_tokens"),
        (("variants", 0, "profiles", 0, "max_batch_size"), 0, "greater than or equal to 1"),
        (("variants", 0, "profiles", 0, "parameters", "alpha"), 0, "greater than 0"),
        (("variants", 0, "max_replicas"), 0, "below min_replicas"),
        (("variants", 0, "profiles"), [], "at least 1"),
        (("service_classes", 0, "priority"), 0, "greater than or equal to 1"),
        (("accelerators", 0, "cost_per_hour"), -1, "greater than or equal to 0"),
        (("inventory", 0, "allocatable"), -8, "greater than or equal to 0"),
        (("schema_version",), "2", "'1'"),
    ],
)
def test_an_unusable_value_is_refused_and_its_place_is_named(
    path: tuple[str | int, ...], value: object, words: str
) -> None:
    body: Any = as_json(a_snapshot())
    target = body
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    with pytest.raises(ValidationError) as error:
        Snapshot.model_validate(body)
    assert words in str(error.value)
    assert str(path[0]) in str(error.value)


def test_the_same_variant_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="appears more than once"):
        a_snapshot(variants=[a_variant(), a_variant()])


def test_unknown_load_needs_no_numbers_but_observed_load_does() -> None:
    assert Load(state=LoadState.UNKNOWN).arrival_rate_rpm is None
    with pytest.raises(ValidationError, match="'observed' needs arrival_rate_rpm"):
        Load(state=LoadState.OBSERVED)


def test_a_misspelt_field_is_kept_aside_and_named_with_the_closest_known_one() -> None:
    body = as_json(a_snapshot())
    body["variants"][0]["min_replica"] = 3
    body["remark"] = "from a newer collector"
    found = dict(unknown_fields(Snapshot.model_validate(body)))
    assert found == {"variants[0].min_replica": "min_replicas", "remark": None}


def test_after_a_hundred_unknown_fields_the_rest_is_counted() -> None:
    body = as_json(a_snapshot()) | {f"remark{n}": n for n in range(250)}
    found = list(unknown_fields(Snapshot.model_validate(body)))
    assert len(found) == 101
    assert found[-1] == ("all else unknown (150 fields)", None)
