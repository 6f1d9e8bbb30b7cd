"""Plans a snapshot and each of its scenarios with one planner, and sets the plans side by side."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Final

from inferno_optimizer.whatif.apply import Complaint, ScenarioError, apply, notes
from inferno_optimizer.whatif.difference import difference
from inferno_shared.contracts import Plan, Scenario, ScenarioPlan, Snapshot, WhatIf

Planner = Callable[[Snapshot, float], Plan]
"""Makes a plan within that many seconds."""

LEAST_SECONDS: Final = 1e-3
"""What a plan may take when the time is over: one that is made without the solver is not far beyond."""


def what_if(
    snapshot: Snapshot,
    scenarios: Sequence[Scenario],
    plan: Planner,
    limit_seconds: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> WhatIf:
    """The base plan, and every scenario's plan with its difference.

    The policy's time limit, and `limit_seconds`, are for all plans together: each may take an equal part of
    what the plans before it have left.

    Raises:
        ScenarioError: before anything is planned, with all that does not fit in any scenario.
    """
    edited = _applied(snapshot, scenarios)
    deadline = clock() + min(limit_seconds, snapshot.policy.time_limit_seconds)
    base = plan(snapshot, (deadline - clock()) / (1 + len(edited)))
    answers = []
    for index, (scenario, world) in enumerate(zip(scenarios, edited, strict=True)):
        other = plan(world, max(LEAST_SECONDS, (deadline - clock()) / (len(edited) - index)))
        answers.append(
            ScenarioPlan(
                name=scenario.name,
                notes=notes(snapshot, world, scenario),
                plan=other,
                difference=difference(base, other),
            )
        )
    return WhatIf(base=base, scenarios=answers)


def _applied(snapshot: Snapshot, scenarios: Sequence[Scenario]) -> list[Snapshot]:
    edited: list[Snapshot] = []
    complaints: list[Complaint] = []
    for index, scenario in enumerate(scenarios):
        try:
            edited.append(apply(snapshot, scenario))
        except ScenarioError as error:
            complaints += [Complaint(f"scenarios[{index}].{c.field}", c.message) for c in error.complaints]
    if complaints:
        raise ScenarioError(complaints)
    return edited
