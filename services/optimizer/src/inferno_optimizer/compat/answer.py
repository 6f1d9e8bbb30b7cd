"""Words a choice as upstream's answer: one allocation per server, with predictions and the reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inferno_optimizer.allocation import Assignment
from inferno_optimizer.compat.orders import Option, Order, Refusal
from inferno_optimizer.compat.problem import key_of
from inferno_optimizer.compat.solution import AnsweredAllocation, AnsweredLoad
from inferno_optimizer.compat.system import ServerSpec
from inferno_optimizer.explain.wording import replicas_of
from inferno_optimizer.queueing import Performance, predict
from inferno_shared.contracts import LinearParameters, Outcome

WORTH_TELLING = 1e-3
TOLERANCE = 1e-6
DECIMALS = 6
BINDING = {
    "itl": "the ITL target binds",
    "ttft": "the TTFT target binds",
    "tokens_per_second": "the tokens/s target binds",
    "saturation": "no target binds before saturation",
}


@dataclass(frozen=True, slots=True)
class _Placed:
    """A server with what it gets: `rate_rpm` arrives at each replica, whether or not it can keep up."""

    server: ServerSpec
    option: Option | None
    accelerator: str
    replicas: int
    rate_rpm: float
    served_rpm: float | None
    outcome: Outcome
    message: str


def allocations_of(
    orders: Sequence[Order],
    refusals: Sequence[Refusal],
    assignments: Mapping[tuple[str, str], Assignment],
    limits: Mapping[str, int] | None,
) -> dict[str, AnsweredAllocation]:
    """The answer for each server, by name."""
    placed = [_placed(order, assignments[key_of(order.server)], limits) for order in orders]
    placed += [_held(refusal) for refusal in refusals]
    running = [p for p in placed if p.option is not None]
    pairs = [p.option.pair for p in running if p.option is not None]
    performances = dict(
        zip((p.server.name for p in running), predict(pairs, [p.rate_rpm for p in running]), strict=True)
    )
    return {
        p.server.name: _answered(p, performances.get(p.server.name))
        for p in sorted(placed, key=lambda p: p.server.name)
    }


def _placed(order: Order, assignment: Assignment, limits: Mapping[str, int] | None) -> _Placed:
    option = order.option(assignment.accelerator) if assignment.replicas else None
    if option is None:
        outcome = Outcome.UNSERVED if order.rate_rpm else Outcome.SERVED
        message = _scarce(order, limits) if order.rate_rpm else _idle(order)
        return _Placed(order.server, None, "", 0, 0.0, 0.0, outcome, message)
    replicas = assignment.replicas
    if not order.required_rpm:
        name, message = option.accelerator.name, _idle(order, option, replicas)
        return _Placed(order.server, option, name, replicas, 0.0, 0.0, Outcome.SERVED, message)
    capacity_rpm = option.sizing.capacity_rpm * replicas
    full = capacity_rpm >= order.required_rpm * (1 - TOLERANCE)
    beyond_minimum = replicas > order.server.min_num_replicas
    short = Outcome.PARTIAL if beyond_minimum else Outcome.UNSERVED
    return _Placed(
        order.server,
        option,
        option.accelerator.name,
        replicas,
        order.rate_rpm / replicas,
        order.rate_rpm if full else min(capacity_rpm, order.rate_rpm),
        Outcome.SERVED if full else short,
        _served(order, option, replicas) if full else _scarce(order, limits, option, replicas),
    )


def _held(refusal: Refusal) -> _Placed:
    current = refusal.server.current_alloc
    load = current.load
    message = f"{refusal.message}. It keeps its {replicas_of(current.num_replicas)}"
    return _Placed(
        server=refusal.server,
        option=refusal.running if current.num_replicas else None,
        accelerator=current.accelerator if current.num_replicas else "",
        replicas=current.num_replicas,
        rate_rpm=(load.arrival_rate or 0.0) / max(1, current.num_replicas),
        served_rpm=None,
        outcome=Outcome.HELD,
        message=message,
    )


def _answered(placed: _Placed, performance: Performance | None) -> AnsweredAllocation:
    option, load = placed.option, placed.server.current_alloc.load
    allocation = AnsweredAllocation(
        accelerator=placed.accelerator,
        num_replicas=placed.replicas,
        cost=placed.server.current_alloc.cost if placed.outcome is Outcome.HELD else 0.0,
        load=AnsweredLoad(**{name: getattr(load, name) for name in AnsweredLoad.model_fields}),
        outcome=placed.outcome,
        message=placed.message,
        served_rate=_rounded(placed.served_rpm),
    )
    if option is None or performance is None:
        return allocation
    first_generation = isinstance(option.pair.parameters, LinearParameters)
    latency = "wait_average" if first_generation else "ttft_average"
    return allocation.model_copy(
        update={
            "cost": option.cost_per_hour * placed.replicas,
            "max_batch": option.pair.max_batch_size,
            "max_rate_per_replica": _rounded(option.sizing.max_rate_rpm),
            latency: _rounded(performance.ttft_ms),
            "itl_average": _rounded(performance.itl_ms),
            "utilization": _rounded(performance.utilization),
            "blocking": _rounded(performance.blocking),
            "message": placed.message + _turned_away(performance, placed.server),
            "served_rate": _rounded(_not_turned_away(placed, performance)),
        }
    )


def _not_turned_away(placed: _Placed, performance: Performance) -> float | None:
    """What is served of what arrives; with a short queue some of it finds no place."""
    if placed.served_rpm is None:
        return None
    return min(placed.served_rpm, placed.rate_rpm * placed.replicas * (1 - performance.blocking))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)


def _idle(order: Order, option: Option | None = None, replicas: int = 0) -> str:
    minimum = order.server.min_num_replicas
    if replicas < minimum:
        return f"no load: of the minimum of {replicas_of(minimum)} {replicas} fit the capacity"
    return (
        f"no load: the minimum of {_replicas(replicas, option)}"
        if option
        else "no load and no minimum of replicas"
    )


def _served(order: Order, option: Option, replicas: int) -> str:
    minimum = order.server.min_num_replicas
    one_less_rpm = (replicas - 1) * option.sizing.capacity_rpm
    if replicas < minimum:
        reason = f"more of the {minimum} of minNumReplicas do not fit the capacity"
    elif one_less_rpm >= order.required_rpm:
        reason = "the minimum of replicas suffices"
    else:
        reason = BINDING[option.sizing.binding]
    return (
        f"{_replicas(replicas, option)} for {order.required_rpm:.6g} requests/min: one replica takes"
        f" {option.sizing.max_rate_rpm:.6g} requests/min ({reason})"
    )


def _scarce(
    order: Order, limits: Mapping[str, int] | None, option: Option | None = None, replicas: int = 0
) -> str:
    """What it got, and what the whole rate would take on each accelerator against what there is."""
    got = "nothing" if option is None else _replicas(replicas, option)
    needs = "; ".join(_need(o, order.required_rpm, limits or {}) for o in order.options)
    return (
        f"the capacity does not suffice for {order.required_rpm:.6g} requests/min: it gets {got}. In full it"
        f" would take {needs}"
    )


def _need(option: Option, required_rpm: float, limits: Mapping[str, int]) -> str:
    replicas = -(-required_rpm // option.sizing.capacity_rpm)
    device = option.accelerator.device
    return f"{replicas * option.units:.0f} {device} as {option.accelerator.name} (of {limits.get(device, 0)})"


def _replicas(replicas: int, option: Option) -> str:
    return f"{replicas_of(replicas)} on {option.accelerator.name}"


def _turned_away(performance: Performance, server: ServerSpec) -> str:
    if performance.blocking < WORTH_TELLING:
        return ""
    room = "" if server.max_queue_size is None else f" (maxQueueSize {server.max_queue_size})"
    return f"; {performance.blocking:.2%} of the requests find the queue full{room} and are turned away"
