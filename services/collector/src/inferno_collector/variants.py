"""Resolves each VariantAutoscaling: its workload, its pods, its service class.

One that cannot be resolved is left out and reported with what to do; the others never notice.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from inferno_collector.catalogue import Catalogue
from inferno_collector.inventory.devices import device_of
from inferno_collector.loads import MeasuredLoad
from inferno_collector.ports import argument
from inferno_collector.reasons import Reason
from inferno_collector.selectors import SelectorIndex
from inferno_collector.view import ClusterView, Key
from inferno_collector.workloads import PARSERS, ScaledWorkload, WorkloadKey, kind_of
from inferno_shared.contracts import CurrentAllocation, Problem, Profile, ScaleTarget, Variant
from inferno_shared.contracts.wire import MAX_BATCH_SIZE
from inferno_shared.kubernetes import Pod, VariantAutoscaling

_BATCH_SIZE_FLAG: Final = "--max-num-seqs"


@dataclass(frozen=True, slots=True)
class ResolvedVariant:
    """A VariantAutoscaling with everything that it refers to; `pods` are those of its workload, by name."""

    resource: VariantAutoscaling
    target: ScaledWorkload
    service_class: str
    pods: Sequence[Pod] = ()

    @property
    def key(self) -> Key:
        """(namespace, name)."""
        return self.resource.metadata.key


@dataclass(frozen=True, slots=True)
class Resolution:
    """The variants that can be planned for, in name order, and what is wrong with these and the others."""

    variants: Sequence[ResolvedVariant]
    problems: Sequence[Problem]


class UnresolvableError(ValueError):
    """A VariantAutoscaling cannot take part; `reason` is the condition's word."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def variant_problem(key: Key, reason: str, message: str) -> Problem:
    """A problem of one VariantAutoscaling."""
    return Problem(subject=f"VariantAutoscaling {key[0]}/{key[1]}", reason=reason, message=message)


def resolve_variants(view: ClusterView, catalogue: Catalogue) -> Resolution:
    """Resolve every VariantAutoscaling of the view that is not being deleted."""
    malformed = view.malformed.get("VariantAutoscaling", {})
    problems = [
        variant_problem(key, Reason.INVALID_CONFIGURATION, message)
        for key, message in sorted(malformed.items())
    ]
    resolved: dict[Key, ResolvedVariant] = {}
    driven_by = _drivers(view.variants.values())
    for key in sorted(view.variants):
        resource = view.variants[key]
        if resource.metadata.deleting:
            continue
        try:
            target = _target(resource, view)
            service_class, warning = _service_class(resource, catalogue)
            _refuse_shared_target(target, driven_by[target.key], key)
        except UnresolvableError as error:
            problems.append(variant_problem(key, error.reason, str(error)))
            continue
        resolved[key] = ResolvedVariant(resource, target, service_class)
        warnings = [*resource.spec.malformed_profiles, *([warning] if warning else [])]
        problems.extend(variant_problem(key, Reason.INVALID_CONFIGURATION, message) for message in warnings)
    pods = _pods_by_variant(resolved.values(), view.pods.values())
    return Resolution(
        variants=[
            ResolvedVariant(v.resource, v.target, v.service_class, pods.get(key, ()))
            for key, v in resolved.items()
        ],
        problems=problems,
    )


def variant_of(
    resolved: ResolvedVariant, measured: MeasuredLoad, catalogue: Catalogue, view: ClusterView
) -> Variant:
    """The contract's Variant. Raises UnresolvableError when a value is beyond what the contract admits."""
    spec, target = resolved.resource.spec, resolved.target
    try:
        return Variant(
            namespace=resolved.key[0],
            name=resolved.key[1],
            model=spec.model_id,
            service_class=resolved.service_class,
            keep_accelerator=spec.keep_accelerator,
            min_replicas=spec.min_replicas,
            max_replicas=spec.max_replicas,
            max_batch_size=_batch_size(target),
            startup_seconds=measured.startup_seconds,
            cost_per_replica_hour=spec.variant_cost,
            scale_target=ScaleTarget(
                api_version=spec.scale_target_ref.api_version,
                kind=spec.scale_target_ref.kind,
                name=spec.scale_target_ref.name,
            ),
            profiles=[
                Profile(
                    accelerator=profile.acc,
                    acc_count=profile.acc_count,
                    max_batch_size=profile.max_batch_size,
                    at_tokens=profile.at_tokens,
                    parameters=profile.parameters,
                )
                for profile in spec.accelerators
            ],
            current=CurrentAllocation(
                accelerator=_accelerator(resolved, catalogue, view),
                replicas=target.replicas,
                ready_replicas=target.ready_replicas(resolved.pods),
            ),
            load=measured.load,
            observed=measured.observed,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UnresolvableError(
            Reason.INVALID_CONFIGURATION, f"{field}: {first['msg']}, is {first['input']!r:.80}"
        ) from error


def _target(resource: VariantAutoscaling, view: ClusterView) -> ScaledWorkload:
    reference = resource.spec.scale_target_ref
    kind = kind_of(reference)
    if kind is None:
        known = ", ".join(f"{resource.kind} ({resource.api_version})" for resource in PARSERS)
        raise UnresolvableError(
            Reason.TARGET_NOT_FOUND,
            f"spec.scaleTargetRef is a {reference.kind} ({reference.api_version}), whose pods are not known: "
            f"name one of {known}",
        )
    namespace, name = resource.metadata.namespace, reference.name
    found = view.workloads.get((kind, namespace, name))
    if found is not None:
        return found
    fault = view.malformed.get(kind, {}).get((namespace, name)) or view.unread.get(kind)
    raise UnresolvableError(
        Reason.TARGET_NOT_FOUND,
        f"{kind} {namespace}/{name} cannot be read: {fault}"
        if fault
        else f"there is no {kind} {namespace}/{name}: create it, or name it in spec.scaleTargetRef",
    )


def _drivers(variants: Iterable[VariantAutoscaling]) -> Mapping[WorkloadKey, Key]:
    """Which variant scales each target: of several the one with its name, else the oldest.

    So a variant that is new, or newly pointed at a target, never takes it from the one that scales it.
    """

    def precedence(variant: VariantAutoscaling) -> tuple[bool, float, Key]:
        created = variant.metadata.creation_timestamp
        foreign = variant.spec.scale_target_ref.name != variant.metadata.name
        return foreign, created.timestamp() if created else math.inf, variant.metadata.key

    drivers: dict[WorkloadKey, Key] = {}
    for variant in sorted(variants, key=precedence):
        if not variant.metadata.deleting:
            reference = variant.spec.scale_target_ref
            target = reference.kind, variant.metadata.namespace, reference.name
            drivers.setdefault(target, variant.metadata.key)
    return drivers


def _refuse_shared_target(target: ScaledWorkload, first: Key, key: Key) -> None:
    if first != key:
        raise UnresolvableError(
            Reason.INVALID_CONFIGURATION,
            f"{target.kind} {target.metadata.name} is already scaled by {first[1]}: delete one of the two",
        )


def _service_class(resource: VariantAutoscaling, catalogue: Catalogue) -> tuple[str, str | None]:
    """Name of the class, and a warning when it had to be chosen among several.

    The reference counts when it names a class that holds the model; the seed's own sample names none, and
    its model is in Premium.
    """
    model = resource.spec.model_id
    holding = [service_class.name for service_class in catalogue.classes_with(model)]
    if not holding:
        known = ", ".join(sorted(c.name for c in catalogue.service_classes.values())) or "none"
        raise UnresolvableError(
            Reason.INVALID_CONFIGURATION,
            f"no service class holds model {model} (classes: {known}): "
            "add it to a class in ConfigMap service-classes-config",
        )
    reference = resource.spec.slo_class_ref
    for name in (reference.key, reference.name) if reference else ():
        if name in holding:
            return name, None
    if len(holding) == 1:
        return holding[0], None
    return holding[0], (
        f"model {model} is in classes {', '.join(holding)} and spec.sloClassRef names none of them: "
        f"the most important one, {holding[0]}, counts; set spec.sloClassRef.key"
    )


def _pods_by_variant(variants: Iterable[ResolvedVariant], pods: Iterable[Pod]) -> Mapping[Key, Sequence[Pod]]:
    """Pods selected by each variant's workload; one selected by several goes to the one that owns it."""
    index = SelectorIndex((v.target.metadata.namespace, v.target.selector.match_labels, v) for v in variants)
    found: dict[Key, list[Pod]] = defaultdict(list)
    for pod in pods:
        if pod.terminal:
            continue
        labels = pod.metadata.labels
        selecting = [
            variant
            for variant in index.candidates(pod.metadata.namespace, labels)
            if variant.target.selector.matches(labels)
        ]
        if selecting:
            owner = min(selecting, key=lambda v: (not v.target.owns(pod), v.key))
            found[owner.key].append(pod)
    return {key: sorted(group, key=lambda pod: pod.metadata.name) for key, group in found.items()}


def _accelerator(resolved: ResolvedVariant, catalogue: Catalogue, view: ClusterView) -> str | None:
    """The accelerator in use: what the label says, else what the pods hold, if that names just one."""
    if resolved.resource.accelerator_name:
        return resolved.resource.accelerator_name
    devices = {
        device_of(node, pod.requests)
        for pod in resolved.pods
        if pod.node_name and (node := view.nodes.get(("", pod.node_name))) is not None
    }
    names = {
        profile.acc
        for profile in resolved.resource.spec.accelerators
        if (accelerator := catalogue.accelerators.get(profile.acc)) and accelerator.device in devices
    }
    return names.pop() if len(names) == 1 else None


def _batch_size(target: ScaledWorkload) -> int | None:
    """The batch size that vLLM was started with, when its command line says it."""
    text = argument(target.containers, _BATCH_SIZE_FLAG)
    return int(text) if text and text.isdecimal() and 0 < int(text) <= MAX_BATCH_SIZE else None
