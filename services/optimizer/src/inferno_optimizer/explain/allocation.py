"""Says for people why a variant got what it got, with the numbers that decided.

Every sentence names what binds, what it leads to, and, where something is wrong, what to do about it.
"""

from typing import Final

from inferno_optimizer.decisions import FULL, Decision, HeldDecision
from inferno_optimizer.explain.accelerator import accelerator_sentence
from inferno_optimizer.explain.scarcity import Scarcity, dearer, shortage
from inferno_optimizer.explain.wording import latencies, missed, ms, replicas_of
from inferno_shared.contracts import Outcome, PlanReason, Policy

BINDING: Final = {
    "itl": "the ITL target binds",
    "ttft": "the TTFT target binds",
    "tokens_per_second": "the tokens/s target binds",
    "saturation": "no target binds before saturation",
}


def explain(
    decision: Decision, policy: Policy, scarcity: Scarcity, current_cost_per_hour: float = 0.0
) -> str:
    """One or more sentences for a variant that took part in its demand.

    `current_cost_per_hour` (cents) is what runs now, for the charge that a change of accelerator bears.
    """
    said = [_requirement(decision, policy)]
    match decision.reason:
        case PlanReason.MAXIMUM_REPLICAS:
            said += [_maximum(decision), _overload(decision, policy)]
        case PlanReason.INSUFFICIENT_CAPACITY:
            served = _prediction(decision, policy) if decision.service.required_met else ""
            said += [served, *shortage(decision, policy, scarcity), _overload(decision, policy)]
        case PlanReason.MINIMUM_REPLICAS:
            said += [_minimum(decision), _prediction(decision, policy)]
        case PlanReason.UNKNOWN_LOAD:
            said += [_doubt(decision), _prediction(decision, policy)]
        case PlanReason.SHARED_DEMAND:
            said += [_share(decision), _prediction(decision, policy), _one_less(decision, policy)]
        case _:
            said += [_prediction(decision, policy), _one_less(decision, policy)]
    said += dearer(decision, scarcity)
    said.append(accelerator_sentence(decision, current_cost_per_hour))
    return " ".join(sentence for sentence in said if sentence)


def explain_held(held: HeldDecision) -> str:
    """Why a variant keeps its replicas."""
    kept, current = held.keeping.replicas, held.keeping.held.variant.current.replicas
    keeps = f"Keeps {replicas_of(kept)}" if kept == current else f"Gets its minimum of {replicas_of(kept)}"
    text = f"{keeps}: {held.keeping.held.message}."
    if held.keeping.held.reason is PlanReason.INFEASIBLE_SLO:
        text += " Raise the target, or use a faster accelerator or profile."
    if held.performance is not None and held.rate_rpm:
        text += (
            f" At {held.rate_rpm:.6g} requests/min these replicas give an ITL of"
            f" {ms(held.performance.itl_ms)} ms and a mean wait of {ms(held.performance.wait_ms)} ms."
        )
    return text


def _requirement(decision: Decision, policy: Policy) -> str:
    sized, choice = decision.service.sized, decision.choice
    if not sized.required_rpm:
        return "No requests arrive."
    rate = f"{decision.service.rate_rpm:.6g} requests/min arrive"
    if sized.required_rpm > decision.service.rate_rpm:
        tps = sized.group.target.tokens_per_second
        by_headroom = sized.required_rpm <= decision.service.rate_rpm * policy.headroom
        why = f"head-room {policy.headroom:g}" if by_headroom else f"a target of {tps:g} tokens/s"
        rate += f", {sized.required_rpm:.6g} are provided for ({why})"
    if choice is None:
        return f"{rate}."
    carries = (
        f"one replica on {choice.accelerator.name} takes {choice.sizing.max_rate_rpm:.6g}"
        f" ({BINDING[choice.sizing.binding]})"
    )
    if decision.shared or decision.needed_alone is None:
        return f"{rate}; {carries}."
    return f"{rate}; {carries}, so that {replicas_of(decision.needed_alone)} will do."


def _prediction(decision: Decision, policy: Policy) -> str:
    found = decision.performance
    if found is None:
        return ""
    per_replica = decision.rate_rpm / decision.replicas
    told = latencies(found, decision.service.sized.group.target, policy)
    return f"At {per_replica:.6g} per replica {told}."


def _one_less(decision: Decision, policy: Policy) -> str:
    found, target = decision.with_one_less, decision.service.sized.group.target
    if found is None:
        return ""
    lost = missed(found, target) or _not_provided_for(decision)
    return f"With one replica less {latencies(found, target, policy)}{lost}."


def _not_provided_for(decision: Decision) -> str:
    """What one replica less would miss beside the targets, as the end of a sentence."""
    service, choice, minimum = decision.service, decision.choice, decision.member.minimum
    required_rpm = service.sized.required_rpm
    left_rpm = service.capacity_rpm - (choice.sizing.capacity_rpm if choice else 0.0)
    if left_rpm < required_rpm * FULL:
        return f", but only {left_rpm:.6g} of the {required_rpm:.6g} would be provided for"
    return f": the minimum of {minimum} would be missed" if decision.replicas <= minimum else ""


def _minimum(decision: Decision) -> str:
    minimum = decision.member.minimum
    return f"The minimum of {replicas_of(minimum)} is kept." if minimum else ""


def _doubt(decision: Decision) -> str:
    return (
        "The load of another variant of this demand is unknown: here"
        f" {replicas_of(decision.replicas)} stay, and may grow but not shrink."
    )


def _share(decision: Decision) -> str:
    members = len(decision.service.sized.members)
    if not decision.replicas:
        return f"The demand is shared by {members} variants; the others serve it at least cost."
    return (
        f"Of these, {decision.rate_rpm:.6g} go to {replicas_of(decision.replicas)} here: {members} variants"
        " share the demand at least cost."
    )


def _maximum(decision: Decision) -> str:
    return (
        f"The maximum is {decision.variant.max_replicas}: {decision.service.capacity_rpm:.6g} requests/min"
        " are served within the SLO. Raise maxReplicas to serve the rest."
    )


def _overload(decision: Decision, policy: Policy) -> str:
    if decision.outcome is Outcome.SERVED or decision.performance is None:
        return ""
    per_replica = decision.rate_rpm / decision.replicas
    told = latencies(decision.performance, decision.service.sized.group.target, policy)
    return f"All that arrives is {per_replica:.6g} per replica: there {told}."
