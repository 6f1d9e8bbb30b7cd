"""Decides the conditions of a VariantAutoscaling: what was found, measured, decided, guarded.

A verdict of None means that this cycle says nothing about it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from inferno_actuator.conditions import ConditionReason, ConditionType, Verdict
from inferno_actuator.decisions import Decision, Doubt
from inferno_actuator.known import Desired, counted
from inferno_shared.contracts import Load, LoadState, Outcome, PlanReason, Problem, Variant

_METRICS_REASONS: Final = (
    ConditionReason.PROMETHEUS_ERROR,
    ConditionReason.METRICS_MISSING,
    ConditionReason.METRICS_STALE,
)
_NOT_READ: Final = (Doubt.TARGET_NOT_FOUND, Doubt.INVALID_CONFIGURATION)
"""Of these variants the collector reads no load: what was measured once must not pass for measured now."""
_READY_REASON_OF_HELD: Final[Mapping[PlanReason | Doubt, ConditionReason]] = {
    PlanReason.UNKNOWN_LOAD: ConditionReason.METRICS_UNAVAILABLE,
    PlanReason.INFEASIBLE_SLO: ConditionReason.INFEASIBLE_SLO,
    PlanReason.INVALID_CONFIGURATION: ConditionReason.INVALID_CONFIGURATION,
    PlanReason.INSUFFICIENT_CAPACITY: ConditionReason.INSUFFICIENT_CAPACITY,
    Doubt.MISSING_FROM_PLAN: ConditionReason.OPTIMIZATION_FAILED,
    Doubt.INVALID_PLAN: ConditionReason.OPTIMIZATION_FAILED,
    Doubt.NOT_IN_SNAPSHOT: ConditionReason.METRICS_UNAVAILABLE,
    Doubt.METRICS_MISSING: ConditionReason.METRICS_UNAVAILABLE,
    Doubt.METRICS_STALE: ConditionReason.METRICS_UNAVAILABLE,
    Doubt.PROMETHEUS_ERROR: ConditionReason.METRICS_UNAVAILABLE,
    Doubt.TARGET_NOT_FOUND: ConditionReason.INVALID_CONFIGURATION,
    Doubt.INVALID_CONFIGURATION: ConditionReason.INVALID_CONFIGURATION,
}


def verdicts(decision: Decision) -> tuple[Verdict, ...]:
    """The conditions that this decision has something to say about, in order."""
    found = (_target(decision), _metrics(decision), _ready(decision), _guarded(decision), _actuated(decision))
    return tuple(verdict for verdict in found if verdict is not None)


def failure_message(failure: str, desired: Desired | None, *, exported: bool) -> str:
    """The sentence about a cycle that failed: what failed, what that means here, and that it mends itself.

    Args:
        failure: names the stage and the error.
        desired: what was last decided; None when nothing was.
        exported: whether that is still exported, its plan being young enough.
    """
    if desired is None:
        return f"{failure}; nothing was decided before; the loop tries again by itself"
    meaning = f"desired stays at {counted(desired.replicas)} on {desired.accelerator}"
    if not exported:
        meaning += ", not exported for lack of a recent plan: an HPA holds what runs"
    return f"{failure}; {meaning}; the loop tries again by itself"


def failure_verdict(message: str) -> Verdict:
    """What a cycle that failed says of a variant."""
    return Verdict(
        ConditionType.OPTIMIZATION_READY,
        met=False,
        reason=ConditionReason.OPTIMIZATION_FAILED,
        message=message,
    )


def _target(decision: Decision) -> Verdict | None:
    if variant := decision.variant:
        return Verdict(
            ConditionType.TARGET_RESOLVED,
            met=True,
            reason=ConditionReason.TARGET_FOUND,
            message=_target_words(variant),
        )
    if decision.reason is Doubt.TARGET_NOT_FOUND:
        return Verdict(
            ConditionType.TARGET_RESOLVED,
            met=False,
            reason=ConditionReason.TARGET_NOT_FOUND,
            message=decision.message,
        )
    return None


def _target_words(variant: Variant) -> str:
    target = variant.scale_target
    kind, name = (target.kind, target.name) if target else ("Deployment", variant.name)
    current = variant.current
    has = f"{counted(current.replicas)}, {current.ready_replicas} ready"
    return f"{kind} {variant.namespace}/{name} has {has}"


def _metrics(decision: Decision) -> Verdict | None:
    problem = _metrics_problem(decision.problems)
    load = decision.variant.load if decision.variant else None
    if load is not None and load.state is not LoadState.UNKNOWN:
        return Verdict(
            ConditionType.METRICS_AVAILABLE,
            met=True,
            reason=ConditionReason.METRICS_FOUND,
            message=_load_words(load),
        )
    if load is None and problem is None and decision.reason not in _NOT_READ:
        return None
    return Verdict(
        ConditionType.METRICS_AVAILABLE,
        met=False,
        reason=ConditionReason(problem.reason) if problem else ConditionReason.METRICS_MISSING,
        message=_unmeasured_words(decision, problem, load),
    )


def _metrics_problem(problems: Sequence[Problem]) -> Problem | None:
    return next((p for reason in _METRICS_REASONS for p in problems if p.reason == reason), None)


def _load_words(load: Load) -> str:
    source = f" (source: {load.source})" if load.source else ""
    span = f" over {load.window_seconds:.0f} s" if load.window_seconds else ""
    if load.state is LoadState.IDLE:
        return f"Fresh samples{span}, no requests arrive{source}"
    return (
        f"{load.arrival_rate_rpm or 0:.2f} requests/min{span}, {load.input_tokens or 0:.0f} input and "
        f"{load.output_tokens or 0:.0f} output tokens each{source}"
    )


def _unmeasured_words(decision: Decision, problem: Problem | None, load: Load | None) -> str:
    if problem is None and load is None:
        return f"The load is not read until this is mended: {decision.message}"
    if problem is not None:
        return problem.message
    if load is not None and load.message:
        return load.message
    model = decision.variant.model if decision.variant else "this model"
    return f"No usable samples of model {model}: check that its pods are scraped and serve spec.modelID"


def _ready(decision: Decision) -> Verdict:
    reason = _ready_reason(decision)
    return Verdict(
        ConditionType.OPTIMIZATION_READY,
        met=reason is ConditionReason.OPTIMIZATION_SUCCEEDED,
        reason=reason,
        message=_with_warnings(decision, reason),
    )


def _ready_reason(decision: Decision) -> ConditionReason:
    if decision.held or decision.reason is Doubt.TARGET_NOT_FOUND:
        return _READY_REASON_OF_HELD.get(decision.reason, ConditionReason.OPTIMIZATION_FAILED)
    outcome = decision.allocation.outcome if decision.allocation else None
    if outcome in (Outcome.PARTIAL, Outcome.UNSERVED):
        return ConditionReason.INSUFFICIENT_CAPACITY
    return ConditionReason.OPTIMIZATION_SUCCEEDED


def _with_warnings(decision: Decision, reason: ConditionReason) -> str:
    """The message, followed by what the collector or the optimizer warns of although it went well."""
    if reason is not ConditionReason.OPTIMIZATION_SUCCEEDED:
        return decision.message
    said = (problem.message for problem in decision.problems if problem.reason not in _METRICS_REASONS)
    return "; note: ".join([decision.message, *said])


def _guarded(decision: Decision) -> Verdict | None:
    if decision.desired is None:
        return None
    if not decision.rulings:
        return Verdict(
            ConditionType.GUARDED,
            met=False,
            reason=ConditionReason.PLAN_FOLLOWED,
            message="No guard rail changes the plan",
            routine=True,
            quiet=True,
        )
    said = "; ".join(f"{ruling.rail}: {ruling.message}" for ruling in decision.rulings)
    return Verdict(
        ConditionType.GUARDED,
        met=True,
        reason=decision.rulings[-1].rail,
        message=f"Plan {decision.planned_replicas}, desired {decision.desired.replicas}. {said}",
        routine=True,
    )


def _actuated(decision: Decision) -> Verdict | None:
    actuation = decision.actuation
    if actuation is None and decision.reason is Doubt.TARGET_NOT_FOUND:
        return Verdict(
            ConditionType.ACTUATED,
            met=False,
            reason=ConditionReason.TARGET_NOT_FOUND,
            message="Nothing is desired or exported before the target is found; an HPA holds what runs",
            routine=True,
            quiet=True,
        )
    if actuation is None:
        return None
    return Verdict(
        ConditionType.ACTUATED,
        met=actuation.works,
        reason=actuation.reason,
        message=actuation.message,
        routine=actuation.routine,
    )
