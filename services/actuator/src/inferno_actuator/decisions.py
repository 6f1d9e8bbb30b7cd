"""Turns a plan into one decision per VariantAutoscaling, also where the plan cannot be trusted.

The rule behind every branch: nothing scales down on doubt. A variant that the plan holds, leaves out, or
answers with nonsense keeps the higher of its last desired and its current replicas; a variant that the
snapshot leaves out keeps its last desired replicas; one whose scale target is gone has nothing to scale.

Worked example: last desired 4, three replicas running, load unknown: the decision is 4, not 3.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from inferno_actuator.actuation.verdict import Actuation
from inferno_actuator.known import Desired, Key, KnownVariant, counted
from inferno_actuator.ruling import Ruling
from inferno_shared.contracts import Allocation, Outcome, Plan, PlanReason, Problem, Snapshot, Variant


class Doubt(StrEnum):
    """Why a decision does not follow the plan, beyond the plan's own reasons."""

    MISSING_FROM_PLAN = "MissingFromPlan"
    INVALID_PLAN = "InvalidPlan"
    NOT_IN_SNAPSHOT = "NotInSnapshot"
    TARGET_NOT_FOUND = "TargetNotFound"
    METRICS_MISSING = "MetricsMissing"
    METRICS_STALE = "MetricsStale"
    PROMETHEUS_ERROR = "PrometheusError"
    INVALID_CONFIGURATION = "InvalidConfiguration"


_MOST_REPLICAS: Final = 10_000
_DOUBTS_OF_THE_COLLECTOR: Final = (
    Doubt.TARGET_NOT_FOUND,
    Doubt.INVALID_CONFIGURATION,
    Doubt.PROMETHEUS_ERROR,
    Doubt.METRICS_MISSING,
    Doubt.METRICS_STALE,
)


class Direction(StrEnum):
    """Which way a change of desired replicas goes."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is wanted for one VariantAutoscaling and why.

    Args:
        variant: what the snapshot says of it; None when the snapshot leaves it out.
        allocation: what the plan says of it; None when the plan cannot be used for it.
        desired: None when there is nothing to scale, or nothing is known yet.
        previous: what was desired before this decision.
        held: the replicas were kept for lack of a usable answer.
        reason: a `PlanReason` or a `Doubt`.
        planned_at: monotonic time of the plan behind `desired`; None when no plan of this process is.
        problems: what the collector and the optimizer have to say about it.
        rulings: what the guard rails changed of the plan, in order.
        actuation: whether somebody acts on it; None when that is not known.
    """

    known: KnownVariant
    variant: Variant | None = None
    allocation: Allocation | None = None
    desired: Desired | None
    previous: Desired | None = None
    held: bool
    reason: PlanReason | Doubt
    message: str
    planned_at: float | None
    problems: tuple[Problem, ...] = ()
    rulings: tuple[Ruling, ...] = ()
    actuation: Actuation | None = None

    @property
    def key(self) -> Key:
        """(namespace, name)."""
        return self.known.key

    @property
    def current_replicas(self) -> int | None:
        """Replicas that the scale target has now; None when the snapshot does not say."""
        return self.variant.current.replicas if self.variant else None

    @property
    def planned_replicas(self) -> int | None:
        """Replicas before any guard rail."""
        if self.rulings:
            return self.rulings[0].wanted
        return self.desired.replicas if self.desired else None

    @property
    def direction(self) -> Direction | None:
        """Which way the desired replicas changed since the decision before; None when they did not."""
        if self.desired is None:
            return None
        before = self.previous.replicas if self.previous else self.current_replicas
        if before is None or before == self.desired.replicas:
            return None
        return Direction.UP if self.desired.replicas > before else Direction.DOWN


@dataclass(frozen=True, slots=True)
class Decisions:
    """Every decision of one plan, and the variants of the plan that nobody asked for."""

    by_key: Mapping[Key, Decision]
    unknown: tuple[Key, ...] = ()


def decide(
    plan: Plan,
    snapshot: Snapshot,
    known: Mapping[Key, KnownVariant],
    in_force: Mapping[Key, Decision],
    *,
    planned_at: float,
) -> Decisions:
    """One decision for each variant in `known`; those of the snapshot that are gone are dropped.

    Args:
        plan: the optimizer's answer to `snapshot`.
        snapshot: what the collector saw.
        known: the VariantAutoscalings that exist now.
        in_force: the decisions of the last plan, by key.
        planned_at: monotonic time of `plan`.
    """
    variants = {variant.key: variant for variant in snapshot.variants}
    allocations = {(a.namespace, a.name): a for a in plan.allocations}
    problems = _by_subject([*snapshot.problems, *plan.problems])
    by_key: dict[Key, Decision] = {}
    for key, it in sorted(known.items()):
        before = in_force.get(key)
        previous = (before.desired if before else None) or it.persisted()
        about_it = problems.get(it.subject, ())
        if variant := variants.get(key):
            by_key[key] = _decide_one(it, variant, allocations.get(key), previous, about_it, planned_at)
        else:
            by_key[key] = _left_out(it, previous, before, about_it)
    return Decisions(by_key, tuple(sorted(key for key in allocations if key not in variants)))


def _by_subject(problems: Sequence[Problem]) -> Mapping[str, tuple[Problem, ...]]:
    grouped: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        if problem not in grouped[problem.subject]:
            grouped[problem.subject].append(problem)
    return {subject: tuple(found) for subject, found in grouped.items()}


def _decide_one(
    known: KnownVariant,
    variant: Variant,
    allocation: Allocation | None,
    previous: Desired | None,
    problems: tuple[Problem, ...],
    planned_at: float,
) -> Decision:
    reason: PlanReason | Doubt
    if allocation is None:
        reason = Doubt.MISSING_FROM_PLAN
        doubt = "the plan has no allocation for this variant; the optimizer's log says why"
    elif nonsense := _nonsense(allocation, variant):
        reason, doubt = Doubt.INVALID_PLAN, nonsense
    elif allocation.outcome is Outcome.HELD:
        reason, doubt = allocation.reason, allocation.message
    else:
        return Decision(
            known=known,
            variant=variant,
            allocation=allocation,
            desired=_planned(allocation, variant),
            previous=previous,
            held=False,
            reason=allocation.reason,
            message=allocation.message,
            planned_at=planned_at,
            problems=problems,
        )
    desired = _kept(variant, previous)
    return Decision(
        known=known,
        variant=variant,
        allocation=allocation if reason is not Doubt.INVALID_PLAN else None,
        desired=desired,
        previous=previous,
        held=True,
        reason=reason,
        message=f"{_kept_words(desired, variant, previous)}: {doubt}",
        planned_at=planned_at,
        problems=problems,
    )


def _nonsense(allocation: Allocation, variant: Variant) -> str | None:
    """Why an allocation cannot be meant for this variant; None when it can."""
    if allocation.outcome is Outcome.HELD:
        return None
    replicas = allocation.replicas
    if replicas < 0:
        return f"the plan asks for {counted(replicas)}"
    if replicas == 0 and variant.min_replicas > 0:
        return f"the plan asks for 0 replicas, minReplicas is {variant.min_replicas}"
    most = _MOST_REPLICAS if variant.max_replicas is None else variant.max_replicas
    if replicas > most:
        bound = "maxReplicas is" if variant.max_replicas is not None else "believed are at most"
        return f"the plan asks for {counted(replicas)}, {bound} {most}"
    profiled = [profile.accelerator for profile in variant.profiles]
    if replicas > 0 and allocation.accelerator not in profiled:
        return f"the plan asks for accelerator {allocation.accelerator}, profiled are {', '.join(profiled)}"
    return None


def _planned(allocation: Allocation, variant: Variant) -> Desired | None:
    accelerator = allocation.accelerator or variant.current.accelerator
    return Desired(accelerator, allocation.replicas) if accelerator else None


def _kept(variant: Variant, previous: Desired | None) -> Desired | None:
    """The higher of last desired and current replicas, within the bounds that the user set."""
    accelerator = variant.current.accelerator or (previous.accelerator if previous else None)
    if accelerator is None:
        return None
    replicas = max(previous.replicas if previous else 0, variant.current.replicas, variant.min_replicas)
    if variant.max_replicas is not None:
        replicas = min(replicas, variant.max_replicas)
    return Desired(accelerator, replicas)


def _kept_words(desired: Desired | None, variant: Variant, previous: Desired | None) -> str:
    if desired is None:
        return (
            "Nothing desired: no accelerator is known, set the label inference.optimization/acceleratorName"
        )
    before = f"last desired {previous.replicas}" if previous else "no earlier decision"
    return f"Held at {counted(desired.replicas)} ({before}, current {variant.current.replicas})"


def _left_out(
    known: KnownVariant,
    previous: Desired | None,
    before: Decision | None,
    problems: tuple[Problem, ...],
) -> Decision:
    reason, doubt = _why_left_out(known, problems)
    gone = reason is Doubt.TARGET_NOT_FOUND
    kept = f"last desired {previous.replicas} stays" if previous else "nothing was desired before"
    return Decision(
        known=known,
        desired=None if gone else previous,
        previous=previous,
        held=not gone,
        reason=reason,
        message=doubt if gone else f"{doubt} ({kept})",
        planned_at=before.planned_at if before else None,
        problems=problems,
    )


def _why_left_out(known: KnownVariant, problems: tuple[Problem, ...]) -> tuple[Doubt, str]:
    for doubt in _DOUBTS_OF_THE_COLLECTOR:
        for problem in problems:
            if problem.reason == doubt:
                return doubt, problem.message
    if problems:
        return Doubt.INVALID_CONFIGURATION, problems[0].message
    if known.malformed:
        return Doubt.INVALID_CONFIGURATION, known.malformed
    return (
        Doubt.NOT_IN_SNAPSHOT,
        "The collector's snapshot does not have this variant yet; the next cycle asks again",
    )
