"""Checks of each VariantAutoscaling: is it planned for, measured, priced, placed, and followed? Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from inferno_actuator.actuation.hpas import by_target, follows, of_target
from inferno_actuator.conditions import ConditionReason
from inferno_actuator.doctor.findings import Finding, failure, ok, warning
from inferno_actuator.known import Desired, KnownVariant
from inferno_actuator.metric_names import DESIRED, VARIANT
from inferno_actuator.modes import MODE_ANNOTATION, Mode
from inferno_shared.contracts import LoadState, Snapshot, Variant
from inferno_shared.kubernetes.autoscalers import HorizontalPodAutoscaler

_TOLERANCE_MATTERS_FROM: Final = 10
_NO_TOLERANCE: Final = '{"spec":{"behavior":{"scaleUp":{"tolerance":"0"},"scaleDown":{"tolerance":"0"}}}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about one variant.

    Args:
        known: as the API server has it.
        snapshot: the collector's.
        autoscalers: every HPA; None when they cannot be read.
        metric: what the external metrics API has of it: its values, or why none.
    """

    known: KnownVariant
    snapshot: Snapshot
    autoscalers: Sequence[HorizontalPodAutoscaler] | None
    metric: tuple[str, ...] | str

    @property
    def own_autoscalers(self) -> Sequence[HorizontalPodAutoscaler]:
        """The HPAs of its target."""
        return of_target(self.known, by_target(self.autoscalers or ()))


def check_variant(facts: Facts) -> Iterator[Finding]:
    """Every finding about one variant."""
    known = facts.known
    subject = f"VA {known.namespace}/{known.name}"
    if known.malformed:
        yield failure(subject, known.malformed, f"kubectl edit va {known.name} -n {known.namespace}")
        return
    if known.mode_problem:
        fix = (
            f"kubectl annotate va {known.name} -n {known.namespace} --overwrite {MODE_ANNOTATION}={Mode.HPA}"
        )
        yield warning(subject, known.mode_problem, fix)
    problems = [p for p in facts.snapshot.problems if p.subject == known.subject]
    for problem in problems:
        yield failure(
            subject,
            f"{problem.reason}: {problem.message}",
            f"kubectl describe va {known.name} -n {known.namespace}",
        )
    variant = next((v for v in facts.snapshot.variants if v.key == known.key), None)
    if variant is None:
        if not problems:
            yield failure(subject, "the collector does not know it", "check the collector's log")
        return
    yield from _measured(subject, variant, told=bool(problems))
    yield from _placed(subject, variant, facts.snapshot)
    if known.mode is Mode.HPA:
        yield from _followed(subject, variant, facts)


def _measured(subject: str, variant: Variant, *, told: bool) -> Iterator[Finding]:
    load = variant.load
    if load.state is not LoadState.UNKNOWN:
        yield ok(subject, f"model {variant.model} is measured: {load.arrival_rate_rpm or 0:.2f} requests/min")
    elif not told:
        why = load.message or "no usable series"
        fix = "check that its pods are scraped and that spec.modelID is their model_name"
        yield failure(subject, f"model {variant.model} is not measured: {why}", fix)


def _placed(subject: str, variant: Variant, snapshot: Snapshot) -> Iterator[Finding]:
    """Whether class, cost and nodes know the accelerator in use."""
    name = variant.current.accelerator
    accelerator = next((a for a in snapshot.accelerators if a.name == name), None)
    if accelerator is None:
        fix = "kubectl edit configmap accelerator-unit-costs -n inferno-autoscaler-system"
        yield failure(subject, f"accelerator {name} has no entry in accelerator-unit-costs", fix)
        return
    if not snapshot.inventory:
        yield warning(subject, "no node has a known accelerator", "kubectl get nodes --show-labels")
    elif all(node.device != accelerator.device for node in snapshot.inventory):
        found = ", ".join(sorted({node.device for node in snapshot.inventory}))
        yield warning(
            subject,
            f"no node has the product {accelerator.device} of accelerator {name}; there are {found}",
            "correct device in accelerator-unit-costs, or label the nodes",
        )
    else:
        yield ok(
            subject,
            f"accelerator {name} is priced, class {variant.service_class} holds the model, nodes have it",
        )


def _followed(subject: str, variant: Variant, facts: Facts) -> Iterator[Finding]:
    if isinstance(facts.metric, str):
        fix = "helm upgrade with config/samples/prometheus-adapter-values.yaml, or config/external-metrics"
        yield failure(subject, f"no external metric inferno_desired_replicas: {facts.metric}", fix)
    elif len(facts.metric) > 1:
        yield failure(
            subject, f"{len(facts.metric)} series match, an HPA sums them", "let one actuator export only"
        )
    else:
        yield ok(subject, f"external metric inferno_desired_replicas is {facts.metric[0]}")
    if facts.autoscalers is None:
        yield warning(subject, "HorizontalPodAutoscalers cannot be read", "see RBAC above")
        return
    current = variant.current.replicas
    desired = facts.known.persisted() or Desired(variant.current.accelerator or "", current)
    found = follows(facts.known, desired, current, facts.own_autoscalers)
    if not found.works:
        level = warning if found.routine else failure
        yield level(subject, f"{found.reason}: {found.message}", _mended(found.reason, facts, desired))
        return
    yield ok(subject, found.message)
    yield from _tolerant(facts)


def _mended(reason: ConditionReason, facts: Facts, desired: Desired) -> str:
    """The command that lets an HPA follow."""
    known, namespace = facts.known, facts.known.namespace
    if not facts.own_autoscalers:
        return f"kubectl apply -n {namespace} -f config/samples/hpa-integration.yaml"
    name, others = facts.own_autoscalers[0].metadata.name, facts.own_autoscalers[1:]
    changes = {
        ConditionReason.HPA_MISCONFIGURED: _metrics_of(known),
        ConditionReason.HPA_MAXIMUM: f'{{"spec":{{"maxReplicas":{desired.replicas}}}}}',
        ConditionReason.HPA_MINIMUM: f'{{"spec":{{"minReplicas":{desired.replicas}}}}}',
        ConditionReason.HPA_TOLERANCE: _NO_TOLERANCE,
    }
    if reason in changes:
        return _patched(name, namespace, changes[reason])
    if reason is ConditionReason.HPA_DISABLED and known.target is not None:
        return f"kubectl scale {known.target.kind.lower()} {known.target.name} -n {namespace} --replicas=1"
    if others:
        return f"kubectl delete hpa {' '.join(sorted(it.metadata.name for it in others))} -n {namespace}"
    return f"kubectl describe hpa {name} -n {namespace}"


def _patched(name: str, namespace: str, patch: str) -> str:
    return f"kubectl patch hpa {name} -n {namespace} --type merge -p '{patch}'"


def _metrics_of(known: KnownVariant) -> str:
    """The metrics that an HPA of this variant must have."""
    selector = {"matchLabels": {VARIANT: known.name}}
    external = {
        "metric": {"name": DESIRED.name, "selector": selector},
        "target": {"type": "AverageValue", "averageValue": "1"},
    }
    return json.dumps({"spec": {"metrics": [{"type": "External", "external": external}]}})


def _tolerant(facts: Facts) -> Iterator[Finding]:
    """Whether an HPA would lose steps of one at the number of replicas that it allows."""
    for hpa in facts.own_autoscalers:
        most_tolerant = max(hpa.tolerance_up, hpa.tolerance_down)
        if hpa.max_replicas > _TOLERANCE_MATTERS_FROM and most_tolerant * hpa.max_replicas >= 1:
            namespace, name = hpa.metadata.key
            yield warning(
                f"HPA {namespace}/{name}",
                f"may go to {hpa.max_replicas} replicas; its tolerance {most_tolerant:g} ignores steps "
                f"of one from {round(1 / most_tolerant)} on ({ConditionReason.HPA_TOLERANCE})",
                f"{_patched(name, namespace, _NO_TOLERANCE)} (Kubernetes 1.35)",
            )
