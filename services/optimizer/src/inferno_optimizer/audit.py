"""Checks the finished plan document against the snapshot, in the units and words of the wire.

The allocation has been verified before it was drawn up (`allocation.verify`); this catches what can go wrong
in between: a variant lost, a sum that does not add up, an SLO claimed that the prediction contradicts.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from inferno_optimizer.placement_audit import audit_placement
from inferno_shared.contracts import (
    Accelerator,
    Allocation,
    ItlReading,
    Outcome,
    Plan,
    Policy,
    SloTarget,
    Snapshot,
    TtftReading,
    Variant,
)

TOLERANCE: Final = 1e-4


def audit(snapshot: Snapshot, plan: Plan) -> list[str]:
    """Sentences about everything that is wrong; empty for a plan that may leave."""
    variants = {variant.key: variant for variant in snapshot.variants}
    keys = [(a.namespace, a.name) for a in plan.allocations]
    if keys != sorted(variants):
        return ["the plan does not list every variant once, in the order of namespace and name"]
    accelerators = {accelerator.name: accelerator for accelerator in snapshot.accelerators}
    targets = {(c.name, t.model): t for c in snapshot.service_classes for t in c.targets}
    wrong = []
    for allocation, key in zip(plan.allocations, keys, strict=True):
        wrong += [f"{'/'.join(key)}: {w}" for w in _allocation(allocation, variants[key], accelerators)]
        target = targets.get((variants[key].service_class, variants[key].model))
        if allocation.outcome is Outcome.SERVED and target is not None:
            wrong += [f"{'/'.join(key)}: {w}" for w in _promise(allocation, target, snapshot.policy)]
    wrong += _sums(plan, accelerators)
    wrong += _demands(snapshot, plan)
    wrong += audit_placement(snapshot, plan)
    return wrong


def _allocation(
    allocation: Allocation, variant: Variant, accelerators: dict[str, Accelerator]
) -> Iterator[str]:
    if allocation.replicas < 0:
        yield f"{allocation.replicas} replicas"
    if allocation.outcome is Outcome.HELD:
        if allocation.replicas < variant.current.replicas:
            yield f"held at {allocation.replicas} replicas, below the current {variant.current.replicas}"
        return
    current = variant.current.accelerator
    if variant.keep_accelerator and current is not None and allocation.accelerator != current:
        yield f"put on {allocation.accelerator} although it keeps its accelerator {current}"
    if allocation.replicas == 0:
        return
    profile = next((p for p in variant.profiles if p.accelerator == allocation.accelerator), None)
    accelerator = accelerators.get(allocation.accelerator or "")
    if profile is None or accelerator is None:
        yield f"put on {allocation.accelerator}, which has no profile or no catalogue entry"
        return
    gpus = allocation.replicas * profile.acc_count * accelerator.multiplicity
    if allocation.gpus != gpus:
        yield f"{allocation.gpus} units for {allocation.replicas} replicas, which take {gpus}"
    price = profile.acc_count * accelerator.cost_per_hour
    if variant.cost_per_replica_hour is not None and allocation.accelerator == current:
        price = variant.cost_per_replica_hour
    cost = allocation.replicas * price
    if not _same(allocation.cost_per_hour, cost):
        yield f"costs {allocation.cost_per_hour:g} cents/h instead of {cost:g}"


def _promise(allocation: Allocation, target: SloTarget, policy: Policy) -> Iterator[str]:
    """The prediction of a variant called served keeps its targets, as far as it shows their reading."""
    predicted = allocation.predicted
    if allocation.rate_rpm and not allocation.replicas:
        yield f"serves {allocation.rate_rpm:g} requests/min with no replica"
        return
    if not allocation.rate_rpm:
        return
    per_replica = allocation.rate_rpm / allocation.replicas
    most = predicted.max_rate_rpm_per_replica
    if most is None or _above(per_replica, most):
        yield f"{per_replica:g} requests/min per replica, the SLO allows {most}"
    promised = target.itl_ms if policy.itl_reading is ItlReading.MEAN else None
    if promised is not None and (predicted.itl_ms is None or _above(predicted.itl_ms, promised)):
        yield f"predicted ITL {predicted.itl_ms} ms, target {promised:g} ms"
    if target.ttft_ms is None or predicted.wait_ms is None or predicted.ttft_ms is None:
        return
    if policy.ttft_reading is TtftReading.MEAN and _above(predicted.ttft_ms, target.ttft_ms):
        yield f"predicted TTFT {predicted.ttft_ms:g} ms, target {target.ttft_ms:g} ms"
    if policy.ttft_reading is TtftReading.EXPONENTIAL:
        quantile_ms = -math.log(1 - policy.ttft_percentile) * predicted.wait_ms
        if _above(quantile_ms, target.ttft_ms):
            yield f"predicted wait {quantile_ms:g} ms at the percentile, TTFT target {target.ttft_ms:g} ms"


def _sums(plan: Plan, accelerators: dict[str, Accelerator]) -> Iterator[str]:
    if plan.totals.gpus != sum(a.gpus for a in plan.allocations):
        yield "the units in the totals are not the sum over the allocations"
    if not _same(plan.totals.cost_per_hour, sum(a.cost_per_hour for a in plan.allocations)):
        yield "the cost in the totals is not the sum over the allocations"
    used: dict[str, int] = defaultdict(int)
    for allocation in plan.allocations:
        if allocation.gpus:
            used[accelerators[allocation.accelerator or ""].device] += allocation.gpus
    stated = {entry.device: entry.used for entry in plan.capacity if entry.used}
    if stated != dict(used):
        yield f"the capacity states {stated} units used, the allocations use {dict(used)}"


def _demands(snapshot: Snapshot, plan: Plan) -> Iterator[str]:
    """Served rates: never above the arrivals, and in sum what the demand's variants are to serve."""
    variants = {variant.key: variant for variant in snapshot.variants}
    shares: dict[tuple[str, str, str], float] = defaultdict(float)
    for allocation in plan.allocations:
        variant = variants[allocation.namespace, allocation.name]
        if allocation.outcome is not Outcome.HELD:
            shares[variant.namespace, variant.model, variant.service_class] += allocation.rate_rpm or 0.0
    for demand in plan.demands:
        key = (demand.namespace, demand.model, demand.service_class)
        if demand.rate_rpm is None or demand.served_rpm is None:
            continue
        if _above(demand.served_rpm, demand.rate_rpm):
            yield f"{'/'.join(key)}: serves {demand.served_rpm:g} of {demand.rate_rpm:g} requests/min"
        if not _same(shares[key], demand.served_rpm):
            yield f"{'/'.join(key)}: variants serve {shares[key]:g}, the demand states {demand.served_rpm:g}"


def _same(a: float, b: float) -> bool:
    return abs(a - b) <= TOLERANCE * max(1.0, abs(a), abs(b))


def _above(value: float, limit: float) -> bool:
    return value > limit + TOLERANCE * max(1e-3, abs(limit))
