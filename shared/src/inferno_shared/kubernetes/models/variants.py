"""The custom resource VariantAutoscaling: what the owner of a model server asks of the autoscaler.

One unusable performance profile does not cost the variant its other profiles: it is kept aside as a message.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from inferno_shared.contracts import LinearParameters, PrefillDecodeParameters
from inferno_shared.errors import MalformedObjectError
from inferno_shared.kubernetes.models.fields import (
    JsonObject,
    entries,
    flag,
    optional_text,
    path,
    refusal,
    section,
    text,
    whole,
)
from inferno_shared.kubernetes.models.metadata import Metadata, parse_metadata
from inferno_shared.kubernetes.resources import LABEL_ACCELERATOR

ALLOWED_NUMBER: Final = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class SloClassRef:
    """Where the author says that the service class is; either part may name it."""

    name: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class ScaleTargetRef:
    """The workload that is scaled."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class AcceleratorProfile:
    """Measured performance on one accelerator; `parameters` in milliseconds."""

    acc: str
    acc_count: int
    max_batch_size: int
    at_tokens: int | None
    parameters: LinearParameters | PrefillDecodeParameters


@dataclass(frozen=True, slots=True)
class VariantSpec:
    """The spec, with the CRD's defaults filled in. `malformed_profiles` says which profiles were unusable."""

    model_id: str
    slo_class_ref: SloClassRef | None
    accelerators: tuple[AcceleratorProfile, ...]
    malformed_profiles: tuple[str, ...]
    scale_target_ref: ScaleTargetRef
    min_replicas: int
    max_replicas: int | None
    keep_accelerator: bool
    variant_cost: float | None


@dataclass(frozen=True, slots=True)
class VariantAutoscaling:
    """A VariantAutoscaling; `status` stays raw JSON, as only its writer interprets it."""

    metadata: Metadata
    spec: VariantSpec
    status: Mapping[str, Any]

    @property
    def accelerator_name(self) -> str | None:
        """The accelerator in use, as the label says."""
        return self.metadata.labels.get(LABEL_ACCELERATOR) or None


def parse_variant_autoscaling(raw: JsonObject) -> VariantAutoscaling:
    """Read a VariantAutoscaling. Raises MalformedObjectError."""
    metadata = parse_metadata(raw)
    spec = section(raw, "spec", "")
    minimum = whole(spec, "minReplicas", "spec", default=1)
    maximum = None if spec.get("maxReplicas") is None else whole(spec, "maxReplicas", "spec")
    if maximum is not None and maximum < minimum:
        raise refusal("spec", "maxReplicas", f"at least minReplicas ({minimum})", maximum)
    profiles, malformed = _parse_profiles(spec)
    return VariantAutoscaling(
        metadata=metadata,
        spec=VariantSpec(
            model_id=text(spec, "modelID", "spec"),
            slo_class_ref=_parse_slo_class_ref(spec),
            accelerators=profiles,
            malformed_profiles=malformed,
            scale_target_ref=_parse_scale_target(spec, metadata.name),
            min_replicas=minimum,
            max_replicas=maximum,
            keep_accelerator=flag(spec, "keepAccelerator", "spec", default=True),
            variant_cost=None if spec.get("variantCost") is None else _number(spec, "variantCost", "spec"),
        ),
        status=section(raw, "status", ""),
    )


def _parse_slo_class_ref(spec: JsonObject) -> SloClassRef | None:
    at = "spec.sloClassRef"
    reference = section(spec, "sloClassRef", "spec")
    if not reference:
        return None
    return SloClassRef(name=optional_text(reference, "name", at), key=optional_text(reference, "key", at))


def _parse_scale_target(spec: JsonObject, variant_name: str) -> ScaleTargetRef:
    at = "spec.scaleTargetRef"
    reference = section(spec, "scaleTargetRef", "spec")
    return ScaleTargetRef(
        api_version=optional_text(reference, "apiVersion", at) or "apps/v1",
        kind=optional_text(reference, "kind", at) or "Deployment",
        name=optional_text(reference, "name", at) or variant_name,
    )


def _parse_profiles(spec: JsonObject) -> tuple[tuple[AcceleratorProfile, ...], tuple[str, ...]]:
    at = "spec.modelProfile"
    listed = entries(section(spec, "modelProfile", "spec"), "accelerators", at)
    profiles: dict[str, AcceleratorProfile] = {}
    malformed: list[MalformedObjectError] = []
    for index, raw in enumerate(listed):
        where = f"{at}.accelerators[{index}]"
        try:
            profile = _parse_profile(raw, where)
        except MalformedObjectError as error:
            malformed.append(error)
            continue
        if profile.acc in profiles:
            twice = f"{profile.acc} has a profile already"
            malformed.append(MalformedObjectError(path(where, "acc"), twice))
        else:
            profiles[profile.acc] = profile
    if not profiles:
        if malformed:
            raise malformed[0]
        raise MalformedObjectError(f"{at}.accelerators", "must hold at least one accelerator's profile")
    return tuple(profiles.values()), tuple(str(error) for error in malformed)


def _parse_profile(raw: JsonObject, at: str) -> AcceleratorProfile:
    if raw.get("maxBatchSize") is None:
        raise refusal(at, "maxBatchSize", "a whole number of at least 1", None)
    return AcceleratorProfile(
        acc=text(raw, "acc", at),
        acc_count=whole(raw, "accCount", at, default=1, minimum=1),
        max_batch_size=whole(raw, "maxBatchSize", at, minimum=1),
        at_tokens=None if raw.get("atTokens") is None else whole(raw, "atTokens", at, minimum=1),
        parameters=_parse_parameters(raw, at),
    )


def _parse_parameters(raw: JsonObject, at: str) -> LinearParameters | PrefillDecodeParameters:
    nested = section(raw, "perfParms", at)
    flat = raw.get("alpha") is not None or raw.get("beta") is not None
    if flat and nested:
        raise MalformedObjectError(at, "has both alpha/beta and perfParms; keep exactly one of them")
    try:
        if not nested:
            return LinearParameters(alpha=_number(raw, "alpha", at), beta=_number(raw, "beta", at))
        decode, prefill = section(nested, "decodeParms", at), section(nested, "prefillParms", at)
        decode_at, prefill_at = f"{at}.perfParms.decodeParms", f"{at}.perfParms.prefillParms"
        return PrefillDecodeParameters(
            alpha=_number(decode, "alpha", decode_at),
            beta=_number(decode, "beta", decode_at),
            gamma=_number(prefill, "gamma", prefill_at),
            delta=_number(prefill, "delta", prefill_at),
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise MalformedObjectError(path(at, field), f"{first['msg']}, is {first['input']!r}") from error


def _number(raw: JsonObject, key: str, at: str) -> float:
    """Return a non-negative number, written as the CRD wants it (a string) or as a JSON number."""
    value = raw.get(key)
    if isinstance(value, str) and ALLOWED_NUMBER.fullmatch(value):
        return float(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    raise refusal(at, key, 'a decimal number in quotes such as "20.58"', value)
