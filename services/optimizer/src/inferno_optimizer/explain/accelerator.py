"""Why a variant changes its accelerator, or stays where it is, with the costs that were compared."""

from typing import Final

from inferno_optimizer.allocation.problem import SWITCHING_SHARE
from inferno_optimizer.candidates import Sized
from inferno_optimizer.decisions import Decision, replicas_alone
from inferno_optimizer.explain.wording import replicas_of
from inferno_shared.contracts import PlanReason

SAME: Final = 1e-9
MOST_NAMED: Final = 3
CHARGE: Final = f"{SWITCHING_SHARE * 100:g} % of old and new cost"


def accelerator_sentence(decision: Decision, current_cost_per_hour: float) -> str:
    """One sentence; empty where there was nothing to choose.

    `current_cost_per_hour`: of all replicas that run now. A move is charged `SWITCHING_SHARE` of that and of
    the new cost: from 1 H100 at 50 to 3 A100 for 120 cents/h are 8.5.
    """
    current, choice = decision.variant.current.accelerator, decision.choice
    if choice is None:
        return ""
    name = choice.accelerator.name
    if current in (None, name):
        told = _stays(decision, choice, current_cost_per_hour)
    else:
        told = f"Moves from {current} to {name}{_why(decision, choice, current_cost_per_hour)}"
    return " ".join(sentence for sentence in (told, _barred(decision)) if sentence)


def _barred(decision: Decision) -> str:
    """Accelerators that a variant has profiles for and may, but cannot, go to; the one in use is told."""
    variant = decision.variant
    if variant.keep_accelerator or decision.member.locked:
        return ""
    able = {choice.accelerator.name for choice in decision.member.choices}
    barred = sorted(
        {profile.accelerator for profile in variant.profiles} - able - {variant.current.accelerator}
    )
    if not barred:
        return ""
    named = ", ".join(barred[:MOST_NAMED]) + (
        f" and {len(barred) - MOST_NAMED} more" if len(barred) > MOST_NAMED else ""
    )
    return f"{named} cannot keep the SLO, or {'have' if len(barred) > 1 else 'has'} no price."


def _why(decision: Decision, choice: Sized, current_cost_per_hour: float) -> str:
    """The rest of a sentence about a move."""
    current = decision.variant.current.accelerator
    before = next((c for c in decision.member.choices if c.accelerator.name == current), None)
    if before is None:
        return f": {current} cannot keep the SLO, or has no profile or no price."
    if decision.reason is PlanReason.MAXIMUM_REPLICAS:
        return f", where the maximum of {replicas_of(decision.replicas)} serves more."
    if _short(decision):
        return ", where there is more room for it."
    if decision.shared:
        return f", as part of the cheapest plan for the {_members(decision)} variants of this demand."
    if not _may_serve(decision, before):
        return f": {current} would take more replicas than the maximum of {decision.variant.max_replicas}."
    new, old = _cost(decision, choice), _cost(decision, before)
    charge = SWITCHING_SHARE * (current_cost_per_hour + new)
    compared = f"{new:.6g} cents/h and {charge:.6g} for switching ({CHARGE}) against {old:.6g} for staying"
    want = f" for want of {before.accelerator.device}" if new + charge > old * (1 + SAME) else ""
    return f"{want}: {compared}."


def _stays(decision: Decision, choice: Sized, current_cost_per_hour: float) -> str:
    variant, name = decision.variant, choice.accelerator.name
    others = [c for c in decision.member.choices if c is not choice]
    if decision.member.locked or decision.shared:
        return ""
    if not others:
        more = len({profile.accelerator for profile in variant.profiles}) > 1
        kept = more and variant.keep_accelerator and variant.current.accelerator is not None
        return f"Stays on {name}, as keepAccelerator asks." if kept else ""
    others = [c for c in others if _may_serve(decision, c)]
    if not others or _short(decision) or not decision.service.sized.required_rpm:
        return ""
    new_comer = variant.current.accelerator is None
    charged = []
    for other in others:
        cost = _cost(decision, other)
        charge = 0.0 if new_comer else SWITCHING_SHARE * (current_cost_per_hour + cost)
        charged.append((cost + charge, cost, charge, other.accelerator.name))
    total, cost, charge, best = min(charged)
    own = choice.cost_per_hour * decision.replicas
    if total < own * (1 - SAME):
        return ""  # it would rather be there: what scarcity costs is told elsewhere
    verdict = "Goes to" if new_comer else "Stays on"
    told = f"{cost:.6g}" + (f" and {charge:.6g} for switching ({CHARGE})" if charge else "")
    tie = " (a tie: fewer changes, then the first name)" if total <= own * (1 + SAME) else ""
    return f"{verdict} {name} for {own:.6g} cents/h: {best}, the next best, would cost {told}{tie}."


def _short(decision: Decision) -> bool:
    """Whether its demand is not served in full, or it misses its minimum."""
    return not decision.service.required_met or decision.replicas < decision.member.minimum


def _may_serve(decision: Decision, choice: Sized) -> bool:
    """Whether the variant's maximum lets one accelerator serve the whole demand."""
    maximum = decision.variant.max_replicas
    return maximum is None or _replicas(decision, choice) <= maximum


def _replicas(decision: Decision, choice: Sized) -> int:
    """Replicas that serve the whole demand on one accelerator."""
    replicas = decision.member.minimum
    if decision.service.sized.required_rpm:
        replicas = max(replicas, replicas_alone(decision.service.sized, choice))
    return replicas


def _cost(decision: Decision, choice: Sized) -> float:
    """Cents per hour of serving the whole demand on one accelerator."""
    return choice.cost_per_hour * _replicas(decision, choice)


def _members(decision: Decision) -> int:
    return len(decision.service.sized.members)
