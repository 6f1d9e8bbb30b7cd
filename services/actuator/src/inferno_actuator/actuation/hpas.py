"""Decides whether the HPA of a target will follow the exported desired replicas. Pure.

Kubernetes compares ratio = sum of the series / (averageValue * current replicas) with one and does nothing
within the tolerance (0.1 unless `spec.behavior.*.tolerance` says otherwise). Worked example: 10 replicas,
11 desired: 11 / 10 = 1.1 is within 1 + 0.1, so the HPA ignores it, for ever; from 9 to 10 the ratio 1.11 is
beyond it. So with ten replicas or more a step of one is lost.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from inferno_actuator.actuation.verdict import Actuation
from inferno_actuator.conditions import ConditionReason
from inferno_actuator.known import Desired, KnownVariant, counted
from inferno_actuator.metric_names import DESIRED, VARIANT
from inferno_actuator.modes import MODE_ANNOTATION, Mode
from inferno_shared.kubernetes.autoscalers import ExternalMetric, HorizontalPodAutoscaler

_DIRECT: Final = f"annotate the VariantAutoscaling {MODE_ANNOTATION}={Mode.DIRECT} and delete the HPA"
_ROUNDING: Final = 1e-9


TargetKey = tuple[str, str, str]
"""(namespace, kind, name) of what an HPA scales."""


def by_target(
    autoscalers: Sequence[HorizontalPodAutoscaler],
) -> Mapping[TargetKey, Sequence[HorizontalPodAutoscaler]]:
    """The HPAs by what they scale, so that a thousand variants do not each look at a thousand HPAs."""
    found: dict[TargetKey, list[HorizontalPodAutoscaler]] = defaultdict(list)
    for hpa in autoscalers:
        found[hpa.metadata.namespace, hpa.target.kind, hpa.target.name].append(hpa)
    return found


def of_target(
    known: KnownVariant, autoscalers: Mapping[TargetKey, Sequence[HorizontalPodAutoscaler]]
) -> list[HorizontalPodAutoscaler]:
    """The HPAs that scale the variant's target."""
    target = known.target
    if target is None:
        return []
    candidates = autoscalers.get((known.namespace, target.kind, target.name), ())
    return [hpa for hpa in candidates if hpa.targets(target.api_version, target.kind, target.name)]


def follows(
    known: KnownVariant, desired: Desired, current: int, found: Sequence[HorizontalPodAutoscaler]
) -> Actuation:
    """Whether an HPA will bring the target to the desired replicas.

    Args:
        known: the variant.
        desired: what is exported.
        current: replicas of the target now.
        found: the HPAs of its target.
    """
    if not found:
        return Actuation(
            works=False,
            reason=ConditionReason.NO_HPA,
            message=(
                f"No HorizontalPodAutoscaler targets {known.target_words}: nobody acts on "
                f"{counted(desired.replicas)} desired, {current} running; apply one such as "
                f"config/samples/hpa-integration.yaml, or annotate the VariantAutoscaling "
                f"{MODE_ANNOTATION}={Mode.DIRECT} (or {Mode.OFF} to be advised only)"
            ),
            routine=desired.replicas == current,
        )
    if len(found) > 1:
        names = ", ".join(sorted(hpa.metadata.name for hpa in found))
        message = f"{len(found)} HorizontalPodAutoscalers scale {known.target_words}, keep one: {names}"
        return Actuation(works=False, reason=ConditionReason.HPA_CONFLICT, message=message)
    (hpa,) = found
    return _misread(known, hpa) or _ignored(hpa, desired, current) or _followed(hpa, desired, current)


def _misread(known: KnownVariant, hpa: HorizontalPodAutoscaler) -> Actuation | None:
    """Why the HPA does not read this variant's desired replicas as it must; KEDA's own names are trusted."""
    if hpa.made_by_keda:
        return None
    ours = [metric for metric in hpa.external if metric.name == DESIRED.name]
    if not ours:
        names = ", ".join([*(metric.name for metric in hpa.external), *hpa.other_metrics]) or "nothing"
        wrong = f"reads {names}, not the external metric {DESIRED.name}"
    else:
        wrong = _wrong_reading(known, ours[0])
    if not wrong:
        return None
    message = f"{_named(hpa)} {wrong}; compare it with config/samples/hpa-integration.yaml"
    return Actuation(works=False, reason=ConditionReason.HPA_MISCONFIGURED, message=message)


def _wrong_reading(known: KnownVariant, metric: ExternalMetric) -> str:
    selected = metric.match_labels.get(VARIANT)
    if selected is None:
        return f"does not select {VARIANT}={known.name} and so sums the series of all variants"
    if selected != known.name:
        return f"selects {VARIANT}={selected}, this variant is {known.name}"
    if metric.target_type != "AverageValue" or metric.value != 1:
        value = "none" if metric.value is None else f"{metric.value.normalize():f}"
        return f'has target {metric.target_type} {value}; only AverageValue "1" gives the desired replicas'
    return ""


def _ignored(hpa: HorizontalPodAutoscaler, desired: Desired, current: int) -> Actuation | None:
    """Why the HPA will not go to the desired replicas although it reads them."""
    wanted = desired.replicas
    if current == 0 and wanted > 0 and hpa.min_replicas > 0:
        message = (
            f"{_named(hpa)} is disabled by Kubernetes while its target has 0 replicas: {counted(wanted)} are "
            f"desired; scale the target to 1 by hand once, or {_DIRECT}"
        )
        return Actuation(works=False, reason=ConditionReason.HPA_DISABLED, message=message)
    if wanted > hpa.max_replicas:
        message = f"{_named(hpa)} stops at maxReplicas {hpa.max_replicas}, {wanted} are desired: raise it"
        return Actuation(works=False, reason=ConditionReason.HPA_MAXIMUM, message=message)
    if wanted < hpa.min_replicas:
        message = (
            f"{_named(hpa)} stops at minReplicas {hpa.min_replicas}, {counted(wanted)} are enough: lower it"
        )
        return Actuation(works=False, reason=ConditionReason.HPA_MINIMUM, message=message)
    if current > 0 and wanted != current and _within_tolerance(hpa, wanted, current):
        direction = "scaleUp" if wanted > current else "scaleDown"
        tolerance = hpa.tolerance_up if wanted > current else hpa.tolerance_down
        ratio = f"{wanted}/{current} = {wanted / current:.2f}"
        message = (
            f"{_named(hpa)} ignores {current} -> {wanted}: {ratio} is within its tolerance {tolerance:g}; "
            f"set spec.behavior.{direction}.tolerance: 0 (Kubernetes 1.35, or feature gate "
            f"HPAConfigurableTolerance), or {_DIRECT}"
        )
        return Actuation(works=False, reason=ConditionReason.HPA_TOLERANCE, message=message)
    return None


def _within_tolerance(hpa: HorizontalPodAutoscaler, wanted: int, current: int) -> bool:
    ratio = wanted / current
    return 1 - hpa.tolerance_down - _ROUNDING <= ratio <= 1 + hpa.tolerance_up + _ROUNDING


def _followed(hpa: HorizontalPodAutoscaler, desired: Desired, current: int) -> Actuation:
    same = desired.replicas == current
    state = "runs what is desired" if same else f"is to go from {current} to {counted(desired.replicas)}"
    return Actuation(
        works=True,
        reason=ConditionReason.HPA_FOLLOWS,
        message=f"{_named(hpa)} reads the metric; its target {state}",
    )


def _named(hpa: HorizontalPodAutoscaler) -> str:
    return f"HorizontalPodAutoscaler {hpa.metadata.namespace}/{hpa.metadata.name}"
