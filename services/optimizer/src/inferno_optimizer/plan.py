"""From snapshot to plan: pure, so that a snapshot gives the same bytes; only a time limit asks a clock.

snapshot -> demands -> sized candidates -> problem -> verified solution -> decisions -> plan
"""

import math
import time
from collections.abc import Callable, Sequence

from ortools.util.python.solve_interrupter import SolveInterrupter

from inferno_optimizer.allocation.components import scarce_devices
from inferno_optimizer.allocation.limits import inexact_devices
from inferno_optimizer.audit import audit
from inferno_optimizer.candidates import Size, candidates_of
from inferno_optimizer.choosing import Chosen, choose, problem_of
from inferno_optimizer.decisions import decisions_of, held_decisions
from inferno_optimizer.demands import Demands, Held, demands_of
from inferno_optimizer.devices import keeping, locked_of, nodes_of
from inferno_optimizer.document import Findings, document
from inferno_optimizer.explain import growth_of, questions_of, share_of_time, wishes_of
from inferno_optimizer.queueing import size
from inferno_shared.contracts import Plan, PlanReason, Problem, Snapshot


def make_plan(
    snapshot: Snapshot,
    time_limit_seconds: float = math.inf,
    *,
    interrupter: SolveInterrupter | None = None,
    clock: Callable[[], float] = time.monotonic,
    size: Size = size,
) -> Plan:
    """The cheapest plan that keeps every SLO that can be kept.

    Whatever is wrong with one variant, class or profile becomes that variant's own reason. A plan that fails
    its own verification is not returned: everything is held instead, and the problems say so.
    `time_limit_seconds` caps the snapshot's own limit, which is one for the whole work: drawing up the answer
    is expected to take as long as sizing did, and the solver gets what is left of it on the `clock`.
    `interrupter` ends it with `InterruptedSolveError`. `size` may be a `SizedOnce` that several plans share.
    """
    begun = clock()
    policy = snapshot.policy
    seconds = min(policy.time_limit_seconds, time_limit_seconds)
    demands = demands_of(snapshot)
    nodes = None if policy.unlimited else nodes_of(snapshot.inventory)
    candidates = candidates_of(demands.groups, snapshot.accelerators, policy, nodes, size)
    locked = list(locked_of(candidates.groups))
    kept = keeping([*demands.held, *candidates.held], snapshot.accelerators, nodes, locked)
    problem = problem_of(candidates.groups, snapshot.accelerators, nodes, kept, policy)
    scarce = scarce_devices(problem)
    questions = questions_of(problem, scarce, asked=policy.one_more_unit)
    seconds = max(0.0, seconds - 2 * (clock() - begun))
    kept_seconds = seconds * share_of_time(questions)
    chosen = choose(problem, seconds - kept_seconds, interrupter, clock, scarce)
    if not isinstance(chosen, Chosen):
        return _all_held(snapshot, demands, chosen.violations)
    wishes = wishes_of(chosen)
    if not wishes:  # Everybody has the best choice there is: no device has a price.
        questions = [question for question in questions if question.exact]
    findings = Findings(
        groups=candidates.groups,
        decisions=decisions_of(candidates.groups, chosen, policy),
        held=held_decisions(kept, candidates.infeasible, candidates.groups, policy),
        stages=chosen.solution.stages,
        placement=None if nodes is None else chosen.solution.placement,
        inexact=inexact_devices(problem),
        problems=candidates.problems,
        verified=True,
        wishes=wishes,
        growth=growth_of(questions, chosen.solution, candidates.groups, kept_seconds, interrupter, clock),
    )
    plan = document(snapshot, findings)
    violations = audit(snapshot, plan)
    return _all_held(snapshot, demands, violations) if violations else plan


def _all_held(snapshot: Snapshot, demands: Demands, violations: Sequence[str]) -> Plan:
    """Every variant at its current replicas: what is done when no plan can be trusted."""
    message = "no plan passed verification; see the plan's problems"
    already = {held.variant.key for held in demands.held}
    held = [
        *demands.held,
        *(
            Held(variant, PlanReason.OPTIMIZATION_FAILED, message)
            for variant in snapshot.variants
            if variant.key not in already
        ),
    ]
    kept = keeping(held, snapshot.accelerators, nodes={})
    problems = tuple(
        Problem(
            subject="Optimizer",
            reason=PlanReason.OPTIMIZATION_FAILED.value,
            message=f"{violation}. Everything is held. Please report this with the snapshot.",
        )
        for violation in violations
    )
    findings = Findings(
        groups=(),
        decisions=(),
        held=held_decisions(kept, {}, (), snapshot.policy),
        stages=(),
        problems=problems,
        verified=False,
    )
    return document(snapshot, findings)
