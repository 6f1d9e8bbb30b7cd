"""Decides for each decision who acts on it, and which ones this process has to scale itself. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from inferno_actuator.actuation.hpas import TargetKey, by_target, follows, of_target
from inferno_actuator.actuation.verdict import Actuation
from inferno_actuator.conditions import ConditionReason
from inferno_actuator.decisions import Decision, Decisions
from inferno_actuator.known import Key, KnownVariant, counted
from inferno_actuator.modes import MODE_ANNOTATION, Mode
from inferno_shared.kubernetes.autoscalers import HorizontalPodAutoscaler

Index = Mapping[TargetKey, Sequence[HorizontalPodAutoscaler]]


def judged(decisions: Decisions, autoscalers: Sequence[HorizontalPodAutoscaler] | None) -> Decisions:
    """Every decision with what is known about its actuation.

    Args:
        decisions: after the guard rails.
        autoscalers: every HPA of the cluster; None when they are not known.
    """
    index = None if autoscalers is None else by_target(autoscalers)
    return Decisions(
        {
            key: replace(decision, actuation=_noted(decision.known, _judged(decision, index)))
            for key, decision in decisions.by_key.items()
        },
        decisions.unknown,
    )


def acted(decisions: Decisions, outcomes: Mapping[Key, Actuation]) -> Decisions:
    """The decisions after this process has scaled targets itself."""
    return Decisions(
        {
            key: replace(decision, actuation=outcomes[key]) if key in outcomes else decision
            for key, decision in decisions.by_key.items()
        },
        decisions.unknown,
    )


def to_scale(decisions: Decisions) -> list[Decision]:
    """The decisions that this process is carries out itself: direct, seen in this cycle, no HPA there."""
    return [
        decision
        for decision in decisions.by_key.values()
        if decision.known.mode is Mode.DIRECT
        and decision.variant is not None
        and decision.desired is not None
        and decision.actuation is None
    ]


def not_scaled(decision: Decision, why: str) -> Actuation:
    """What becomes of a decision whose target could not be scaled."""
    wanted = decision.desired.replicas if decision.desired else 0
    what = f"{decision.known.target_words} is not scaled to {counted(wanted)}"
    message = f"{what}: {why}; the next cycle tries again"
    return Actuation(works=False, reason=ConditionReason.SCALE_FAILED, message=message)


def _judged(decision: Decision, autoscalers: Index | None) -> Actuation | None:
    known, desired, current = decision.known, decision.desired, decision.current_replicas
    if desired is None or current is None:
        return None
    match known.mode:
        case Mode.OFF:
            message = (
                f"{MODE_ANNOTATION} is {Mode.OFF}: {counted(desired.replicas)} would be right, {current} "
                "run; nothing is exported or scaled"
            )
            return Actuation(works=False, reason=ConditionReason.ADVISE_ONLY, message=message, routine=True)
        case Mode.DIRECT:
            return _in_the_way(known, autoscalers)
        case Mode.HPA:
            return (
                None
                if autoscalers is None
                else follows(known, desired, current, of_target(known, autoscalers))
            )


def _in_the_way(known: KnownVariant, autoscalers: Index | None) -> Actuation | None:
    """Why this process must not scale the target; None when it may."""
    if autoscalers is None:
        message = (
            f"{known.target_words} is not scaled: HorizontalPodAutoscalers cannot be read, one may scale it "
            "too; grant get, list and watch on horizontalpodautoscalers (autoscaling)"
        )
        return Actuation(works=False, reason=ConditionReason.HPA_CONFLICT, message=message)
    found = of_target(known, autoscalers)
    if not found:
        return None
    names = ", ".join(sorted(hpa.metadata.name for hpa in found))
    message = (
        f"{known.target_words} is not scaled directly: HorizontalPodAutoscaler {names} scales it too; "
        f"delete it, or remove the annotation {MODE_ANNOTATION}"
    )
    return Actuation(works=False, reason=ConditionReason.HPA_CONFLICT, message=message)


def _noted(known: KnownVariant, actuation: Actuation | None) -> Actuation | None:
    """What is wrong with the annotation comes first."""
    if known.mode_problem is None or actuation is None:
        return actuation
    return replace(actuation, message=f"{known.mode_problem}. {actuation.message}")
