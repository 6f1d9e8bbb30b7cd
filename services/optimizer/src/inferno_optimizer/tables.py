"""Plans and analyses as tables for a terminal."""

from collections.abc import Collection

from rich.table import Table

from inferno_shared.contracts import AnalysisResult, Placement, Plan


def plan_tables(plan: Plan) -> list[object]:
    """Allocations, reasons, devices, certificate, problems."""
    return [
        _allocations(plan),
        _reasons(plan),
        _devices(plan),
        _certificate(plan),
        *_problems(plan),
        _totals(plan),
    ]


def scenario_tables(plan: Plan, differing: Collection[tuple[str, str]]) -> list[object]:
    """The same with the reasons of the variants that differ from the base plan only."""
    reasons = [_reasons(plan, differing)] if differing else []
    return [_allocations(plan), *reasons, _devices(plan), _certificate(plan), *_problems(plan), _totals(plan)]


def analysis_tables(result: AnalysisResult) -> list[object]:
    """The answer in a sentence, the limits, and the curve."""
    limits = result.limits_rpm
    curve = Table("requests/min", "ITL ms", "wait ms", "TTFT ms", "utilisation", "turned away")
    right_aligned(curve, 0)
    for point in result.curve:
        curve.add_row(
            f"{point.rate_rpm:.4g}",
            f"{point.itl_ms:.4g}",
            f"{point.wait_ms:.4g}",
            f"{point.ttft_ms:.4g}",
            f"{point.utilization:.3f}",
            f"{point.blocking:.2%}",
        )
    answer = result.message
    if result.feasible:
        answer += f"\n{result.replicas} replicas, {result.cost_per_hour:g} cents/h"
    told = (
        f"Largest requests/min per replica: ITL {number(limits.itl)}, TTFT {number(limits.ttft)},"
        f" tokens/s {number(limits.tokens_per_second)}"
    )
    return [answer, told, curve]


def number(value: float | None) -> str:
    """Four digits; a dash for what is not known."""
    return "-" if value is None else f"{value:.4g}"


def right_aligned(table: Table, start: int) -> Table:
    """Align the columns from `start` on."""
    for column in table.columns[start:]:
        column.justify = "right"
    return table


def _allocations(plan: Plan) -> Table:
    table = Table("variant", "outcome", "accelerator", "replicas", "cents/h", "ITL ms", "wait ms", "util.")
    for a in plan.allocations:
        found = a.predicted
        table.add_row(
            f"{a.namespace}/{a.name}",
            a.outcome.value,
            a.accelerator or "-",
            str(a.replicas),
            f"{a.cost_per_hour:g}",
            number(found.itl_ms),
            number(found.wait_ms),
            number(found.utilization),
        )
    return right_aligned(table, 3)


def _reasons(plan: Plan, only: Collection[tuple[str, str]] | None = None) -> Table:
    table = Table("variant", "reason", "why", show_lines=True)
    for a in plan.allocations:
        if only is None or (a.namespace, a.name) in only:
            table.add_row(f"{a.namespace}/{a.name}", a.reason.value, a.message)
    return table


def _devices(plan: Plan) -> Table:
    table = Table("device", "used", "limit", "nodes used", "largest free", "one more unit")
    placement = {entry.device: entry for entry in plan.placement}
    for entry in plan.capacity:
        nodes, largest = _nodes(placement.get(entry.device))
        table.add_row(
            entry.device,
            str(entry.used),
            "-" if entry.limit is None else str(entry.limit),
            nodes,
            largest,
            entry.one_more.message if entry.one_more else "-",
        )
    return table


def _nodes(placement: Placement | None) -> tuple[str, str]:
    """How many nodes with free units are used, and the largest replica that still finds one, in units."""
    if placement is None:
        return "-", "-"
    used = sum(shape.used_nodes for shape in placement.shapes)
    return f"{used} of {sum(shape.nodes for shape in placement.shapes)}", str(placement.largest_free)


def _certificate(plan: Plan) -> Table:
    verified = "verified" if plan.certificate.verified else "NOT verified"
    table = Table("objective", "value", "bound", "gap", f"{plan.certificate.status}, {verified}")
    for stage in plan.certificate.stages:
        table.add_row(
            stage.objective, f"{stage.value:g}", number(stage.bound), number(stage.gap), stage.status
        )
    return table


def _problems(plan: Plan) -> list[Table]:
    if not plan.problems:
        return []
    table = Table("problem with", "reason", "message")
    for problem in plan.problems:
        table.add_row(problem.subject, problem.reason, problem.message)
    return [table]


def _totals(plan: Plan) -> str:
    return f"Total: {plan.totals.cost_per_hour:g} cents/h, {plan.totals.gpus} units"
