"""Log lines about decisions and problems: one when something changes, silence while it lasts."""

from collections.abc import Iterable

import structlog

from inferno_actuator.decisions import Decision
from inferno_shared.contracts import Problem

log = structlog.stdlib.get_logger(__name__)


def tell_problems(problems: Iterable[Problem], before: Iterable[Problem]) -> None:
    """One line for each problem when it appears, not as long as it lasts."""
    told = {(problem.subject, problem.reason) for problem in before}
    for problem in problems:
        if (problem.subject, problem.reason) not in told:
            log.warning("problem", subject=problem.subject, reason=problem.reason, why=problem.message)


def tell_decision(decision: Decision, before: Decision | None) -> None:
    """One line for each decision that differs from the one before; the rest only for those who debug."""
    same = before is not None and (before.desired, before.reason) == (decision.desired, decision.reason)
    write = log.debug if same else log.info
    write(
        "decision",
        namespace=decision.key[0],
        variant=decision.key[1],
        current_replicas=decision.current_replicas,
        desired_replicas=decision.desired.replicas if decision.desired else None,
        accelerator=decision.desired.accelerator if decision.desired else None,
        reason=str(decision.reason),
        held=decision.held,
        why=decision.message,
    )
