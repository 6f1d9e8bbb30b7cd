"""How many devices may be given out: the inventory less unmanaged pods, less what held variants keep."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inferno_optimizer.candidates import replica_cost
from inferno_optimizer.demands import Held
from inferno_shared.contracts import Accelerator, NodeInventory, Variant


@dataclass(frozen=True, slots=True)
class Keeping:
    """What a held variant goes on using: the device and cost are unknown if its accelerator is."""

    held: Held
    replicas: int
    device: str | None
    units: int
    cost_per_hour: float

    @property
    def gpus(self) -> int:
        """Devices in use."""
        return self.replicas * self.units


def limits_of(inventory: Sequence[NodeInventory]) -> dict[str, int]:
    """Devices by kind that managed pods may use: 8 allocatable less 2 of unmanaged pods are 6."""
    limits: dict[str, int] = defaultdict(int)
    for node in inventory:
        limits[node.device] += max(0, node.allocatable - node.unmanaged)
    return dict(limits)


def keeping(
    held: Sequence[Held], accelerators: Sequence[Accelerator], limits: Mapping[str, int] | None
) -> list[Keeping]:
    """Held variants at their current replicas, raised to their minimum where devices are free for that.

    Raising matters for a variant without replicas: it would have no metrics, and be held for ever. `limits`
    None: unlimited.
    """
    catalogue = {accelerator.name: accelerator for accelerator in accelerators}
    kept = [_as_is(h, catalogue) for h in sorted(held, key=lambda h: h.variant.key)]
    if limits is None:
        return [_raised(k, k.held.variant.min_replicas) for k in kept]
    free = dict(limits)
    for k in kept:
        if k.device is not None:
            free[k.device] = free.get(k.device, 0) - k.gpus
    raised = []
    for k in kept:
        more = max(0, k.held.variant.min_replicas - k.replicas)
        if k.device is not None:
            more = min(more, max(0, free[k.device]) // k.units)
            free[k.device] -= more * k.units
        raised.append(_raised(k, k.replicas + more))
    return raised


def current_cost(variant: Variant, accelerators: Mapping[str, Accelerator]) -> float:
    """Cents per hour and replica on the accelerator in use; 0 when it is not known."""
    accelerator = accelerators.get(variant.current.accelerator or "")
    profile = next((p for p in variant.profiles if p.accelerator == variant.current.accelerator), None)
    if accelerator is None or profile is None:
        return variant.cost_per_replica_hour or 0.0
    return replica_cost(variant, accelerator, profile)


def _as_is(held: Held, catalogue: Mapping[str, Accelerator]) -> Keeping:
    variant = held.variant
    replicas = variant.current.replicas
    accelerator = catalogue.get(variant.current.accelerator or "")
    profile = next((p for p in variant.profiles if p.accelerator == variant.current.accelerator), None)
    if accelerator is None or profile is None:
        return Keeping(held, replicas, None, 0, current_cost(variant, catalogue))
    units = profile.acc_count * accelerator.multiplicity
    return Keeping(held, replicas, accelerator.device, units, current_cost(variant, catalogue))


def _raised(kept: Keeping, replicas: int) -> Keeping:
    most = max(kept.replicas, replicas)
    return Keeping(kept.held, most, kept.device, kept.units, kept.cost_per_hour)
