"""What one change of a scenario does to a snapshot: load, price, targets, priority.

Each function returns an edited copy, or raises `ChangeError` naming the field that names nothing known.
"""

from collections.abc import Callable, Iterable

from inferno_shared.contracts import (
    Accelerator,
    Load,
    LoadChange,
    LoadState,
    PriceChange,
    PriorityChange,
    ServiceClass,
    SloChange,
    SloTarget,
    Snapshot,
    Variant,
)

MOST_SHOWN = 20


class ChangeError(ValueError):
    """A change that cannot be made: `field` is relative to the change."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


def require_known(field: str, name: str | None, known: Iterable[str]) -> None:
    """Raise ChangeError unless the name is left out or known."""
    names = sorted(set(known))
    if name is not None and name not in names:
        shown = ", ".join(names[:MOST_SHOWN]) or "none"
        more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
        raise ChangeError(field, f"{name} is not in the snapshot (there is {shown}{more})")


def change_load(snapshot: Snapshot, change: LoadChange) -> Snapshot:
    """Observed rates times the factor: 37.5 requests/min times 2 are 75."""
    require_known("model", change.model, (v.model for v in snapshot.variants))
    require_known("namespace", change.namespace, (v.namespace for v in snapshot.variants))
    variants = [
        variant.model_copy(update={"load": _scaled(variant.load, change.factor)})
        if change.model in (None, variant.model) and change.namespace in (None, variant.namespace)
        else variant
        for variant in snapshot.variants
    ]
    return snapshot.model_copy(update={"variants": variants})


def _scaled(load: Load, factor: float) -> Load:
    if load.state is not LoadState.OBSERVED or load.arrival_rate_rpm is None:
        return load
    return load.model_copy(update={"arrival_rate_rpm": load.arrival_rate_rpm * factor})


def change_price(snapshot: Snapshot, change: PriceChange) -> Snapshot:
    """Another price of one accelerator, also for the variants on it that have a price of their own.

    A factor multiplies a variant's own price; a new price takes its place.
    """
    require_known("accelerator", change.accelerator, (a.name for a in snapshot.accelerators))
    price, factor = change.cost_per_hour, change.factor

    def priced(accelerator: Accelerator) -> Accelerator:
        new = price if price is not None else accelerator.cost_per_hour * (factor or 0.0)
        return accelerator.model_copy(update={"cost_per_hour": new})

    def repriced(variant: Variant) -> Variant:
        own = variant.cost_per_replica_hour
        if own is None or variant.current.accelerator != change.accelerator:
            return variant
        new = None if factor is None else own * factor
        return variant.model_copy(update={"cost_per_replica_hour": new})

    accelerators = [priced(a) if a.name == change.accelerator else a for a in snapshot.accelerators]
    variants = [repriced(variant) for variant in snapshot.variants]
    return snapshot.model_copy(update={"accelerators": accelerators, "variants": variants})


def change_slo(snapshot: Snapshot, change: SloChange) -> Snapshot:
    """Other targets of the classes and models that are meant."""
    classes = snapshot.service_classes
    require_known("service_class", change.service_class, (c.name for c in classes))
    meant = [c for c in classes if change.service_class in (None, c.name)]
    require_known("model", change.model, (t.model for c in meant for t in c.targets))

    def retargeted(service_class: ServiceClass) -> ServiceClass:
        targets = [
            _retargeted(target, change) if change.model in (None, target.model) else target
            for target in service_class.targets
        ]
        return service_class.model_copy(update={"targets": targets})

    return _with_classes(snapshot, change.service_class, retargeted)


def _retargeted(target: SloTarget, change: SloChange) -> SloTarget:
    given = {name: getattr(change, name) for name in ("itl_ms", "ttft_ms", "tokens_per_second")}
    update = {name: value for name, value in given.items() if value is not None}
    if change.latency_factor is not None:
        promised = {"itl_ms": target.itl_ms, "ttft_ms": target.ttft_ms}
        update |= {name: ms * change.latency_factor for name, ms in promised.items() if ms is not None}
    return target.model_copy(update=update)


def change_priority(snapshot: Snapshot, change: PriorityChange) -> Snapshot:
    """Another priority of one class."""
    require_known("service_class", change.service_class, (c.name for c in snapshot.service_classes))
    return _with_classes(
        snapshot, change.service_class, lambda c: c.model_copy(update={"priority": change.priority})
    )


def _with_classes(
    snapshot: Snapshot, name: str | None, edit: Callable[[ServiceClass], ServiceClass]
) -> Snapshot:
    classes = [edit(c) if name in (None, c.name) else c for c in snapshot.service_classes]
    return snapshot.model_copy(update={"service_classes": classes})
