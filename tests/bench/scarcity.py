"""Devices for made-up worlds: some share of what everybody's cheapest choice takes, on nodes of 8."""

from collections.abc import Sequence

from inferno_optimizer.plan import make_plan
from inferno_shared.contracts import NodeInventory, Policy, SaturationPolicy, Snapshot

ACCELERATORS = (("A100", 40.0, 1.0), ("G2", 23.0, 1.5), ("H100", 50.0, 0.7), ("MI300X", 65.0, 0.6))
"""Name, cents per hour, and how long a step takes, relative to the first."""

NODE_UNITS = 8


def limited(world: Snapshot, room: Sequence[float], policy: SaturationPolicy, *, spare: int = 0) -> Snapshot:
    """The same world with `room`, by accelerator, times the devices of its cheapest plan without limits.

    `spare` units of each are added.
    """
    used = {entry.device: entry.used for entry in make_plan(world).capacity}
    inventory = [
        NodeInventory(node=f"{accelerator.device}-{number}", device=accelerator.device, allocatable=units)
        for accelerator, share in zip(world.accelerators, room, strict=True)
        for number, units in enumerate(node_sizes(int(used.get(accelerator.device, 0) * share) + spare))
    ]
    limits = Policy(unlimited=False, saturation_policy=policy)
    return world.model_copy(update={"inventory": inventory, "policy": limits})


def node_sizes(units: int) -> list[int]:
    """Nodes of 8, as GPUs come, and one with the rest."""
    return [NODE_UNITS] * (units // NODE_UNITS) + [units % NODE_UNITS] * (units % NODE_UNITS > 0)
