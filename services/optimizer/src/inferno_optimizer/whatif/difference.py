"""What differs between two plans: variant by variant, demand by demand, device by device, and in all."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

from inferno_shared.contracts import (
    Allocation,
    Demand,
    DemandDifference,
    DeviceCapacity,
    DeviceDifference,
    Difference,
    Outcome,
    Plan,
    VariantDifference,
    VariantState,
)

MOST_SHOWN = 3

T = TypeVar("T")


def difference(base: Plan, other: Plan) -> Difference:
    """From `base` to `other`; what both have alike is left out."""
    before, after = base.totals, other.totals
    variants = list(_variants(base.allocations, other.allocations))
    return Difference(
        summary=_summary(base, other, variants),
        cost_per_hour_before=before.cost_per_hour,
        cost_per_hour_after=after.cost_per_hour,
        gpus_before=before.gpus,
        gpus_after=after.gpus,
        variants=variants,
        demands=list(_demands(base.demands, other.demands)),
        devices=list(_devices(base.capacity, other.capacity)),
    )


def _variants(base: Sequence[Allocation], other: Sequence[Allocation]) -> Iterator[VariantDifference]:
    for before, after in _matched(base, other, lambda a: (a.namespace, a.name)):
        if _decided(before) != _decided(after):
            yield VariantDifference(
                namespace=before.namespace, name=before.name, before=_state(before), after=_state(after)
            )


def _decided(allocation: Allocation) -> tuple[Outcome, str | None, int, float]:
    """What makes two allocations different; latencies alone do not."""
    return allocation.outcome, allocation.accelerator, allocation.replicas, allocation.cost_per_hour


def _state(allocation: Allocation) -> VariantState:
    return VariantState(
        outcome=allocation.outcome,
        accelerator=allocation.accelerator,
        replicas=allocation.replicas,
        gpus=allocation.gpus,
        cost_per_hour=allocation.cost_per_hour,
        itl_ms=allocation.predicted.itl_ms,
        ttft_ms=allocation.predicted.ttft_ms,
    )


def _demands(base: Sequence[Demand], other: Sequence[Demand]) -> Iterator[DemandDifference]:
    for before, after in _matched(base, other, lambda d: (d.namespace, d.model, d.service_class)):
        if (before.rate_rpm, before.served_rpm) != (after.rate_rpm, after.served_rpm):
            yield DemandDifference(
                namespace=before.namespace,
                model=before.model,
                service_class=before.service_class,
                rate_rpm_before=before.rate_rpm,
                rate_rpm_after=after.rate_rpm,
                served_rpm_before=before.served_rpm,
                served_rpm_after=after.served_rpm,
            )


def _devices(base: Sequence[DeviceCapacity], other: Sequence[DeviceCapacity]) -> Iterator[DeviceDifference]:
    """Devices of either plan: a scenario may be the first to have one."""
    before, after = ({c.device: c for c in capacity} for capacity in (base, other))
    for device in sorted({*before, *after}):
        missing = DeviceCapacity(device=device, limit=0, used=0)
        old, new = before.get(device, missing), after.get(device, missing)
        if (old.used, old.limit) != (new.used, new.limit):
            yield DeviceDifference(
                device=device,
                used_before=old.used,
                used_after=new.used,
                limit_before=old.limit,
                limit_after=new.limit,
            )


def _matched(base: Sequence[T], other: Sequence[T], key: Callable[[T], Hashable]) -> Iterator[tuple[T, T]]:
    """Pairs of one key, in the order of `base`: a scenario adds and removes no variant."""
    found: Mapping[Hashable, T] = {key(item): item for item in other}
    for item in base:
        if key(item) in found:
            yield item, found[key(item)]


def _summary(base: Plan, other: Plan, variants: Sequence[VariantDifference]) -> str:
    before, after = base.totals, other.totals
    change = after.cost_per_hour - before.cost_per_hour
    parts = [
        f"cost {before.cost_per_hour:g} -> {after.cost_per_hour:g} cents/h ({change:+g})",
        f"{before.gpus} -> {after.gpus} units",
        f"{len(variants)} of {len(base.allocations)} variants differ",
    ]
    served = [_served(base), _served(other)]
    if served[0] != served[1] and any(part < whole for part, whole in served):
        told = [f"{part:.6g} of {whole:.6g}" for part, whole in served]
        parts.append(f"serves {told[0]} -> {told[1]} requests/min")
    for words, outcomes in (("worse off", (False, True)), ("better off", (True, False))):
        names = [
            f"{v.namespace}/{v.name} ({v.before.outcome} -> {v.after.outcome})"
            for v in variants
            if (v.after.outcome is Outcome.SERVED, v.before.outcome is Outcome.SERVED) == outcomes
        ]
        if names:
            more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
            parts.append(f"{words}: {', '.join(names[:MOST_SHOWN])}{more}")
    return "; ".join(parts)


def _served(plan: Plan) -> tuple[float, float]:
    """Requests/min served, and arriving, of all demands that are known."""
    return (
        sum(demand.served_rpm or 0.0 for demand in plan.demands),
        sum(demand.rate_rpm or 0.0 for demand in plan.demands if demand.served_rpm is not None),
    )
