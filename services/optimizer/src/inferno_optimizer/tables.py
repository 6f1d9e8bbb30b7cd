"""Plans and analyses for a terminal: numbers as tables, sentences as paragraphs below them.

Names are folded rather than cut: they are what a reader copies.
"""

from collections.abc import Collection, Iterator

from rich.box import SIMPLE_HEAD
from rich.padding import Padding
from rich.table import Table

from inferno_shared.contracts import AnalysisResult, Placement, Plan


def plan_tables(plan: Plan, differing: Collection[tuple[str, str]] | None = None) -> list[object]:
    """Allocations, reasons (of some variants only, if given), devices, certificate, problems, totals."""
    return [
        _allocations(plan),
        *_reasons(plan, differing),
        "",
        _devices(plan),
        *_one_more(plan),
        "",
        _certificate(plan),
        *_problems(plan),
        f"\n{_totals(plan)}",
    ]


def analysis_tables(result: AnalysisResult) -> list[object]:
    """The answer in a sentence, the limits, and the curve."""
    limits = result.limits_rpm
    headers = ("requests/min", "ITL ms", "wait ms", "TTFT ms", "utilisation", "turned away")
    curve = table_of(*headers, numbers_from=0)
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
        answer += f"\n{result.cost_per_hour:g} cents/h in all"
    told = (
        f"Largest requests/min per replica: ITL {number(limits.itl)}, TTFT {number(limits.ttft)},"
        f" tokens/s {number(limits.tokens_per_second)}"
    )
    return [answer, told, curve]


def number(value: float | None) -> str:
    """Four digits; a dash for what is not known."""
    return "-" if value is None else f"{value:.4g}"


def table_of(*headers: str, numbers_from: int = 1) -> Table:
    """A table whose columns are numbers from that place on; text is folded where it must be, never cut."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for place, header in enumerate(headers):
        table.add_column(header, justify="right" if place >= numbers_from else "left", overflow="fold")
    return table


def paragraph(heading: str, text: str) -> Iterator[object]:
    """A heading, and below it a text over the full width."""
    yield f"\n{heading}"
    yield Padding(text, (0, 0, 0, 2), expand=False)


def _allocations(plan: Plan) -> Table:
    headers = ("variant", "outcome", "on", "repl.", "cents/h", "ITL ms", "wait ms", "util.")
    table = table_of(*headers, numbers_from=3)
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
    return table


def _reasons(plan: Plan, only: Collection[tuple[str, str]] | None = None) -> Iterator[object]:
    for a in plan.allocations:
        if only is None or (a.namespace, a.name) in only:
            yield from paragraph(f"{a.namespace}/{a.name} - {a.reason.value}", a.message)


def _devices(plan: Plan) -> Table:
    table = table_of("device", "used", "limit", "nodes used", "largest free")
    placement = {entry.device: entry for entry in plan.placement}
    for entry in plan.capacity:
        nodes, largest = _nodes(placement.get(entry.device))
        limit = "-" if entry.limit is None else str(entry.limit)
        table.add_row(entry.device, str(entry.used), limit, nodes, largest)
    return table


def _one_more(plan: Plan) -> Iterator[object]:
    """What more units would change, a sentence each."""
    return (Padding(e.one_more.message, (0, 0, 0, 2), expand=False) for e in plan.capacity if e.one_more)


def _nodes(placement: Placement | None) -> tuple[str, str]:
    """How many nodes with free units are used, and the largest replica that still finds one, in units."""
    if placement is None:
        return "-", "-"
    used = sum(shape.used_nodes for shape in placement.shapes)
    return f"{used} of {sum(shape.nodes for shape in placement.shapes)}", str(placement.largest_free)


def _certificate(plan: Plan) -> Table:
    verified = "verified" if plan.certificate.verified else "NOT verified"
    table = table_of("objective", "value", "bound", "gap", f"{plan.certificate.status}, {verified}")
    for stage in plan.certificate.stages:
        table.add_row(
            stage.objective, f"{stage.value:g}", number(stage.bound), number(stage.gap), stage.status
        )
    return table


def _problems(plan: Plan) -> Iterator[object]:
    for problem in plan.problems:
        yield from paragraph(f"{problem.subject} - {problem.reason}", problem.message)


def _totals(plan: Plan) -> str:
    return f"Total: {plan.totals.cost_per_hour:g} cents/h, {plan.totals.gpus} units"
