"""The allocation problem of a `SystemData`: every server is a demand of its own, with one variant.

Upstream states the load server by server, so servers of one model share nothing but the accelerators.
"""

from inferno_optimizer.allocation import Candidate, Demand, Nodes, Problem, Variant
from inferno_optimizer.choosing import RATIONING
from inferno_optimizer.compat.orders import Option, Order, Orders
from inferno_optimizer.compat.system import ServerSpec, SystemSpec


def key_of(server: ServerSpec) -> tuple[str, str]:
    """The variant that stands for a server; upstream knows no namespaces."""
    return "", server.name


def problem_of(system: SystemSpec, orders: Orders) -> Problem:
    """Everything the solver needs. What refused servers hold is not there for the others."""
    policy = system.optimizer_data.optimizer
    demands = [_demand(order) for order in orders.orders]
    return Problem(
        demands=tuple(sorted(demands, key=lambda d: (d.priority, d.key))),
        capacity=None if policy.unlimited else _capacity(system, orders),
        rationing=RATIONING[policy.saturation_policy],
        delayed_best_effort=policy.delayed_best_effort,
    )


def held_units(system: SystemSpec, orders: Orders) -> dict[str, int]:
    """Cards by type that refused servers keep."""
    accelerators = {a.name: a for a in system.accelerator_data.accelerators}
    counts = {(m.name, m.acc): m.acc_count for m in system.model_data.models}
    held: dict[str, int] = {}
    for refusal in orders.refusals:
        current = refusal.server.current_alloc
        accelerator = accelerators.get(current.accelerator)
        if accelerator is not None:
            acc_count = counts.get((refusal.server.model, accelerator.name), 1)
            units = current.num_replicas * acc_count * accelerator.multiplicity
            held[accelerator.device] = held.get(accelerator.device, 0) + units
    return held


def free_units(system: SystemSpec, orders: Orders) -> dict[str, int]:
    """Cards by type that may be given out."""
    held = held_units(system, orders)
    return {c.type: max(0, c.count - held.get(c.type, 0)) for c in system.capacity_data.count}


def _capacity(system: SystemSpec, orders: Orders) -> dict[str, Nodes]:
    """Upstream knows cards by type only: any number of them serves one replica."""
    return {device: Nodes.pool(units) for device, units in free_units(system, orders).items()}


def _demand(order: Order) -> Demand:
    current = order.server.current_alloc
    running = order.option(current.accelerator)
    known_cost = running.cost_per_hour * current.num_replicas if running is not None else 0.0
    variant = Variant(
        key=key_of(order.server),
        candidates=tuple(_candidate(option, idle=not order.required_rpm) for option in order.options),
        minimum=order.server.min_num_replicas,
        current_accelerator=current.accelerator or None,
        current_replicas=current.num_replicas,
        current_cost_per_hour=current.cost or known_cost,
    )
    key = ("", order.server.name, order.server.class_name)
    return Demand(key, order.priority, order.required_rpm, (variant,))


def _candidate(option: Option, *, idle: bool) -> Candidate:
    return Candidate(
        accelerator=option.accelerator.name,
        device=option.accelerator.device,
        units=option.units,
        cost_per_hour=option.cost_per_hour,
        rate_rpm=0.0 if idle else option.sizing.capacity_rpm,
    )
