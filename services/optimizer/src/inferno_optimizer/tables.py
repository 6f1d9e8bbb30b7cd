"""Plans and analyses as tables for a terminal."""

from rich.table import Table

from inferno_shared.contracts import AnalysisResult, Plan


def plan_tables(plan: Plan) -> list[object]:
    """Allocations, reasons, devices, certificate, problems."""
    allocations = Table(
        "variant", "outcome", "accelerator", "replicas", "cents/h", "ITL ms", "wait ms", "util."
    )
    for column in allocations.columns[3:]:
        column.justify = "right"
    reasons = Table("variant", "reason", "why")
    for a in plan.allocations:
        name = f"{a.namespace}/{a.name}"
        found = a.predicted
        allocations.add_row(
            name,
            a.outcome.value,
            a.accelerator or "-",
            str(a.replicas),
            f"{a.cost_per_hour:g}",
            _number(found.itl_ms),
            _number(found.wait_ms),
            _number(found.utilization),
        )
        reasons.add_row(name, a.reason.value, a.message)
    return [allocations, reasons, _devices(plan), _certificate(plan), *_problems(plan), _totals(plan)]


def analysis_tables(result: AnalysisResult) -> list[object]:
    """The answer in a sentence, the limits, and the curve."""
    limits = result.limits_rpm
    curve = Table("requests/min", "ITL ms", "wait ms", "TTFT ms", "utilisation", "turned away")
    for column in curve.columns:
        column.justify = "right"
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
        f"Largest requests/min per replica: ITL {_number(limits.itl)}, TTFT {_number(limits.ttft)},"
        f" tokens/s {_number(limits.tokens_per_second)}"
    )
    return [answer, told, curve]


def _devices(plan: Plan) -> Table:
    table = Table("device", "used", "limit")
    for entry in plan.capacity:
        table.add_row(entry.device, str(entry.used), "-" if entry.limit is None else str(entry.limit))
    return table


def _certificate(plan: Plan) -> Table:
    verified = "verified" if plan.certificate.verified else "NOT verified"
    table = Table("objective", "value", "bound", "gap", f"{plan.certificate.status}, {verified}")
    for stage in plan.certificate.stages:
        table.add_row(
            stage.objective, f"{stage.value:g}", _number(stage.bound), _number(stage.gap), stage.status
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


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
