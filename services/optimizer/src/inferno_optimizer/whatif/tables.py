"""A base plan and its scenarios as tables for a terminal: each one's differences, then its plan."""

from collections.abc import Iterator

from inferno_optimizer.tables import number, plan_tables, table_of
from inferno_shared.contracts import Difference, ScenarioPlan, VariantState, WhatIf


def what_if_tables(answer: WhatIf) -> list[object]:
    """Everything, in the order of the request."""
    parts: list[object] = ["Base plan", *plan_tables(answer.base)]
    for scenario in answer.scenarios:
        parts += _scenario(scenario)
    return parts


def _scenario(scenario: ScenarioPlan) -> Iterator[object]:
    yield f"\nScenario {scenario.name}: {scenario.difference.summary}"
    yield from (f"Note: {note}." for note in scenario.notes)
    yield from _differences(scenario.difference)
    yield f"\nPlan of scenario {scenario.name}"
    differing = {(v.namespace, v.name) for v in scenario.difference.variants}
    yield from plan_tables(scenario.plan, differing)


def _differences(difference: Difference) -> Iterator[object]:
    if difference.variants:
        table = table_of("differs", "before", "after", "cents/h before", "after", numbers_from=3)
        for v in difference.variants:
            costs = (f"{v.before.cost_per_hour:g}", f"{v.after.cost_per_hour:g}")
            table.add_row(f"{v.namespace}/{v.name}", _state(v.before), _state(v.after), *costs)
        yield ""
        yield table
    if difference.demands:
        headers = ("demand", "class", "requests/min before", "after", "served before", "after")
        table = table_of(*headers, numbers_from=2)
        for d in difference.demands:
            rates = (d.rate_rpm_before, d.rate_rpm_after, d.served_rpm_before, d.served_rpm_after)
            table.add_row(f"{d.namespace}/{d.model}", d.service_class, *map(number, rates))
        yield ""
        yield table
    if difference.devices:
        table = table_of("device", "used before", "after", "limit before", "after")
        for e in difference.devices:
            units = (e.used_before, e.used_after, e.limit_before, e.limit_after)
            table.add_row(e.device, *("-" if n is None else str(n) for n in units))
        yield ""
        yield table


def _state(state: VariantState) -> str:
    return f"{state.replicas} x {state.accelerator or '-'}, {state.outcome.value}"
