"""Says for people why a variant got what it got, with the numbers that decided.

Every sentence names what binds, what it leads to, and, where something is wrong, what to do about it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from inferno_optimizer.candidates import Sized
from inferno_optimizer.decisions import Decision, HeldDecision, replicas_alone
from inferno_optimizer.queueing import Performance
from inferno_shared.contracts import Outcome, PlanReason, Policy, SaturationPolicy, SloTarget

BINDING: Final = {
    "itl": "the ITL target binds",
    "ttft": "the TTFT target binds",
    "tokens_per_second": "the tokens/s target binds",
    "saturation": "no target binds before saturation",
}
HOLDERS_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Holder:
    """Who uses how many units of a device."""

    name: str
    priority: int | None
    gpus: int


@dataclass(frozen=True, slots=True)
class Scarcity:
    """Limits and holders of every device, the largest holder first; `limits` None: unlimited."""

    limits: Mapping[str, int] | None
    holders: Mapping[str, Sequence[Holder]]
    used: Mapping[str, int]


def explain(decision: Decision, policy: Policy, scarcity: Scarcity) -> str:
    """One or more sentences for a variant that took part in its demand."""
    match decision.reason:
        case PlanReason.MAXIMUM_REPLICAS:
            said = [_requirement(decision, policy), _maximum(decision), _overload(decision)]
        case PlanReason.INSUFFICIENT_CAPACITY:
            said = [
                _requirement(decision, policy),
                *_shortage(decision, policy, scarcity),
                _overload(decision),
            ]
        case PlanReason.MINIMUM_REPLICAS:
            said = [_minimum(decision), _prediction(decision)]
        case PlanReason.UNKNOWN_LOAD:
            said = [_requirement(decision, policy), _doubt(decision), _prediction(decision)]
        case PlanReason.SHARED_DEMAND:
            said = [_requirement(decision, policy), _share(decision), _prediction(decision)]
        case _:
            said = [_requirement(decision, policy), _prediction(decision), _one_less(decision)]
    said.append(_move(decision))
    return " ".join(sentence for sentence in said if sentence)


def explain_held(held: HeldDecision) -> str:
    """Why a variant keeps its replicas."""
    kept, current = held.keeping.replicas, held.keeping.held.variant.current.replicas
    keeps = f"Keeps {_replicas(kept)}" if kept == current else f"Gets its minimum of {_replicas(kept)}"
    text = f"{keeps}: {held.keeping.held.message}."
    if held.performance is not None and held.rate_rpm:
        return (
            f"{text} At {held.rate_rpm:.6g} requests/min these replicas give an ITL of"
            f" {held.performance.itl_ms:.4g} ms and a mean wait of {held.performance.wait_ms:.4g} ms."
        )
    return text


def _requirement(decision: Decision, policy: Policy) -> str:
    sized, choice = decision.service.sized, decision.choice
    rate = f"{decision.service.rate_rpm:.6g} requests/min arrive"
    if sized.required_rpm > decision.service.rate_rpm:
        headroom = f"head-room {policy.headroom:g}" if policy.headroom > 1 else ""
        tps = sized.group.target.tokens_per_second
        throughput = f"a target of {tps:g} tokens/s" if tps is not None else ""
        why = " and ".join(part for part in (headroom, throughput) if part)
        rate += f", {sized.required_rpm:.6g} are provided for ({why})"
    if choice is None:
        return f"{rate}."
    carries = (
        f"one replica on {choice.accelerator.name} takes {choice.sizing.max_rate_rpm:.6g}"
        f" ({BINDING[choice.sizing.binding]})"
    )
    if decision.shared or decision.needed_alone is None:
        return f"{rate}; {carries}."
    return f"{rate}; {carries}, so that {_replicas(decision.needed_alone)} will do."


def _prediction(decision: Decision) -> str:
    found = decision.performance
    if found is None:
        return ""
    per_replica = decision.rate_rpm / decision.replicas
    return f"At {per_replica:.6g} per replica {_latencies(found, decision.service.sized.group.target)}."


def _one_less(decision: Decision) -> str:
    found = decision.with_one_less
    if found is None:
        return ""
    return f"With one replica less {_latencies(found, decision.service.sized.group.target)}."


def _latencies(found: Performance, target: SloTarget) -> str:
    itl = f"ITL is {found.itl_ms:.4g} ms" + (f" of {target.itl_ms:g}" if target.itl_ms else "")
    ttft = f", TTFT target {target.ttft_ms:g} ms" if target.ttft_ms else ""
    blocked = f", {found.blocking:.1%} are turned away" if found.blocking > 1e-3 else ""  # noqa: PLR2004 - 0.1 %
    return f"{itl} and the mean wait {found.wait_ms:.4g} ms{ttft}{blocked}"


def _minimum(decision: Decision) -> str:
    minimum = decision.variant.min_replicas
    if not decision.service.sized.required_rpm:
        return f"No requests arrive: the minimum of {_replicas(minimum)} is kept."
    return (
        f"{decision.service.rate_rpm:.6g} requests/min need {_replicas(decision.needed_alone or 0)};"
        f" the minimum is {minimum}."
    )


def _doubt(decision: Decision) -> str:
    return (
        "The load of another variant of this demand is unknown: here"
        f" {_replicas(decision.replicas)} stay, and may grow but not shrink."
    )


def _share(decision: Decision) -> str:
    members = len(decision.service.sized.members)
    if not decision.replicas:
        return f"The demand is shared by {members} variants; the others serve it at least cost."
    return (
        f"Of these, {decision.rate_rpm:.6g} go to {_replicas(decision.replicas)} here: {members} variants"
        " share the demand at least cost."
    )


def _maximum(decision: Decision) -> str:
    return (
        f"The maximum is {decision.variant.max_replicas}: {decision.service.capacity_rpm:.6g} requests/min"
        " are served within the SLO. Raise maxReplicas to serve the rest."
    )


def _shortage(decision: Decision, policy: Policy, scarcity: Scarcity) -> list[str]:
    got = f"There is room for {_replicas(decision.replicas) if decision.replicas else 'no replica'}"
    if decision.outcome is Outcome.UNSERVED and policy.saturation_policy is SaturationPolicy.NONE:
        got += ", as saturation policy None serves a demand in full or not beyond its minimum"
    elif decision.service.capacity_rpm:
        got += f": {decision.service.capacity_rpm:.6g} requests/min are served within the SLO"
    said = [f"{got}."]
    choices = [decision.choice] if decision.choice else decision.member.choices
    for device in sorted({choice.accelerator.device for choice in choices}):
        limit = (scarcity.limits or {}).get(device, 0)
        said.append(f"{device} has {limit} units{_holders(device, decision, scarcity)}.")
    said.append("Add devices, free some, or relax the SLO.")
    return said


def _holders(device: str, decision: Decision, scarcity: Scarcity) -> str:
    own = "/".join(decision.variant.key)
    holders = scarcity.holders.get(device, ())
    named = [h for h in holders[: HOLDERS_NAMED + 1] if h.name != own and h.gpus][:HOLDERS_NAMED]
    if not named:
        return ""
    choice = decision.choice
    mine = decision.replicas * choice.units if choice and choice.accelerator.device == device else 0
    rest = scarcity.used[device] - mine - sum(h.gpus for h in named)
    told = ", ".join(
        f"{h.gpus} by {h.name}" + (f" (priority {h.priority})" if h.priority is not None else " (held)")
        for h in named
    )
    return f", of which {told}" + (f" and {rest} by others" if rest else "") + " are used"


def _overload(decision: Decision) -> str:
    if decision.outcome is Outcome.SERVED or decision.performance is None:
        return ""
    per_replica = decision.rate_rpm / decision.replicas
    latencies = _latencies(decision.performance, decision.service.sized.group.target)
    return f"All that arrives is {per_replica:.6g} per replica: there {latencies}."


def _move(decision: Decision) -> str:
    current, choice = decision.variant.current.accelerator, decision.choice
    if choice is None or current in (None, choice.accelerator.name):
        return ""
    before = next((c for c in decision.member.choices if c.accelerator.name == current), None)
    moved = f"Moves from {current} to {choice.accelerator.name}"
    if before is None:
        return f"{moved}: {current} is no candidate here."
    return f"{moved}: {_price(decision, choice)} instead of {_price(decision, before)} cents/h."


def _price(decision: Decision, choice: Sized) -> str:
    """Cost of serving the whole demand on one accelerator."""
    replicas = decision.variant.min_replicas
    if decision.service.sized.required_rpm:
        replicas = max(replicas, replicas_alone(decision.service.sized, choice))
    return f"{choice.cost_per_hour * replicas:.6g}"


def _replicas(count: int) -> str:
    return "1 replica" if count == 1 else f"{count} replicas"
