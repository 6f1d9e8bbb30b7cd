"""Draws up the plan document: sorted, rounded, summed, with reasons in words."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from inferno_optimizer.allocation import Packing
from inferno_optimizer.allocation import Stage as SolvedStage
from inferno_optimizer.candidates import SizedGroup
from inferno_optimizer.decisions import Decision, HeldDecision
from inferno_optimizer.demands import DemandKey
from inferno_optimizer.devices import current_cost, nodes_of
from inferno_optimizer.explain import (
    Growth,
    Holder,
    Scarcity,
    Wish,
    explain,
    explain_held,
    growth_sentence,
)
from inferno_optimizer.placement import over_committed, placements, replicas_used, too_small
from inferno_optimizer.queueing import Performance
from inferno_shared.contracts import (
    Accelerator,
    Allocation,
    Certificate,
    Demand,
    DeviceCapacity,
    OneMore,
    Outcome,
    Placement,
    Plan,
    PlanReason,
    Policy,
    Prediction,
    Problem,
    Snapshot,
    Stage,
    Totals,
    unknown_fields,
)

DECIMALS: Final = 6
Status = Literal["optimal", "feasible", "fallback"]


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was decided about one snapshot, and what limits cost: `wishes` and `growth` by device.

    `placement` fills the nodes of every device; None: unlimited, or everything is held. `inexact` are devices
    whose nodes are too large for exact packing, with the sizes of replicas.
    """

    groups: Sequence[SizedGroup]
    decisions: Sequence[Decision]
    held: Sequence[HeldDecision]
    stages: Sequence[SolvedStage]
    problems: Sequence[Problem]
    verified: bool
    wishes: Mapping[DemandKey, Wish] = field(default_factory=dict)
    growth: Mapping[str, Growth] = field(default_factory=dict)
    placement: Mapping[str, Packing] | None = None
    inexact: Mapping[str, Sequence[int]] = field(default_factory=dict)


def document(snapshot: Snapshot, findings: Findings) -> Plan:
    """The plan; only the paths of unknown fields depend on the order of the snapshot's lists."""
    holders = _holders(findings)
    used = {device: sum(h.gpus for h in found) for device, found in holders.items()}
    nodes = nodes_of(snapshot.inventory)
    limits = {device: found.units for device, found in nodes.items()}
    placement = placements(nodes, findings.placement, replicas_used(findings.decisions, findings.held))
    scarcity = Scarcity(
        None if snapshot.policy.unlimited else limits,
        holders,
        used,
        findings.wishes,
        findings.growth,
        {entry.device: entry for entry in placement},
    )
    catalogue = {accelerator.name: accelerator for accelerator in snapshot.accelerators}
    allocations = [_allocation(d, snapshot.policy, scarcity, catalogue) for d in findings.decisions]
    allocations += [_held_allocation(h) for h in findings.held]
    allocations.sort(key=lambda a: (a.namespace, a.name))
    return Plan(
        snapshot_id=snapshot.id or snapshot.content_id(),
        allocations=allocations,
        demands=list(_demands(findings)),
        capacity=_capacity(snapshot, limits, used, findings.growth),
        placement=placement,
        totals=Totals(
            cost_per_hour=_rounded(sum(a.cost_per_hour for a in allocations)),
            gpus=sum(a.gpus for a in allocations),
        ),
        certificate=_certificate(findings),
        problems=_problems(snapshot, findings, placement, limits, used),
    )


def _allocation(
    decision: Decision, policy: Policy, scarcity: Scarcity, catalogue: Mapping[str, Accelerator]
) -> Allocation:
    choice, replicas, variant = decision.choice, decision.replicas, decision.variant
    current = current_cost(variant, catalogue) * variant.current.replicas
    return Allocation(
        namespace=variant.namespace,
        name=variant.name,
        outcome=decision.outcome,
        accelerator=choice.accelerator.name if choice else variant.current.accelerator,
        replicas=replicas,
        gpus=replicas * choice.units if choice else 0,
        cost_per_hour=_rounded(replicas * choice.cost_per_hour) if choice else 0.0,
        rate_rpm=_rounded(min(decision.rate_rpm, _served(decision))),
        reason=decision.reason,
        message=explain(decision, policy, scarcity, current),
        predicted=_prediction(decision.performance, _max_rate(decision)),
    )


def _served(decision: Decision) -> float:
    """The variant's part of what its demand gets within the SLO."""
    rate_rpm = decision.service.rate_rpm
    return decision.service.served_rpm * decision.rate_rpm / rate_rpm if rate_rpm else 0.0


def _max_rate(decision: Decision) -> float | None:
    """Largest rate per replica; not known before the tokens per request are."""
    choice = decision.choice or (decision.member.choices[0] if len(decision.member.choices) == 1 else None)
    if choice is None or not choice.sizing.feasible or not decision.service.sized.group.load.output_tokens:
        return None
    return choice.sizing.max_rate_rpm


def _held_allocation(held: HeldDecision) -> Allocation:
    kept = held.keeping
    variant = kept.held.variant
    return Allocation(
        namespace=variant.namespace,
        name=variant.name,
        outcome=Outcome.HELD,
        accelerator=variant.current.accelerator,
        replicas=kept.replicas,
        gpus=kept.gpus,
        cost_per_hour=_rounded(kept.replicas * kept.cost_per_hour),
        rate_rpm=None if held.rate_rpm is None else _rounded(held.rate_rpm),
        reason=kept.held.reason,
        message=explain_held(held),
        predicted=_prediction(held.performance, None),
    )


def _prediction(performance: Performance | None, max_rate_rpm: float | None) -> Prediction:
    return Prediction(
        itl_ms=_rounded(performance.itl_ms) if performance else None,
        wait_ms=_rounded(performance.wait_ms) if performance else None,
        ttft_ms=_rounded(performance.ttft_ms) if performance else None,
        utilization=_rounded(performance.utilization) if performance else None,
        max_rate_rpm_per_replica=None if max_rate_rpm is None else _rounded(max_rate_rpm),
        blocking=_rounded(performance.blocking) if performance else None,
    )


def _demands(findings: Findings) -> Iterator[Demand]:
    """Rate and service of each demand: unknown where the load is, or where only invalid variants serve it."""
    infeasible = {
        (h.keeping.held.variant.namespace, h.keeping.held.variant.model, h.keeping.held.variant.service_class)
        for h in findings.held
        if h.keeping.held.reason is PlanReason.INFEASIBLE_SLO
    }
    services = {d.service.sized.group.key: d.service for d in findings.decisions}
    for sized in findings.groups:
        group = sized.group
        service = services.get(group.key)
        known = bool(group.members)
        yield Demand(
            namespace=group.key[0],
            model=group.key[1],
            service_class=group.key[2],
            priority=group.priority,
            rate_rpm=_rounded(group.load.rate_rpm) if known else None,
            served_rpm=_rounded(service.served_rpm)
            if service
            else (0.0 if group.key in infeasible else None),
        )


def _holders(findings: Findings) -> dict[str, list[Holder]]:
    holders: dict[str, list[Holder]] = defaultdict(list)
    for decision in findings.decisions:
        if decision.choice is not None:
            gpus = decision.replicas * decision.choice.units
            name = "/".join(decision.variant.key)
            priority = decision.service.sized.group.priority
            by_minimum = decision.replicas <= decision.member.minimum
            holders[decision.choice.accelerator.device].append(Holder(name, priority, gpus, by_minimum))
    for held in findings.held:
        if held.keeping.device is not None:
            name = "/".join(held.keeping.held.variant.key)
            holders[held.keeping.device].append(Holder(name, None, held.keeping.gpus))
    return {device: sorted(found, key=_importance) for device, found in holders.items()}


def _importance(holder: Holder) -> tuple[int, int, str]:
    """Held variants first, then by priority; the largest first among those that are alike."""
    return (holder.priority or 0, -holder.gpus, holder.name)


def _capacity(
    snapshot: Snapshot, limits: Mapping[str, int], used: Mapping[str, int], growth: Mapping[str, Growth]
) -> list[DeviceCapacity]:
    """Devices of the inventory and devices in use; a device without inventory has limit 0 when limited."""
    missing = None if snapshot.policy.unlimited else 0
    return [
        DeviceCapacity(
            device=device,
            limit=limits.get(device, missing),
            used=used.get(device, 0),
            one_more=_one_more(device, growth[device]) if device in growth else None,
        )
        for device in sorted({*limits, *used, *growth})
    ]


def _one_more(device: str, growth: Growth) -> OneMore:
    return OneMore(
        units=growth.units,
        serves_rpm=_rounded(sum(growth.serves_rpm.values())),
        saves_cents_per_hour=(
            None if growth.saves_cents_per_hour is None else _rounded(growth.saves_cents_per_hour)
        ),
        basis=growth.basis,
        message=growth_sentence(device, growth),
    )


def _certificate(findings: Findings) -> Certificate:
    held_cost = sum(h.keeping.replicas * h.keeping.cost_per_hour for h in findings.held)
    stages = [_stage(stage, held_cost if stage.objective == "cost" else 0.0) for stage in findings.stages]
    order: tuple[Status, ...] = ("optimal", "feasible", "fallback")
    worst = max((stage.status for stage in stages), key=order.index, default="optimal")
    return Certificate(
        status=worst if findings.verified else "fallback", verified=findings.verified, stages=stages
    )


def _stage(stage: SolvedStage, constant: float) -> Stage:
    """A solved stage; held variants' cost is a constant that the plan's total contains too."""
    return Stage(
        objective=stage.objective,
        value=_rounded(stage.value + constant),
        bound=None if stage.bound is None else _rounded(stage.bound + constant),
        gap=None if stage.gap is None else _rounded(stage.gap),
        status=stage.status,
    )


def _problems(
    snapshot: Snapshot,
    findings: Findings,
    placement: Sequence[Placement],
    limits: Mapping[str, int],
    used: Mapping[str, int],
) -> list[Problem]:
    problems = [*findings.problems]
    problems += [_unknown_field(path, closest) for path, closest in unknown_fields(snapshot)]
    if findings.placement is not None:
        problems += too_small(findings.decisions, nodes_of(snapshot.inventory))
    if not snapshot.policy.unlimited:
        problems += over_committed(placement, limits, used)
    if any(stage.status != "optimal" for stage in findings.stages):
        problems += [_packed_inexactly(device, sizes) for device, sizes in findings.inexact.items()]
    if any(stage.status != "optimal" for stage in findings.stages) and not findings.inexact:
        problems.append(
            Problem(
                subject="Optimizer",
                reason="TimeLimit",
                message=(
                    f"the plan was not proven optimal within {snapshot.policy.time_limit_seconds:g} s: the"
                    " certificate states the gaps; raise policy.time_limit_seconds to close them"
                ),
            )
        )
    return sorted(problems, key=lambda p: (p.subject, p.reason, p.message))


def _packed_inexactly(device: str, sizes: Sequence[int]) -> Problem:
    told = ", ".join(map(str, sizes))
    return Problem(
        subject=f"Device {device}",
        reason="PackingNotExact",
        message=(
            f"replicas of {told} units are packed so that up to {max(sizes) - 1} units may stay free on each"
            " node: packing them exactly takes too long on nodes of this size. The certificate states the"
            " gaps; replicas whose sizes divide each other are packed exactly on nodes of any size"
        ),
    )


def _unknown_field(path: str, closest: str | None) -> Problem:
    hint = f"did you mean {closest}?" if closest else "remove it, or correct its name."
    return Problem(subject=f"Snapshot {path}", reason="UnknownField", message=f"{path} is not read: {hint}")


def _rounded(value: float) -> float:
    """Six decimals, and no negative zero: the same number always reads the same."""
    return round(value, DECIMALS) + 0.0
