"""Plans a snapshot and each of its scenarios with one planner, and sets the plans side by side."""

from collections.abc import Callable, Sequence

from inferno_optimizer.whatif.apply import Complaint, ScenarioError, apply, notes
from inferno_optimizer.whatif.difference import difference
from inferno_shared.contracts import Plan, Scenario, ScenarioPlan, Snapshot, WhatIf

Planner = Callable[[Snapshot], Plan]


def what_if(snapshot: Snapshot, scenarios: Sequence[Scenario], plan: Planner) -> WhatIf:
    """The base plan, and every scenario's plan with its difference.

    Raises:
        ScenarioError: before anything is planned, with all that does not fit in any scenario.
    """
    edited = _applied(snapshot, scenarios)
    base = plan(snapshot)
    answers = []
    for scenario, world in zip(scenarios, edited, strict=True):
        other = plan(world)
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
