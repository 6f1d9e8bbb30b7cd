"""What the terminal shows: a line while the load runs, a table of latencies at the end, advice on failure."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from vllm_emulator.load.outcome import (
    PERCENTILES,
    Distribution,
    Outcome,
    Slo,
    Tally,
    distributions,
    percentile,
)

RECENT = 50
TITLES = {"ttft": "TTFT", "itl": "ITL", "e2e": "end to end"}


def progress_line(tally: Tally, *, elapsed_seconds: float, rate_rpm: float) -> str:
    """How it goes, with the latest requests' latencies."""
    parts = [
        f"{elapsed_seconds:5.0f} s",
        f"{rate_rpm:g} requests/min",
        f"sent {tally.sent}",
        f"answered {tally.ok}",
        f"outstanding {tally.outstanding}",
    ]
    parts += [f"failed {tally.failed}"] if tally.failed else []
    parts += [f"dropped {tally.dropped}"] if tally.dropped else []
    recent = [outcome for outcome in tally.outcomes[-RECENT:] if outcome.ok]
    parts += _recent("TTFT", [outcome.ttft_ms for outcome in recent if outcome.ttft_ms is not None])
    parts += _recent("ITL", [outcome.itl_ms for outcome in recent if outcome.itl_ms is not None])
    return "  ".join(parts)


def _recent(name: str, values_ms: Sequence[float]) -> list[str]:
    return [f"{name} p95 {percentile(sorted(values_ms), 95):.1f} ms"] if values_ms else []


def show_result(console: Console, tally: Tally, slo: Slo, *, seconds: float) -> None:
    """Counts, the table of latencies, and what went wrong."""
    console.print(
        f"\n{tally.sent} requests sent in {seconds:.1f} s: {tally.ok} answered, {tally.failed} failed, "
        f"{tally.outstanding} unfinished, {tally.dropped} dropped"
    )
    measured = distributions(tally.outcomes, slo)
    if measured:
        console.print(_table(measured))
    for error, count in tally.errors():
        console.print(f"{count} times: {error}", markup=False, highlight=False, style="red")
    if tally.dropped:
        console.print(
            f"{tally.dropped} requests were never sent: too many answers were outstanding. "
            "A higher --max-concurrency sends them.",
            style="yellow",
        )


def _table(measured: dict[str, Distribution]) -> Table:
    table = Table(title="latency in ms (ITL: mean of a request)", title_justify="left")
    table.add_column("")
    for heading in ("mean", *(f"p{share}" for share in PERCENTILES), "SLO", "within SLO"):
        table.add_column(heading, justify="right")
    for name, values in measured.items():
        target = ["", ""] if values.slo_ms is None else [f"{values.slo_ms:g}", f"{values.within:.1%}"]
        numbers = [f"{value:.1f}" for value in (values.mean_ms, *values.percentiles_ms)]
        table.add_row(TITLES[name], *numbers, *target)
    return table


def advice(outcomes: Sequence[Outcome], url: str) -> str:
    """What to check when every request failed."""
    first = next((outcome.error for outcome in outcomes if outcome.error is not None), "")
    if first.startswith("cannot connect"):
        return (
            f"Every request failed: nothing answers at {url}. Is the server running, and is the port right? "
            "On a cluster: is `kubectl port-forward` still running?"
        )
    if first.startswith("HTTP 404"):
        return f"Every request failed: check --model, and that --url ({url}) ends with /v1."
    if first.startswith("HTTP 503"):
        return f"Every request failed: the server at {url} is not ready yet. Wait until its /health says 200."
    return f"Every request failed. The errors above say why; the server's log at {url} may say more."
